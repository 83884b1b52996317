"""A search against a real MLflow server: its nested runs, and that a kill repeats nothing."""

from pathlib import Path

from housing_core.bundle import GRAPH_FILE, Summary, read_summary
from housing_core.registry import PARENT_TAG, Registry
from tests.integration.training.conftest import Train, sample
from tests.integration.training.program import Program, task
from tests.mlflow_server import MlflowServer, stock_client


def nested(registry: Registry, run_id: str) -> dict[str, tuple[str, str, dict[str, str]]]:
    """Name of each nested run → its id, status and parameters."""
    client = stock_client(registry.tracking_uri)
    experiment = client.get_run(run_id).info.experiment_id
    runs = client.search_runs([experiment], f"tags.`{PARENT_TAG}` = '{run_id}'")
    found = {r.info.run_name: (r.info.run_id, r.info.status, r.data.params) for r in runs}
    assert len(found) == len(runs), "a trial has two runs"
    return found


def summary_of(registry: Registry, name: str, folder: Path) -> tuple[Summary, bytes]:
    bundle = registry.download_bundle(f"training-test.{name}", "1", folder / name)
    return read_summary(bundle), (bundle / GRAPH_FILE).read_bytes()


def test_a_killed_search_repeats_no_finished_trial(
    *, izmir: Path, train: Train, mlflow_server: MlflowServer, registry: Registry, tmp_path: Path
) -> None:
    training = {"forest": {"trees": 8, "maxDepth": 1}, "search": {"trials": 7}}
    given = task(izmir, name="searched", key="searched", training=training)
    killed = Program(given, mlflow_server.url, tmp_path / "1")
    killed.wait_for("search: 4 of 7 settings")
    killed.kill()
    found = registry.run_of_key("training-test.searched", "searched")
    assert found is not None
    run_id = found.run_id
    before = nested(registry, run_id)
    assert set(before) >= {f"trial {number}" for number in range(4)}

    resumed = train({**given, "attempt": 2})
    assert resumed.code == 0, resumed.output
    tried = "search: 4 settings were tried by an earlier attempt"
    assert tried in resumed.messages
    runs = nested(registry, run_id)
    assert set(runs) == {f"trial {number}" for number in range(7)}
    assert {name: runs[name] for name in before if before[name][1] != "RUNNING"}.items() <= (
        runs.items()
    )
    assert {status for _, status, _ in runs.values()} <= {"FINISHED", "KILLED"}
    assert all("max_features" in params for _, _, params in runs.values())
    summary, graph = summary_of(registry, "searched", tmp_path)
    assert summary.recipe is not None
    assert summary.recipe.search is not None
    assert summary.recipe.search.trials + summary.recipe.search.pruned == 7
    assert "ahead of the model's own" in summary.recipe.in_words()
    run = stock_client(registry.tracking_uri).get_run(run_id)
    assert run.data.params["search.trials"] == "7"
    assert "settings judged" in run.data.tags["selection"]
    card = registry.download_run_file(run_id, "model_card.md").decode()
    assert "settings judged" in card

    # As if the second attempt had been killed before it registered.
    stock_client(registry.tracking_uri).delete_registered_model("training-test.searched")
    again = train({**given, "attempt": 3})
    assert again.code == 0, again.output
    assert any("an earlier attempt has ended its search" in line for line in again.messages)
    assert summary_of(registry, "searched", tmp_path / "again")[1] == graph


def test_a_killed_search_for_the_winner_of_auto_goes_on_with_it(
    *, izmir: Path, train: Train, mlflow_server: MlflowServer, registry: Registry, tmp_path: Path
) -> None:
    few = sample(izmir, tmp_path / "few.csv", 400)
    target = {"column": "Fiyat", "quantiles": [0.5], "classes": ["Low", "High"]}
    training = {
        "recipe": "auto",
        "auto": {"timeBudget": "5s"},
        "forest": {"trees": 8},
        "search": {"trials": 5},
    }
    given = task(few, name="raced", key="raced", training=training, dataset={"target": target})
    killed = Program(given, mlflow_server.url, tmp_path / "1")
    killed.wait_for("search: 4 of 5 settings")
    killed.kill()
    run = registry.run_of_key("training-test.raced", "raced")
    assert run is not None
    registry.upload(run, "search/state-2.json", b"{")
    before = nested(registry, run.run_id)

    resumed = train({**given, "attempt": 2})
    assert resumed.code == 0, resumed.output
    summary, _ = summary_of(registry, "raced", tmp_path)
    assert summary.recipe is not None
    assert summary.recipe.recipe == "auto"
    assert f"an earlier attempt has chosen {summary.recipe.model}" in resumed.messages
    assert "search: 4 settings were tried by an earlier attempt" in resumed.messages
    damaged = "search/state-2.json of an earlier attempt is ignored: not readable"
    assert damaged in resumed.messages
    assert summary.recipe.candidates[0].name == summary.recipe.model
    assert len(summary.recipe.candidates) == 3
    search = summary.recipe.search
    assert search is not None
    assert search.trials + search.pruned == 5
    after = nested(registry, run.run_id)
    assert set(after) == {f"trial {number}" for number in range(5)}
    finished = {name for name, (_, status, _) in before.items() if status != "RUNNING"}
    assert all(after[name] == before[name] for name in finished)
    tags = stock_client(registry.tracking_uri).get_run(run.run_id).data.tags
    assert tags["model"] == summary.recipe.model
    assert "settings judged" in tags["selection"]
