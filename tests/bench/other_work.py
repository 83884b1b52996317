"""How much of the machine others used while something was measured."""

from __future__ import annotations

import time

import psutil


class OtherWork:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._begun, self._busy, self._own = time.perf_counter(), _busy(), _own()

    def cores(self) -> float:
        """Cores that others kept busy since then, on average, to a tenth."""
        others = (_busy() - self._busy) - (_own() - self._own)
        return max(0.0, round(others / (time.perf_counter() - self._begun), 1))


def _busy() -> float:
    """Seconds that the machine's cores have worked."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def _own() -> float:
    """Of these, what this process, all that it started, and those of them that have ended have."""
    here = psutil.Process()
    ended = here.cpu_times()
    times = [process.cpu_times() for process in (here, *here.children(recursive=True))]
    return float(
        sum(each.user + each.system for each in times) + ended.children_user + ended.children_system
    )
