"""`POST /predict/batch`."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any
from weakref import WeakSet

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse

from housing_serving.batch.answering import answer_file
from housing_serving.batch.parquet_reading import read_parquet
from housing_serving.batch.reading import BatchReader, read_csv
from housing_serving.batch.writing import BatchWriter, CsvWriter, ParquetWriter
from housing_serving.http.problems import Problem, busy, documented, shown
from housing_serving.inference.model import Model
from housing_serving.log.tables import Received
from housing_serving.log.writer import BACKLOG_ROWS
from housing_serving.service import Service

BATCH_LIMIT_BYTES = 256 * 1024**2
MOST_AT_A_TIME = 2
IDLE_SECONDS = 30.0
"""How long a client may send nothing."""

ANSWER_SECONDS = 600.0
"""How long an answer may take; one that takes longer is cut off."""

LOG_WAIT_SECONDS = 5.0
"""How long a batch lets the prediction log catch up before it goes on."""

CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"


@dataclass(eq=False, slots=True, weakref_slot=True)
class _Batch:
    """A file that is received or answered; it is on disk, and so are not its rows in memory."""

    file: IO[bytes] = field(default_factory=tempfile.TemporaryFile)


def batch_routes(service: Service) -> APIRouter:
    """Classifying files."""
    router = APIRouter(tags=["predictions"])
    # Weak, so that one whose client has gone before its answer began does not count for ever.
    under_way: WeakSet[_Batch] = WeakSet()

    @router.post(
        "/predict/batch",
        summary="Classify a CSV or Parquet file",
        description=f"Up to {BATCH_LIMIT_BYTES} bytes. A row that is wrong has an `error` in place "
        "of its class. `Accept` chooses between CSV (the default) and Parquet.",
        responses={
            200: {
                "description": "One row for each of the file.",
                "content": {CSV: {"schema": _TEXT}, PARQUET: {"schema": _BINARY}},
            },
            **documented(
                {
                    400: "The body is no such file.",
                    406: "An answer in another format is asked for.",
                    408: "The body stopped coming.",
                    413: "The file is too large.",
                    415: "The body is neither CSV nor Parquet.",
                    422: "The file has no column of the model.",
                    503: "No model is loaded, or too many files are under way.",
                }
            ),
        },
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {CSV: {"schema": _TEXT}, PARQUET: {"schema": _BINARY}},
            }
        },
    )
    async def predict_batch(request: Request) -> Response:
        received = Received(request.state.request_id, datetime.now(UTC), 0)
        serving, model = service.predictor.model()
        read = _reader(request.headers.get("content-type"))
        writer = _writer(request.headers.get("accept"), model)
        if len(under_way) >= MOST_AT_A_TIME:
            raise busy()
        batch = _Batch()
        under_way.add(batch)
        try:
            await _receive(request, batch.file)
            reader: BatchReader = await service.run(read, batch.file, model.encoder.columns)
        except BaseException:
            _close(batch)
            raise
        parts = answer_file(service.predictor, model, reader, writer, received)
        headers = {
            "x-model-name": service.task.model_name,
            "x-model-version": model.version,
            "x-track": service.task.track,
            "x-serving-from": serving.level,
            "x-ignored-fields": _ascii(reader.ignored),
        }
        return StreamingResponse(
            answer(batch, parts), headers=headers, media_type=writer.media_type
        )

    async def answer(batch: _Batch, parts: Iterator[bytes]) -> AsyncIterator[bytes]:
        deadline = time.monotonic() + ANSWER_SECONDS
        try:
            while (part := await service.queue.run_accepted(next, parts, None)) is not None:
                if part:
                    yield part
                if time.monotonic() > deadline:
                    # The head is sent; a cut connection is the only way left to say it.
                    raise TimeoutError(f"a batch was not answered within {ANSWER_SECONDS:g} s")
                await _let_log_catch_up(service)
        finally:
            _close(batch)

    def _close(batch: _Batch) -> None:
        under_way.discard(batch)
        batch.file.close()

    return router


_TEXT = {"type": "string"}
_BINARY = {"type": "string", "format": "binary"}


def _reader(content_type: str | None) -> Any:
    media_type, _, parameters = (content_type or "").lower().partition(";")
    media_type = media_type.strip()
    if media_type == PARQUET:
        return read_parquet
    charset = parameters.partition("charset=")[2].strip(' "') or "utf-8"
    if media_type == CSV and charset in {"utf-8", "utf8"}:
        return read_csv
    raise Problem(
        415,
        "unsupported-media-type",
        f"the Content-Type is {shown(content_type)}: send {CSV} in UTF-8, or {PARQUET}",
    )


def _writer(accept: str | None, model: Model) -> BatchWriter:
    wanted = [part.partition(";")[0].strip().lower() for part in (accept or "*/*").split(",")]
    classes = model.schema.classes
    for media_type in wanted:
        if media_type == PARQUET:
            return ParquetWriter(classes)
        if media_type in {CSV, "text/*", "*/*"}:
            return CsvWriter(classes)
    raise Problem(
        406, "not-acceptable", f"Accept is {shown(accept)}: the answer is {CSV} or {PARQUET}"
    )


async def _receive(request: Request, file: IO[bytes]) -> None:
    """Write a body to a file.

    Raises:
        Problem: 413 when it is too large, 408 when it stops coming, 400 when it ends early.

    """
    size = 0
    stream = request.stream()
    try:
        if int(request.headers.get("content-length", "0")) > BATCH_LIMIT_BYTES:
            raise _too_large()
        while (part := await asyncio.wait_for(anext(stream, None), IDLE_SECONDS)) is not None:
            size += len(part)
            if size > BATCH_LIMIT_BYTES:
                raise _too_large()
            file.write(part)
    except TimeoutError as error:
        detail = f"nothing of the body came for {IDLE_SECONDS:g} seconds, after {size} bytes"
        raise Problem(408, None, detail) from error
    except ClientDisconnect as error:
        raise Problem(400, "invalid-file", "the body ended early") from error
    file.seek(0)


def _too_large() -> Problem:
    return Problem(
        413,
        "too-large",
        f"the file is larger than {BATCH_LIMIT_BYTES} bytes: send it in parts",
        {"limitBytes": BATCH_LIMIT_BYTES},
    )


async def _let_log_catch_up(service: Service) -> None:
    """Wait while half of the log's backlog is full: the other half is for single requests."""
    deadline = time.monotonic() + LOG_WAIT_SECONDS
    while service.log.backlog_rows > BACKLOG_ROWS // 2 and time.monotonic() < deadline:
        await asyncio.sleep(0.05)


def _ascii(names: list[str]) -> str:
    """The first names as JSON that a header can hold."""
    return json.dumps([name[:80] for name in names[:20]])
