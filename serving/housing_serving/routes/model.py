"""`GET /model`."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from starlette.responses import Response

from housing_core.tasks import ServingTask
from housing_serving.formats.model_description import ModelDescription, describe_model
from housing_serving.http.problems import DOCUMENTED, no_model
from housing_serving.versions.readiness import Serving


def model_routes(task: ServingTask, serving: Callable[[], Serving]) -> APIRouter:
    """The description of the version that answers.

    Args:
        serving: what answers at this moment.

    """
    router = APIRouter(tags=["model"])

    @router.get(
        "/model",
        summary="Columns, classes, scores and lineage of the version that answers",
        responses={200: {"model": ModelDescription}, **DOCUMENTED},
    )
    async def describe() -> Response:
        now = serving()
        if now.model is None:
            raise no_model(now.message)
        content = describe_model(task, now, now.model).model_dump_json(by_alias=True)
        return Response(content, media_type="application/json")

    return router
