"""Several workers of one pod: they share its socket and, as far as they can, its memory.

The supervisor has no thread of its own and runs nothing but this, so that it can fork at any time.
"""

from __future__ import annotations

import faulthandler
import logging
import mmap
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from housing_core.listening import listen_everywhere

LONGEST_RESTART_DELAY_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""A worker that lived this long has shown that it works: it is replaced at once."""

STOP_SECONDS = 27.0
"""For draining and the rest of the log; a pod has 30 s by default."""

SHARE_SECONDS = 20.0
"""How long the other workers wait for the first to fetch a model that they can share."""

LOOK_SECONDS = 0.2
BACKLOG = 2048

BEAT_SECONDS = 1.0
SILENT_SECONDS = 20.0
"""A worker whose event loop has not turned for so long hangs, and is replaced. Models are loaded and
many rows classified in threads, during which the loop turns."""

BEGIN_SECONDS = 300.0
"""Before its loop turns a worker may have to fetch a model."""

TELL_SECONDS = 1.0
"""Which a worker that hangs has to write where its threads are, before it is killed."""

_ENDING = {signal.SIGTERM, signal.SIGINT}
_SIGNALS = {*_ENDING, signal.SIGCHLD}

logger = logging.getLogger(__name__)


def end_at_once_when_told() -> None:
    """End with 0 on SIGTERM and SIGINT, until `serve` sets handlers of its own.

    Not by an exception, which whatever runs may catch or lose. What a download leaves in the cache
    is removed later, by `ModelCache.prune`.
    """
    for number in _ENDING:
        signal.signal(number, lambda *_: os._exit(0))


def restart_delay(failures: int) -> float:
    """Seconds until a worker is replaced, by how often its place was left too early in a row."""
    return min(0.5 * 2 ** (failures - 1), LONGEST_RESTART_DELAY_SECONDS) if failures else 0.0


def listen(host: str | None, port: int) -> socket.socket:
    """The socket that all workers accept from; on every address when no host is given.

    Raises:
        OSError: when the host is none of this machine, or the port is taken.

    """
    if host is None:
        return listen_everywhere(port, BACKLOG)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


@dataclass
class _Slot:
    """A worker's place.

    Attributes:
        pid: of the worker; 0 while there is none.
        started: when it was started, monotonic; with no worker yet, 0.
        due: when the next may start, monotonic.
        failures: workers in a row that ended early.
        beats: of its event loop, when it was last looked at.
        silent: looks since they were others. Not seconds: on a machine that stood still nobody hangs.

    """

    pid: int = 0
    started: float = 0.0
    due: float = 0.0
    failures: int = 0
    beats: int = 0
    silent: int = 0


class Supervisor:
    """Keeps workers running until it is told to end."""

    def __init__(
        self,
        workers: int,
        *,
        work: Callable[[int, bool, Callable[[], None]], None],
        share: Callable[[], bool],
        ended: Callable[[int], None],
    ) -> None:
        """Take what is needed.

        Args:
            workers: how many.
            work: what a worker does until SIGTERM, in a process of its own; it is given its slot,
                whether it replaces another, and what it has to call every `BEAT_SECONDS` once it
                has begun to. Until it sets a handler of its own, SIGTERM ends it at once with 0.
            share: loads what the workers can share, here; False while that is not there.
            ended: told of each slot whose worker has ended.

        """
        self._slots = [_Slot() for _ in range(workers)]
        self._work = work
        self._share = share
        self._ended = ended
        self._shared = False
        self._memory = mmap.mmap(-1, workers * 8)  # shared with the workers
        self._beats = memoryview(self._memory).cast("q")

    def run(self) -> int:
        """Work until SIGTERM or SIGINT, or until a worker finds that its settings are no use.

        Returns:
            The exit code: 0 when all workers ended well.

        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self._shared = self._share()
        begun = time.monotonic()
        while True:
            now = time.monotonic()
            late = now - begun > SHARE_SECONDS
            self._shared = self._shared or (not late and self._share())
            together = self._shared or late
            for number, slot in enumerate(self._slots):
                if not slot.pid and slot.due <= now and (together or number == 0):
                    self._start(number)
            caught = signal.sigtimedwait(_SIGNALS, LOOK_SECONDS)
            if caught and caught.si_signo != signal.SIGCHLD:
                return self._stop(0)
            if os.EX_CONFIG in self._reap():
                return self._stop(os.EX_CONFIG)
            self._end_who_hangs()

    def _start(self, number: int) -> None:
        slot = self._slots[number]
        replaces = slot.started > 0
        slot.started = time.monotonic()
        slot.beats = slot.silent = self._beats[number] = 0
        slot.pid = os.fork()
        if slot.pid:
            return
        code = os.EX_SOFTWARE
        try:
            # Blocked since before the fork, so that none comes before its handler; only until here,
            # so that the worker's threads and what they start inherit nothing of that.
            end_at_once_when_told()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            faulthandler.register(signal.SIGUSR1, file=2)
            self._work(number, replaces, lambda: self._beat(number))
            code = 0
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 0
        except BaseException:
            logger.exception("worker %d failed", number)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _beat(self, number: int) -> None:
        self._beats[number] += 1

    def _end_who_hangs(self) -> None:
        """Kill the workers whose event loop does not turn."""
        for number, slot in enumerate(self._slots):
            beats = self._beats[number]
            if not slot.pid or beats != slot.beats:
                slot.beats, slot.silent = beats, 0
                continue
            slot.silent += 1
            limit = SILENT_SECONDS if beats else BEGIN_SECONDS
            if slot.silent == round(limit / LOOK_SECONDS):
                logger.error(
                    "worker %d hangs: its event loop has not turned for %g s; it is replaced",
                    *(number, limit),
                )
                os.kill(slot.pid, signal.SIGUSR1)
            elif slot.silent >= round((limit + TELL_SECONDS) / LOOK_SECONDS):
                os.kill(slot.pid, signal.SIGKILL)

    def _reap(self) -> list[int]:
        """Exit codes of the workers that have ended; the next of each is due after a delay."""
        codes = []
        for number, slot in enumerate(self._slots):
            if not slot.pid:
                continue
            pid, status = os.waitpid(slot.pid, os.WNOHANG)
            if not pid:
                continue
            now = time.monotonic()
            steady = now - slot.started >= STEADY_SECONDS
            slot.pid, slot.failures = 0, 0 if steady else slot.failures + 1
            slot.due = now + restart_delay(slot.failures)
            codes.append(os.waitstatus_to_exitcode(status))
            self._ended(number)
            level = logging.WARNING if codes[-1] else logging.INFO
            logger.log(level, "worker %d ended with %d", number, codes[-1])
        return codes

    def _stop(self, code: int) -> int:
        """End all workers, by force when their time is up."""
        deadline = time.monotonic() + STOP_SECONDS
        codes = []
        self._tell(signal.SIGTERM)
        while any(slot.pid for slot in self._slots):
            if time.monotonic() > deadline:
                logger.error("workers had to be killed")
                self._tell(signal.SIGKILL)
            signal.sigtimedwait(_SIGNALS, LOOK_SECONDS)
            codes += self._reap()
        return code or max((os.EX_SOFTWARE for ended in codes if ended), default=0)

    def _tell(self, number: signal.Signals) -> None:
        for slot in self._slots:
            if slot.pid:
                os.kill(slot.pid, number)
