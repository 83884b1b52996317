"""`POST /feedback`."""

from __future__ import annotations

import hmac
import logging
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from housing_core.cleaning import NumberRule
from housing_serving.formats.answer import Described
from housing_serving.formats.feedback import parse_feedback
from housing_serving.formats.listings import check_content_type
from housing_serving.http.problems import RETRY_SECONDS, Problem, busy, documented
from housing_serving.log.feedback import FeedbackEntry
from housing_serving.service import Service

logger = logging.getLogger(__name__)


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


def check_token(file: str | None, authorization: str | None) -> None:
    """Let nobody pass without the token of the file, which is read each time.

    Args:
        file: path; None where feedback is not set up.
        authorization: the header of the request.

    Raises:
        Problem: 404 where feedback is not set up, 503 while there is no token, 401 for a header
            that is missing or has another token.

    """
    if file is None:
        raise Problem(
            404,
            "feedback-off",
            "this model takes no feedback: set spec.serving.feedback.tokenSecretRef to a Secret "
            "that holds a token",
        )
    try:
        token = Path(file).read_bytes().strip()
    except OSError as error:
        logger.warning("the token for feedback cannot be read: %s", error)
        token = b""
    if not token:
        raise Problem(
            503,
            "feedback-off",
            "there is no token yet: make the Secret that spec.serving.feedback.tokenSecretRef names",
            headers={"Retry-After": str(RETRY_SECONDS)},
        )
    scheme, _, given = (authorization or "").partition(" ")
    # Headers are latin-1; compare_digest takes the same time wherever the texts differ.
    matches = hmac.compare_digest(given.strip().encode("latin-1", "replace"), token)
    if scheme.lower() != "bearer" or not matches:
        wrong = "is wrong" if authorization else "is missing"
        raise Problem(
            401,
            "unauthorized",
            f"the token {wrong}: send it as `Authorization: Bearer <token>`",
            headers={"WWW-Authenticate": 'Bearer realm="feedback"'},
        )


def _rule(service: Service) -> NumberRule:
    """How training read the prices, where the bundle says so."""
    model = service.loader.serving.model
    found = model.schema.price_rule if model else None
    return found or NumberRule()
