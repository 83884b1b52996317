"""Ours, whose prediction log is off and on in turn from SIGUSR1 until SIGUSR2.

Then it writes what it saw as JSON, to `slices.json` in its folder: `slices`, of each whether the log
was on, the rows that were answered, and nanoseconds of the event loop; `log_nanoseconds`, of the
log's thread in all of them, and `logged_rows`.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from housing_serving import predictor
from housing_serving.__main__ import main
from housing_serving.log.tables import json_texts
from housing_serving.log.writer import Entry, PredictionLog

SLICE_SECONDS = 0.03

_append = PredictionLog.append


class SwitchedLog:
    """Stands between the predictor and the log."""

    def __init__(self) -> None:
        self._is_on = True
        self._rows = self._logged_rows = 0
        self._slices: list[tuple[bool, int, int]] = []
        self._begun = 0, 0
        self._thread = Path()
        self._log_begun = 0, 0

    def texts(self, values: Sequence[Sequence[Any]]) -> bytes:
        """What the log keeps of listings; nothing while it is off."""
        return json_texts(values) if self._is_on else b""

    def append(self, log: PredictionLog, entry: Entry) -> bool:
        """Take what was answered while the log was on."""
        self._thread = Path(f"/proc/self/task/{log._thread.native_id}/schedstat")
        self._rows += entry.row_count
        if not entry.texts:  # type: ignore[attr-defined]  # a LogEntry
            return True
        self._logged_rows += entry.row_count
        return _append(log, entry)

    def start(self, *_: object) -> None:
        """Begin to switch."""
        self._slices.clear()
        self._begun = self._rows, time.thread_time_ns()
        self._log_begun = self._logged_rows, self._log_nanoseconds()
        signal.setitimer(signal.ITIMER_REAL, SLICE_SECONDS, SLICE_SECONDS)

    def switch(self, *_: object) -> None:
        """End one slice and begin the next."""
        rows, nanoseconds = self._begun
        self._begun = self._rows, time.thread_time_ns()
        self._slices.append((self._is_on, self._begun[0] - rows, self._begun[1] - nanoseconds))
        self._is_on = not self._is_on

    def stop(self, *_: object) -> None:
        """Write what was seen."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        rows, nanoseconds = self._log_begun
        seen = {
            "slices": self._slices,
            "logged_rows": self._logged_rows - rows,
            "log_nanoseconds": self._log_nanoseconds() - nanoseconds,
        }
        written = Path("slices.tmp")
        written.write_text(json.dumps(seen))
        written.rename("slices.json")

    def _log_nanoseconds(self) -> int:
        return int(self._thread.read_text().split()[0])


if __name__ == "__main__":
    switched = SwitchedLog()

    def append(log: PredictionLog, entry: Entry) -> bool:
        """What the log is handed."""
        return switched.append(log, entry)

    # The program has no switch for it.
    predictor.json_texts = switched.texts  # type: ignore[attr-defined]
    PredictionLog.append = append  # type: ignore[method-assign]
    signal.signal(signal.SIGUSR1, switched.start)
    signal.signal(signal.SIGUSR2, switched.stop)
    signal.signal(signal.SIGALRM, switched.switch)
    main()
