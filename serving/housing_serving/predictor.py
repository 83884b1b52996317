"""Classifies listings for every route: counted, logged, and written as the answer of `/predict`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from housing_core.tasks import ServingTask
from housing_serving.formats.answer import common_part, list_predictions, write_answer
from housing_serving.formats.listings import parse
from housing_serving.http.problems import Problem, bad_listings, no_model
from housing_serving.inference.encoding import BadListingsError, Listing
from housing_serving.inference.graphs import Predictions
from housing_serving.inference.model import Model
from housing_serving.log.tables import LogEntry, Received, json_texts
from housing_serving.metrics import Metrics
from housing_serving.versions.readiness import Serving

Write = Callable[[Serving, Model, Predictions], bytes]
"""Makes the answer to a request of what answered and its predictions; it may raise `Problem`."""


@dataclass(frozen=True, slots=True)
class Question:
    """The listings of one request.

    Attributes:
        write: makes the answer; None for that of `/predict`.

    """

    rows: Sequence[Listing]
    received: Received
    write: Write | None = None


class Predictor:
    """Classifies listings, counts them and hands them to the prediction log; any thread may ask."""

    def __init__(
        self,
        task: ServingTask,
        serving: Callable[[], Serving],
        metrics: Metrics,
        log: Callable[[LogEntry], object],
    ) -> None:
        """Take what is needed.

        Args:
            serving: what answers at this moment.
            log: takes an answered request without waiting.

        """
        self._task = task
        self._serving = serving
        self._metrics = metrics
        self._log = log
        self._common: tuple[tuple[str, str] | None, dict[str, Any]] = None, {}

    def question(self, body: bytes, received: Received) -> Question:
        """Read the listings of a request body.

        Raises:
            Problem: for whatever is wrong with the body.

        """
        return Question(parse(body, self._task.max_rows), received)

    def answer(self, question: Question) -> bytes:
        """Classify the listings of one request.

        Returns:
            The JSON of an `Answer`, or what the question's own `write` makes.

        Raises:
            Problem: 422 for a value that its column cannot take, 503 when no model is loaded.

        """
        (answer,) = self.answer_all([question])
        if isinstance(answer, Problem):
            raise answer
        return answer

    def answer_all(self, questions: Sequence[Question]) -> list[bytes | Problem]:
        """Classify the listings of several requests at once.

        Returns:
            To each the JSON of an `Answer`, or what its own `write` makes, or what is wrong with it:
            a value that its column cannot take. Such a request is neither counted nor logged.

        Raises:
            Problem: 503 when no model is loaded.

        """
        serving, model = self.model()
        try:
            return self._answer_good(serving, model, questions)
        except BadListingsError:
            bad = _bad_questions(model, questions)
            good = [one for i, one in enumerate(questions) if i not in bad]
            answered = iter(self._answer_good(serving, model, good) if good else ())
            return [bad[i] if i in bad else next(answered) for i in range(len(questions))]

    def _answer_good(
        self, serving: Serving, model: Model, questions: Sequence[Question]
    ) -> list[bytes | Problem]:
        """As above.

        Raises:
            BadListingsError: when one of them has a value that its column cannot take; nothing is
                counted then.

        """
        rows = [row for question in questions for row in question.rows]
        counts = [len(question.rows) for question in questions]
        texts, predictions = _classify(model, rows)
        self._settle(
            model,
            requests=[question.received for question in questions],
            counts=counts,
            texts=texts,
            predictions=predictions,
        )
        common = self._common_part(serving, model)
        listed = list_predictions(model.schema.classes, predictions)
        answers: list[bytes | Problem] = []
        end = 0
        for question, count in zip(questions, counts, strict=True):
            start, end = end, end + count
            if question.write is not None:
                part = Predictions(
                    predictions.labels[start:end], predictions.probabilities[start:end]
                )
                answers.append(_written(question.write, serving, model, part))
                continue
            request_id = question.received.request_id
            ignored = model.encoder.ignored_fields(question.rows)
            answers.append(write_answer(request_id, common, ignored, listed[start:end]))
        return answers

    def model(self) -> tuple[Serving, Model]:
        """What answers at this moment, and its model.

        Raises:
            Problem: 503 when no model is loaded.

        """
        serving = self._serving()
        if serving.model is None:
            raise no_model(serving.message)
        return serving, serving.model

    def classify(
        self,
        model: Model,
        rows: Sequence[Listing],
        received: Received,
        positions: Sequence[int] | None = None,
    ) -> Predictions:
        """Classify listings that were parsed, count them and hand them to the log.

        Args:
            positions: of the listings in their request; from 0 on when None.

        Raises:
            Problem: 422 for a value that its column cannot take; nothing is counted then.

        """
        try:
            texts, predictions = _classify(model, rows)
        except BadListingsError as error:
            raise bad_listings(error.fields) from error
        self._settle(
            model,
            requests=[received],
            counts=[len(rows)],
            texts=texts,
            predictions=predictions,
            positions=positions,
        )
        return predictions

    def _common_part(self, serving: Serving, model: Model) -> dict[str, Any]:
        """What answers have in common as long as the same thing answers."""
        key = model.version, serving.level
        last, common = self._common
        if last != key:
            common = common_part(
                model_name=self._task.model_name,
                model=model,
                track=self._task.track,
                serving_from=serving.level,
            )
            self._common = key, common
        return common

    def _settle(
        self,
        model: Model,
        *,
        requests: Sequence[Received],
        counts: Sequence[int],
        texts: bytes,
        predictions: Predictions,
        positions: Sequence[int] | None = None,
    ) -> None:
        """Count what was answered and hand it to the log."""
        self._metrics.count_predictions(
            model.schema.classes, counts, predictions.labels, predictions.probabilities
        )
        self._log(
            LogEntry(
                requests=requests,
                counts=counts,
                version=model.version,
                track=self._task.track,
                columns=model.encoder.columns,
                texts=texts,
                classes=model.schema.classes,
                labels=predictions.labels,
                probabilities=predictions.probabilities,
                positions=positions,
            )
        )


def _classify(model: Model, rows: Sequence[Listing]) -> tuple[bytes, Predictions]:
    """What the log keeps of some listings, and what they are.

    Raises:
        BadListingsError: when a value cannot be taken.

    """
    values = model.encoder.read(rows)
    columns = model.encoder.clean(values)
    texts = json_texts(values)  # before the model, which drives them from the processor's cache
    return texts, model.predict(columns)


def _bad_questions(model: Model, questions: Sequence[Question]) -> dict[int, Problem]:
    """Position → what is wrong, of those with a value that its column cannot take."""
    bad = {}
    for position, question in enumerate(questions):
        try:
            model.encoder.encode(question.rows)
        except BadListingsError as error:
            bad[position] = bad_listings(error.fields)
    return bad


def _written(
    write: Write, serving: Serving, model: Model, predictions: Predictions
) -> bytes | Problem:
    try:
        return write(serving, model, predictions)
    except Problem as problem:
        return problem
