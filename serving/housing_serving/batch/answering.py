"""Classifies a file of listings, a batch at a time; rows that are wrong are named, not lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from housing_serving.batch.reading import Batch, BatchReader
from housing_serving.batch.writing import AnsweredRow, BatchWriter
from housing_serving.http.problems import field_error
from housing_serving.inference.encoding import BadListingsError, Listing
from housing_serving.inference.model import Model
from housing_serving.log.tables import Received
from housing_serving.predictor import Predictor


def answer_file(
    predictor: Predictor,
    model: Model,
    reader: BatchReader,
    writer: BatchWriter,
    received: Received,
) -> Iterator[bytes]:
    """The bytes of the answer, one part for each batch of rows.

    Each part may be asked for in another thread.

    Args:
        received: `size` is not used; each batch counts for itself.

    """
    yield writer.begin()
    for batch in reader.batches:
        yield writer.write(_answer(predictor, model, batch, received))
    yield writer.end()


def _answer(
    predictor: Predictor, model: Model, batch: Batch, received: Received
) -> list[AnsweredRow]:
    _set_bad_rows_aside(model, batch)
    answered = [AnsweredRow(position, None, (), error) for position, error in batch.bad.items()]
    if batch.rows:
        predictions = predictor.classify(
            model, batch.rows, replace(received, size=_size(batch.rows)), batch.positions
        )
        classes = model.schema.classes
        answered += [
            AnsweredRow(position, classes[label], shares, None)
            for position, label, shares in zip(
                batch.positions,
                predictions.labels.tolist(),
                predictions.probabilities.tolist(),
                strict=True,
            )
        ]
    return sorted(answered, key=lambda row: row.row)


def _set_bad_rows_aside(model: Model, batch: Batch) -> None:
    """Move the rows that cannot be encoded to the bad ones: one by one, only if there are any."""
    try:
        model.encoder.encode(batch.rows)
    except BadListingsError:
        rows, positions = batch.rows, batch.positions
        batch.rows, batch.positions = [], []
        for position, row in zip(positions, rows, strict=True):
            try:
                model.encoder.encode([row])
            except BadListingsError as error:
                batch.bad[position] = field_error(error.fields[0])
            else:
                batch.rows.append(row)
                batch.positions.append(position)


def _size(rows: list[Listing]) -> int:
    """About the bytes that the rows would have as a request."""
    return sum(len(str(value)) + 8 for row in rows for value in row.values())
