"""The encoder of a hashed forest as lists, beside the graph that computes the same."""

from __future__ import annotations

from collections.abc import Mapping

from housing_core.listed_inputs import ListedCategory, ListedHash, ListedInputs, ListedNumber
from housing_training.export.builder import Array
from housing_training.features.hashing import CROSS_SEPARATOR, Encoder


def list_inputs(
    encoder: Encoder, inputs: Mapping[str, str], positions: Array, signs: Array
) -> ListedInputs:
    """What stands where.

    Args:
        encoder: as it was fitted.
        inputs: column → name of the graph's input.
        positions: (width + 1,) place of each of the encoder's features, and of what is unseen.
        signs: (width + 1,) 1 or -1, what the value at a place is multiplied with.

    """
    places = iter(positions.tolist())  # the features stand in the order of the encoder's attributes
    number_at = {name: next(places) for name in encoder.medians}
    missing_at = {name: next(places) for name in encoder.indicators}
    categories = [
        ListedCategory(input=inputs[name], positions={category: next(places) for category in known})
        for name, known in encoder.categories.items()
    ]
    bucket_positions = {bucket: next(places) for bucket in encoder.used.tolist()}
    return ListedInputs(
        numbers=[
            ListedNumber(
                input=inputs[name],
                median=median,
                position=number_at[name],
                missing_position=missing_at.get(name),
            )
            for name, median in encoder.medians.items()
        ],
        categories=categories,
        hashes=[
            ListedHash(name=item.name, inputs=[inputs[column] for column in item.columns])
            for item in encoder.hashed
        ],
        buckets=encoder.buckets,
        bucket_positions=bucket_positions,
        separator=CROSS_SEPARATOR,
        unseen=next(places),
        signs=signs.astype(int).tolist(),
    )
