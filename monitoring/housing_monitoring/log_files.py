"""One file of the prediction log → its rows, or the reason why it is none."""

from __future__ import annotations

from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from housing_core import prediction_log as log
from housing_core import storage

SUFFIX = ".parquet"

IDENTITY = [log.REQUEST_ID, log.ROW]
FIELDS = [*IDENTITY, log.TIME, log.MODEL_VERSION, log.TRACK, log.PREDICTED_CLASS]
_SCHEMA = pa.schema([log.predictions_schema([]).field(name) for name in FIELDS])


class NotOfTheLogError(Exception):
    """A file that is not a predictions file; the message says why."""


def rows_schema(names: list[str]) -> pa.Schema:
    """Schema of `read_rows`: the log's own fields, and the JSON text of each wanted feature."""
    return pa.schema([*_SCHEMA, *(pa.field(feature_field(name), pa.string()) for name in names)])


def feature_field(name: str) -> str:
    """A feature's field in `rows_schema`, apart from the log's own."""
    return f"{log.FEATURES}.{name}"


def read_rows(file: storage.DataFile, names: list[str]) -> pa.Table:
    """Read the rows of a file, with the named features; one that it does not have is null.

    Raises:
        NotOfTheLogError: for a file that is half-written, foreign or corrupt.
        StorageError: when it cannot be fetched.

    """
    name = PurePosixPath(file.uri).name
    if name[0] in "._":
        raise NotOfTheLogError("is being written")
    if not name.endswith(SUFFIX):
        raise NotOfTheLogError(f"does not end in {SUFFIX}")
    try:
        with storage.open_file(file.uri) as handle:
            content = handle.read()
    except storage.StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise NotOfTheLogError("was removed while the log was read") from error
        raise
    except OSError as error:
        raise storage.StorageError(f"{file.uri} cannot be read: {error}") from error
    try:
        # From here on nothing is fetched: what fails is the content.
        parquet = pq.ParquetFile(pa.BufferReader(content))
        missing = {*FIELDS, log.FEATURES} - set(parquet.schema_arrow.names)
        if missing:
            raise NotOfTheLogError(f"has no column {', '.join(sorted(missing))}")
        table = parquet.read(columns=[*FIELDS, log.FEATURES])
        fields = table.select(FIELDS).cast(_SCHEMA)
        texts = _feature_texts(table, names)
    except (OSError, ValueError, pa.ArrowException) as error:
        first_line = str(error).partition("\n")[0]
        raise NotOfTheLogError(f"is corrupt or foreign: {first_line}") from error
    return pa.Table.from_arrays([*fields.columns, *texts], schema=rows_schema(names))


def _feature_texts(table: pa.Table, names: list[str]) -> list[pa.Array]:
    """JSON texts of each wanted feature, null where the file does not have it."""
    features = table[log.FEATURES].combine_chunks()
    if not pa.types.is_struct(features.type):
        raise NotOfTheLogError(f"has no struct in column {log.FEATURES}")
    # flatten() keeps a null struct's fields null, which field() does not.
    found = dict(zip(features.type.names, features.flatten(), strict=True))
    absent = pa.nulls(len(table), pa.string())
    return [found.get(name, absent).cast(pa.string()) for name in names]
