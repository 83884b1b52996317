"""What a running training says of itself, on its way into status."""

from housing_core.api.status import TrainingProgress
from tests.unit.operator.world import World

PROGRESS = TrainingProgress(
    stage="grow", trees_done=20, trees=100, seconds_left=40, reported_at="2026-11-23T12:00:00Z"
)


def test_status_shows_how_far_the_training_is_until_it_ends() -> None:
    world = World()
    world.step()
    assert "progress" not in world.status["training"]
    world.progress = PROGRESS
    world.step()
    assert world.status["training"]["progress"] == PROGRESS.to_json()
    world.train()
    world.settle()
    assert world.status["training"]["outcome"] == "Registered"
    assert "progress" not in world.status["training"]


def test_what_is_shown_stays_while_mlflow_does_not_answer() -> None:
    world = World()
    world.step()
    world.progress = PROGRESS
    world.step()
    world.mlflow = False
    world.step()
    assert world.status["training"]["progress"] == PROGRESS.to_json()


def test_the_same_report_writes_status_once() -> None:
    world = World()
    world.step()
    world.progress = PROGRESS
    world.step()
    before = world.status
    world.step()
    assert world.status == before
