"""`POST /explain`."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from housing_core.tasks import FallbackLevel, ServingTask
from housing_serving.formats.answer import ClassRange, Described, class_ranges
from housing_serving.formats.listings import check_content_type, parse
from housing_serving.http.problems import bad_listings, busy, documented
from housing_serving.inference.encoding import BadListingsError, Listing
from housing_serving.inference.explanation import Explainer, Explanation
from housing_serving.inference.model import Model
from housing_serving.service import Service
from housing_serving.versions.readiness import Serving

MOST_LISTINGS = 5
"""In one request: each takes some thousand answers of the model."""

MOST_AT_A_TIME = 4
"""Requests that are worked on or wait; the rest is sent away, so that predictions have threads."""


class Contribution(Described):
    """What one column contributes to each class's probability."""

    column: str
    value: Any = Field(description="As it was sent; null when it was not.")
    contributions: dict[str, float]
    standard_errors: dict[str, float] = Field(
        description="How far the contributions would be from these with other background listings."
    )


class ExplainedPrediction(Described):
    """The answer for one listing, and what made it."""

    class_: str = Field(alias="class", description="The most probable class.")
    probabilities: dict[str, float] = Field(
        description="Each is its base value plus its contributions of all columns."
    )
    contributions: list[Contribution] = Field(
        description="Those that matter most for the class come first."
    )


class ExplainAnswer(Described):
    """The answer to `POST /explain`."""

    request_id: str
    model_name: str
    model_version: str
    track: Literal["production", "staging"]
    serving_from: FallbackLevel
    classes: list[ClassRange]
    ignored_fields: list[str]
    method: str
    background_rows: int = Field(description="Listings that the answer is compared with.")
    base_values: dict[str, float] = Field(description="Mean probabilities over those listings.")
    explanations: list[ExplainedPrediction]


def explain_routes(service: Service) -> APIRouter:
    """Explaining answers."""
    router = APIRouter(tags=["predictions"])
    under_way = 0
    known: dict[str, Explainer] = {}

    def explainer_of(model: Model) -> Explainer:
        key = f"{model.version} {id(model.graph)}"
        found = known.get(key)
        if found is None:
            found = Explainer(model)
            known.clear()
            known[key] = found
        return found

    def explain(body: bytes, request_id: str) -> bytes:
        serving, model = service.predictor.model()
        rows = parse(body, MOST_LISTINGS)
        explainer = explainer_of(model)
        try:
            explanations = explainer.explain(rows)
        except BadListingsError as error:
            raise bad_listings(error.fields) from error
        answer = _answer(
            task=service.task,
            serving=serving,
            model=model,
            explainer=explainer,
            rows=rows,
            explanations=explanations,
            request_id=request_id,
        )
        return answer.model_dump_json(by_alias=True).encode()

    @router.post(
        "/explain",
        summary="Say what each field contributed to the answer",
        description=f"Shapley values for up to {MOST_LISTINGS} listings. Explanations are not "
        "logged as predictions.",
        responses={
            200: {"model": ExplainAnswer},
            **documented(
                {
                    400: "The body is not JSON.",
                    413: f"More than {MOST_LISTINGS} listings.",
                    422: "A value that its column cannot take.",
                    503: "No model is loaded, or too many explanations are under way.",
                }
            ),
        },
    )
    async def explain_listings(request: Request) -> Response:
        nonlocal under_way
        check_content_type(request.headers.get("content-type"))
        if under_way >= MOST_AT_A_TIME:
            raise busy()
        under_way += 1
        try:
            async with service.bodies.read(request) as body:
                content = await service.run(explain, body, request.state.request_id)
        finally:
            under_way -= 1
        return Response(content, media_type="application/json")

    return router


def _answer(
    *,
    task: ServingTask,
    serving: Serving,
    model: Model,
    explainer: Explainer,
    rows: list[dict[str, Any]],
    explanations: list[Explanation],
    request_id: str,
) -> ExplainAnswer:
    classes = model.schema.classes

    def by_class(values: Any) -> dict[str, float]:
        return dict(zip(classes, values.tolist(), strict=True))

    def explained(row: Listing, found: Explanation) -> ExplainedPrediction:
        label = int(found.answer.argmax())
        order = abs(found.contributions[:, label]).argsort(kind="stable")[::-1].tolist()
        names = model.encoder.columns
        return ExplainedPrediction(
            class_=classes[label],
            probabilities=by_class(found.answer),
            contributions=[
                Contribution(
                    column=names[i],
                    value=row.get(names[i]),
                    contributions=by_class(found.contributions[i]),
                    standard_errors=by_class(found.standard_errors[i]),
                )
                for i in order
            ],
        )

    return ExplainAnswer(
        request_id=request_id,
        model_name=task.model_name,
        model_version=model.version,
        track=task.track,
        serving_from=serving.level,
        classes=[ClassRange.model_validate(each) for each in class_ranges(model.schema)],
        ignored_fields=model.encoder.ignored_fields(rows),
        method="Shapley values, sampled permutations",
        background_rows=explainer.background_rows,
        base_values=by_class(explainer.base),
        explanations=[explained(row, found) for row, found in zip(rows, explanations, strict=True)],
    )
