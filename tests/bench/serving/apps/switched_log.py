"""Ours, whose prediction log is off after SIGUSR1 and on again after SIGUSR2.

What the log costs is the difference within one process: two that run the same code differ by more,
since each has its own luck with where its memory lies.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from housing_serving.__main__ import main
from housing_serving.log.tables import JsonTexts
from housing_serving.log.writer import Entry, PredictionLog

_append, _texts = PredictionLog.append, JsonTexts.of
_is_on = threading.Event()


def append(log: PredictionLog, entry: Entry) -> bool:
    """Take what would be written, and forget it while the log is off."""
    return _append(log, entry) if _is_on.is_set() else True


def texts(
    known: JsonTexts, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]
) -> list[str | None]:
    """What the log keeps of listings."""
    return _texts(known, rows, columns) if _is_on.is_set() else []


def switch(signal_number: int, _frame: object) -> None:
    """Off or on."""
    if signal_number == signal.SIGUSR2:
        _is_on.set()
    else:
        _is_on.clear()


if __name__ == "__main__":
    _is_on.set()
    # The program has no switch for it.
    PredictionLog.append = append  # type: ignore[method-assign]
    JsonTexts.of = texts  # type: ignore[method-assign]
    signal.signal(signal.SIGUSR1, switch)
    signal.signal(signal.SIGUSR2, switch)
    main()
