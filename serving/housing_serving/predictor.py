"""From the body of a request to the body of its answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from housing_core.tasks import ServingTask
from housing_serving.answer import write_answer
from housing_serving.encoding import BadListingsError
from housing_serving.listings import parse
from housing_serving.log_tables import LogEntry
from housing_serving.metrics import Metrics
from housing_serving.problems import bad_listings, no_model
from housing_serving.readiness import Serving


class Predictor:
    """Classifies listings, counts them and hands them to the prediction log."""

    def __init__(
        self,
        task: ServingTask,
        serving: Callable[[], Serving],
        metrics: Metrics,
        log: Callable[[LogEntry], None],
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

    def answer(self, body: bytes, request_id: str, received: datetime) -> bytes:
        """Classify the listings of a request body; safe to call from several threads.

        Args:
            received: when the request came in, UTC.

        Returns:
            The JSON of an `Answer`.

        Raises:
            Problem: for whatever is wrong with the body, or when no model is loaded.

        """
        serving = self._serving()
        model = serving.model
        if model is None:
            raise no_model(serving.message)
        rows = parse(body, self._task.max_rows)
        try:
            predictions = model.predict(rows)
        except BadListingsError as error:
            raise bad_listings(error.fields) from error
        classes = model.schema.classes
        self._metrics.count_predictions(classes, predictions.labels)
        self._log(
            LogEntry(
                request_id=request_id,
                time=received,
                version=model.version,
                track=self._task.track,
                columns=model.encoder.columns,
                rows=rows,
                classes=[classes[label] for label in predictions.labels.tolist()],
                probabilities=predictions.probabilities,
                size=len(body),
            )
        )
        return write_answer(
            request_id=request_id,
            model_name=self._task.model_name,
            model=model,
            track=self._task.track,
            serving_from=serving.level,
            ignored_fields=model.encoder.ignored_fields(rows),
            predictions=predictions,
        )
