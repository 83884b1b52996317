"""How far a training is, as status shows it."""

from housing_core.api.status import TrainingProgress
from housing_training.progress import REPORT_SECONDS, Progress


class Clock:
    """Seconds that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def watched() -> tuple[Progress, Clock, list[TrainingProgress]]:
    clock, told = Clock(), list[TrainingProgress]()
    progress = Progress(clock)
    progress.listener = told.append
    return progress, clock, told


def test_the_beginning_of_each_stage_is_told() -> None:
    progress, _, told = watched()
    for name in ("read", "grow"):
        with progress.stage(name):
            pass
    assert [report.stage for report in told] == ["read", "grow"]
    assert told[1].trees is None


def test_the_time_left_is_that_of_the_trees_so_far() -> None:
    progress, clock, told = watched()
    with progress.stage("grow"):
        clock.now += 30
        progress.grown(20, 100)
    assert (told[-1].trees_done, told[-1].trees, told[-1].seconds_left) == (20, 100, 120)


def test_trees_of_an_earlier_attempt_do_not_shorten_the_time_left() -> None:
    progress, clock, told = watched()
    with progress.stage("grow"):
        clock.now += 5  # reading the checkpoints
        progress.resumed(60)
        clock.now += 30
        progress.grown(80, 100)
    assert (told[-1].trees_done, told[-1].seconds_left) == (80, 30)


def test_trees_are_told_no_more_often_than_the_server_can_take() -> None:
    progress, clock, told = watched()
    with progress.stage("grow"):
        for done in range(1, 101):
            clock.now += REPORT_SECONDS / 10
            progress.grown(done, 100)
    assert len(told) == 1 + 10


def test_steps_are_told_with_their_unit_and_the_time_left() -> None:
    progress, clock, told = watched()
    with progress.stage("search"):
        progress.steps("trials", 0, 20, 900.0)
        clock.now += REPORT_SECONDS
        progress.steps("trials", 4, 20, 160.4)
        progress.steps("trials", 8, 20, 120.0)  # too soon after the last one
    assert [(r.steps_done, r.steps, r.unit, r.seconds_left) for r in told[1:]] == [
        (0, 20, "trials", 900),
        (4, 20, "trials", 160),
    ]


def test_nobody_needs_to_listen() -> None:
    progress = Progress()
    with progress.stage("read"):
        progress.grown(1, 2)
    assert progress.messages == ["1 of 2 trees"]
