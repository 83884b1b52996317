"""How long a training waits for MLflow."""

import pytest

from housing_core.registry import RegistryError, RegistryUnavailableError
from housing_training.tracking import LONGEST_PAUSE_SECONDS, patiently


class Clock:
    def __init__(self) -> None:
        self.time = 0.0
        self.pauses: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds


def failing(times: int, clock: Clock, error: type[RegistryError]) -> str:
    def call() -> str:
        nonlocal times
        times -= 1
        if times >= 0:
            raise error("away")
        return "answer"

    return patiently(call, seconds=300, now=clock.now, sleep=clock.sleep)


def test_it_asks_again_ever_more_slowly() -> None:
    clock = Clock()
    assert failing(7, clock, RegistryUnavailableError) == "answer"
    assert clock.pauses == [1, 2, 4, 8, *[LONGEST_PAUSE_SECONDS] * 3]


def test_it_gives_up_after_its_patience() -> None:
    clock = Clock()
    with pytest.raises(RegistryUnavailableError):
        failing(10_000, clock, RegistryUnavailableError)
    assert 300 - LONGEST_PAUSE_SECONDS < clock.time <= 300


def test_a_refusal_is_not_asked_again() -> None:
    clock = Clock()
    with pytest.raises(RegistryError, match="away"):
        failing(1, clock, RegistryError)
    assert clock.pauses == []
