"""What an answer to `POST /predict` looks like: built as plain data, described as types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from housing_core.bundle import Schema
from housing_core.tasks import FallbackLevel
from housing_serving.inference.graphs import Predictions
from housing_serving.inference.model import Model


class Described(BaseModel):
    """A part of an answer: its fields are in camel case in JSON."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="forbid")


class ClassRange(Described):
    """A class and the prices that belong to it."""

    name: str
    price_from: float | None = Field(
        description="Lowest price of the class; null for the lowest class."
    )
    price_below: float | None = Field(
        description="Price at which the next class begins; null for the highest class."
    )


class Prediction(Described):
    """The answer for one listing."""

    class_: str = Field(alias="class", description="The most probable class.")
    probabilities: dict[str, float] = Field(description="Probability of each class, 0 to 1.")


class Answer(Described):
    """The answer to a request, however many listings it had."""

    request_id: str = Field(description="The request's X-Request-ID, or one made up for it.")
    model_name: str
    model_version: str
    track: Literal["production", "staging"]
    serving_from: FallbackLevel = Field(
        description="Production when the pinned version answers, otherwise the fallback that does."
    )
    classes: list[ClassRange] = Field(description="The classes, cheapest first, in money.")
    ignored_fields: list[str] = Field(description="Fields of the request that no column takes.")
    predictions: list[Prediction] = Field(description="One for each listing, in their order.")


def class_ranges(schema: Schema) -> list[dict[str, Any]]:
    """The classes with their boundaries, as `ClassRange` describes them."""
    edges = [None, *schema.boundaries, None]
    return [
        {"name": name, "priceFrom": edges[i], "priceBelow": edges[i + 1]}
        for i, name in enumerate(schema.classes)
    ]


def common_part(
    *, model_name: str, model: Model, track: str, serving_from: FallbackLevel
) -> dict[str, Any]:
    """What the answers of one moment have in common."""
    return {
        "modelName": model_name,
        "modelVersion": model.version,
        "track": track,
        "servingFrom": serving_from,
        "classes": orjson.Fragment(orjson.dumps(class_ranges(model.schema))),
    }


def list_predictions(classes: Sequence[str], predictions: Predictions) -> list[dict[str, Any]]:
    """The answer for each listing, as `Prediction` describes it."""
    # Iterating the array gives float32 scalars, which orjson writes with their own few digits.
    return [
        {"class": classes[label], "probabilities": dict(zip(classes, shares, strict=True))}
        for label, shares in zip(
            predictions.labels.tolist(), predictions.probabilities, strict=True
        )
    ]


def write_answer(
    request_id: str,
    common: dict[str, Any],
    ignored_fields: Sequence[str],
    predictions: Sequence[dict[str, Any]],
) -> bytes:
    """The JSON of an `Answer`.

    Args:
        common: of `common_part`.
        predictions: of `list_predictions`, for the listings of this request.

    """
    return orjson.dumps(
        {
            "requestId": request_id,
            **common,
            "ignoredFields": ignored_fields,
            "predictions": predictions,
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
