"""Keeps one model's prediction log: compacts finished hours, and deletes what is too old."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from housing_core import prediction_log as log
from housing_core import storage
from housing_monitoring.log.compaction import compact, delete_files

HOUR = timedelta(hours=1)

SETTLED = timedelta(hours=1)
"""How long after its end an hour counts as complete; what comes later still is merged later."""

RECENT = timedelta(days=2)
"""Younger hours are looked at in every run, older ones once a day: a log of 90 days has thousands."""

BUDGET_SECONDS = 600.0
"""A run begins no further hour after that: the Job may take three times as long."""

ABANDONED = timedelta(days=1)
"""A file that is still being written after so long never will be whole."""

NAMED = 20
"""Files that one run names at most."""

_PARTIAL = re.compile(r"\.(?P<name>.+)\.[0-9a-f]+")

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Kept:
    """What one run has done.

    Attributes:
        hours: whose files were merged.
        files: that were merged.
        rows: in the merged files.
        deleted: files that were replaced, too old or abandoned.
        left_alone: files that are not the log's, or damaged → why.
        problems: what could not be done, and is for a person to mend.
        unfinished: hours that are left for the next run.

    """

    hours: int = 0
    files: int = 0
    rows: int = 0
    deleted: int = 0
    left_alone: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unfinished: int = 0

    @property
    def anything(self) -> bool:
        """Whether there is something to tell."""
        return self != Kept()


def keep_log(
    uri: str,
    model: str,
    retention: timedelta,
    now: datetime,
    clock: Callable[[], float] = time.monotonic,
) -> Kept:
    """Compact and delete as far as is due; everything can be done again.

    Args:
        uri: of the log.
        model: `<namespace>.<name>`; a neighbour's log in the same place is not looked at.
        retention: how old a row may become; its hour's newest row decides.
        now: aware.
        clock: seconds, of the time that the run has taken.

    Raises:
        StorageError: when the log cannot be listed.

    """
    kept = Kept()
    deadline = clock() + BUDGET_SECONDS
    root = storage.locate(uri)
    for table in log.TABLES:
        place = root.child(log.model_folder(table, model))
        expired, finished = due(storage.list_folders(place), now, retention)
        for name in (*expired, *finished):
            if clock() > deadline:
                kept.unfinished += 1
                continue
            try:
                _keep_hour(kept, place.child(name), table, now, expired=name in expired)
            except storage.StorageUnavailableError:
                raise
            except storage.StorageError as error:
                kept.problems.append(str(error))
    return kept


def due(
    names: Sequence[str], now: datetime, retention: timedelta
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which hours' folders are too old, and which are looked at for compaction now; oldest first.

    An hour is too old when its newest row is. Names that are no hour's are passed over.
    """
    expired, finished = [], []
    for name in sorted(names):
        start = log.hour_of(name)
        if start is None:
            continue
        end = start + HOUR
        if end + retention <= now:
            expired.append(name)
        elif end + SETTLED <= now and (now - end <= RECENT or start.hour == now.hour):
            finished.append(name)
    return tuple(expired), tuple(finished)


def _keep_hour(
    kept: Kept, folder: storage.Location, table: log.Table, now: datetime, *, expired: bool
) -> None:
    files = storage.list_folder(folder)
    by_name = {PurePosixPath(file.uri).name: file for file in files}
    going = [name for name, file in by_name.items() if _is_abandoned(name, file, now)]
    foreign = [name for name in by_name if not _is_ours(name)]
    if expired:
        going += [name for name in by_name if name not in going and name not in foreign]
    else:
        done = compact(folder, files, table, now)
        kept.hours += done.files > 0
        kept.files += done.files
        kept.rows += done.rows
        kept.deleted += done.deleted
        _name_left(kept, folder, done.unreadable)
    delete_files(folder, going)
    kept.deleted += len(going)
    _name_left(kept, folder, dict.fromkeys(foreign, "is not a file of the prediction log"))
    if len(going) == len(files):
        storage.delete_empty_folder(folder)


def _is_ours(name: str) -> bool:
    partial = _PARTIAL.fullmatch(name)
    whole = partial["name"] if partial else name
    return log.is_written(whole) or log.is_compacted(whole)


def _is_abandoned(name: str, file: storage.DataFile, now: datetime) -> bool:
    age = now.timestamp() - int(file.version) / 1e9
    return name.startswith(".") and _is_ours(name) and age > ABANDONED.total_seconds()


def _name_left(kept: Kept, folder: storage.Location, found: dict[str, str]) -> None:
    for name, why in found.items():
        kept.left_alone[f"{folder.prefix}{folder.path}/{name}"] = why


def tell(kept: Kept, model: str) -> None:
    """Write down what was done, so that a person can tell what is left to do."""
    for name, why in list(kept.left_alone.items())[:NAMED]:
        logger.warning("left a file of the log's folder alone", extra={"file": name, "why": why})
    if len(kept.left_alone) > NAMED:
        logger.warning("left %d further files alone", len(kept.left_alone) - NAMED)
    for problem in kept.problems[:NAMED]:
        logger.error("the prediction log is not kept: %s", problem)
    if not kept.anything:
        return
    logger.info(
        "the prediction log was tidied",
        extra={
            "model": model,
            "merged_hours": kept.hours,
            "merged_files": kept.files,
            "merged_rows": kept.rows,
            "deleted_files": kept.deleted,
            "left_alone": len(kept.left_alone),
            "problems": len(kept.problems),
            "unfinished_hours": kept.unfinished,
        },
    )
