"""The supervisor of several workers."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import pytest

from housing_serving import workers
from housing_serving.workers import (
    LONGEST_RESTART_DELAY_SECONDS,
    STOP_SECONDS,
    Supervisor,
    restart_delay,
)

FORK = get_context("fork")

Beat = Callable[[], None]
Work = Callable[[int, bool, Beat], None]


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0), (1, 0.5), (2, 1), (4, 4), (50, 30)])
def test_a_worker_that_fails_again_and_again_is_replaced_ever_more_slowly(
    failures: int, seconds: float
) -> None:
    assert restart_delay(failures) == seconds <= LONGEST_RESTART_DELAY_SECONDS


class Run:
    """A supervisor in a process of its own, whose workers each write a file."""

    def __init__(self, folder: Path, work: Work) -> None:
        self.folder = folder
        supervisor = Supervisor(
            2, work=self._noting(work), share=lambda: True, ended=lambda _: None
        )
        self.process = FORK.Process(target=lambda: os._exit(supervisor.run()))
        self.process.start()

    def _noting(self, work: Work) -> Work:
        def noting(slot: int, replaces: bool, beat: Beat) -> None:
            (self.folder / f"{slot}-{os.getpid()}-{replaces}").touch()
            work(slot, replaces, beat)

        return noting

    def workers(self) -> list[tuple[int, int, bool]]:
        """(slot, process, whether it replaces another) of all that have begun."""
        parts = (file.name.split("-") for file in sorted(self.folder.iterdir()))
        return [(int(slot), int(pid), replaces == "True") for slot, pid, replaces in parts]

    def wait(self, count: int) -> list[tuple[int, int, bool]]:
        deadline = time.monotonic() + 30
        while len(self.workers()) < count:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return self.workers()

    def stop(self) -> int | None:
        assert self.process.pid
        os.kill(self.process.pid, signal.SIGTERM)
        self.process.join(30)
        return self.process.exitcode


def _until_told(_slot: int, _replaces: bool, _beat: Beat) -> None:
    threading.Event().wait(60)


def _beating_until_told(_slot: int, _replaces: bool, beat: Beat) -> None:
    while True:
        beat()
        time.sleep(0.05)


def test_a_worker_that_dies_is_replaced_in_its_slot_and_its_sibling_stays(tmp_path: Path) -> None:
    run = Run(tmp_path, _until_told)
    first = run.wait(2)
    assert [(slot, replaces) for slot, _, replaces in first] == [(0, False), (1, False)]
    os.kill(first[1][1], signal.SIGKILL)
    third = run.wait(3)
    assert [(slot, replaces) for slot, _, replaces in third if replaces] == [(1, True)]
    os.kill(first[0][1], 0)  # still there
    assert run.stop() == 0
    for _, pid, _ in third:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_settings_that_are_no_use_end_all_workers_with_the_same_code(tmp_path: Path) -> None:
    def work(slot: int, replaces: bool, beat: Beat) -> None:
        if slot == 1:
            raise SystemExit(os.EX_CONFIG)
        _until_told(slot, replaces, beat)

    run = Run(tmp_path, work)
    run.process.join(30)
    assert run.process.exitcode == os.EX_CONFIG


def test_a_worker_that_ends_badly_on_sigterm_shows_in_the_exit_code(tmp_path: Path) -> None:
    def work(_slot: int, _replaces: bool, _beat: Beat) -> None:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(3))
        threading.Event().wait(60)

    run = Run(tmp_path, work)
    run.wait(2)
    time.sleep(0.2)
    assert run.stop() == os.EX_SOFTWARE


def test_a_worker_that_is_told_to_end_right_after_the_fork_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests, really_fork = os.getpid(), os.fork

    def fork_until_told() -> int:
        pid = really_fork()
        if not pid and os.getppid() != tests:  # a worker
            (tmp_path / f"0-{os.getpid()}-False").touch()
            while signal.SIGTERM not in signal.sigpending():
                time.sleep(0.01)
        return pid

    monkeypatch.setattr(os, "fork", fork_until_told)
    run = Run(tmp_path, _until_told)
    run.wait(2)
    assert run.stop() == 0


def _fetching(_slot: int, _replaces: bool, _beat: Beat) -> None:
    """Fetch a model from a server that never answers, and try again whatever happens."""
    ours, _theirs = socket.socketpair()
    while True:
        with suppress(BaseException):
            ours.recv(1)


def test_a_worker_that_is_told_to_end_while_it_fetches_a_model_ends_well_at_once(
    tmp_path: Path,
) -> None:
    run = Run(tmp_path, _fetching)
    run.wait(2)
    told = time.monotonic()
    assert run.stop() == 0
    assert time.monotonic() - told < STOP_SECONDS / 3


def _turns_no_more() -> None:
    while True:
        pass


def test_a_worker_that_beats_no_more_says_where_it_hangs_and_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workers, "SILENT_SECONDS", 2.0)

    def work(slot: int, replaces: bool, beat: Beat) -> None:
        if slot == 1 and not replaces:
            beat()
            _turns_no_more()
        _beating_until_told(slot, replaces, beat)

    run = Run(tmp_path, work)
    begun = run.wait(3)
    assert [(slot, replaces) for slot, _, replaces in begun if replaces] == [(1, True)]
    os.kill(begun[0][1], 0)  # the sibling is still there
    assert "in _turns_no_more" in capfd.readouterr().err
    assert run.stop() == 0


def test_a_worker_that_never_begins_to_beat_is_replaced_after_a_longer_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "BEGIN_SECONDS", 1.0)

    def work(slot: int, replaces: bool, beat: Beat) -> None:
        (_beating_until_told if replaces else _until_told)(slot, replaces, beat)

    run = Run(tmp_path, work)
    # Sorted by slot: each has had one that never began, and one in its place.
    begun = sorted((slot, replaces) for slot, _, replaces in run.wait(4))
    assert begun == [(0, False), (0, True), (1, False), (1, True)]
    assert run.stop() == 0


def test_a_worker_that_beats_late_or_has_not_begun_to_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "SILENT_SECONDS", 2.0)

    def work(slot: int, replaces: bool, beat: Beat) -> None:
        if slot == 0:
            _until_told(slot, replaces, beat)  # as one that still loads its model
        while True:
            beat()
            time.sleep(1.0)

    run = Run(tmp_path, work)
    run.wait(2)
    time.sleep(5)
    assert len(run.workers()) == 2
    assert run.stop() == 0
