"""`POST /feedback`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from housing_core.cleaning import NumberRule
from housing_serving.answer import Described
from housing_serving.feedback import FeedbackEntry, check_token, parse_feedback
from housing_serving.listings import check_content_type
from housing_serving.problems import busy, documented

if TYPE_CHECKING:
    from housing_serving.app import Service


class FeedbackAnswer(Described):
    """The answer to `POST /feedback`."""

    request_id: str
    accepted: int = Field(description="Prices that will be in the log within seconds.")


_ITEM = {
    "type": "object",
    "required": ["requestId", "price"],
    "additionalProperties": False,
    "properties": {
        "requestId": {
            "type": "string",
            "pattern": "^[A-Za-z0-9._:+/=@-]{1,128}$",
            "description": "Of the answer that the price belongs to.",
        },
        "row": {
            "type": "integer",
            "minimum": 0,
            "maximum": 2**31 - 1,
            "default": 0,
            "description": "Position of the listing in that request, from 0.",
        },
        "price": {
            "description": "The true price, above zero; a number, or a text that is one.",
            "oneOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}],
        },
    },
}
_ONE = {"requestId": "1f0c2f6e4cbb4b0e9d4b5a3f1d2e3c4b", "row": 0, "price": 3_100_000}
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"oneOf": [_ITEM, {"type": "array", "items": _ITEM, "minItems": 1}]},
            "examples": {
                "one": {"summary": "One price", "value": _ONE},
                "many": {"summary": "Many prices", "value": [_ONE, {**_ONE, "row": 1}]},
            },
        }
    },
}


def feedback_routes(service: Service) -> APIRouter:
    """Taking true prices."""
    router = APIRouter(tags=["feedback"])

    @router.post(
        "/feedback",
        summary="Say what predicted listings were sold for",
        description="Needs the bearer token of the model's feedback Secret. All prices of a "
        "request are taken, or none.",
        status_code=202,
        responses={
            202: {"model": FeedbackAnswer},
            **documented(
                {
                    400: "The body is not JSON.",
                    401: "The token is missing or wrong.",
                    404: "The model takes no feedback.",
                    422: "A request id, row or price that is none; nothing was taken.",
                    503: "The log takes no more now, or the token is not there yet.",
                }
            ),
        },
        openapi_extra={"requestBody": _BODY, "security": [{"feedback": []}]},
    )
    async def feedback(request: Request) -> Response:
        received = datetime.now(UTC)
        check_token(service.task.feedback_token_file, request.headers.get("authorization"))
        check_content_type(request.headers.get("content-type"))
        async with service.bodies.read(request) as body:
            prices = await service.run(parse_feedback, body, _rule(service))
            if not service.feedback.append(FeedbackEntry(received, prices, len(body))):
                raise busy()
        answer = FeedbackAnswer(request_id=request.state.request_id, accepted=len(prices))
        return Response(answer.model_dump_json(by_alias=True), 202, media_type="application/json")

    return router


def _rule(service: Service) -> NumberRule:
    """How training read the prices, where the bundle says so."""
    model = service.loader.serving.model
    found = model.schema.price_rule if model else None
    return found or NumberRule()
