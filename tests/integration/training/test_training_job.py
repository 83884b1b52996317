"""Trainings after the first: repeated, without new rows, held against production, warned of."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from housing_core.bundle import GRAPH_FILE, read_schema, read_summary
from housing_core.registry import Registry
from housing_core.tasks import INVALID_DATA_EXIT_CODE
from tests.integration.training.conftest import MODEL, Train, bundle_of, run_messages
from tests.integration.training.program import Ended, task
from tests.mlflow_server import stock_client


def test_training_again_with_one_key_gives_the_version_that_is_there(
    first: Ended, train: Train, istanbul: Path, registry: Registry
) -> None:
    again = train(task(istanbul, name="istanbul", key="first", attempt=2))
    assert again.code == 0
    assert again.outcome == first.outcome
    assert len([v for v in registry.versions(MODEL) if v.key == "first"]) == 1


def test_a_training_that_was_killed_right_after_registering_closes_its_run(
    first: Ended, train: Train, istanbul: Path, registry: Registry
) -> None:
    assert first.outcome is not None
    run_id, client = first.outcome.run_id or "", stock_client(registry.tracking_uri)
    client.delete_tag(run_id, "outcome")
    client.update_run(run_id, "RUNNING")
    again = train(task(istanbul, name="istanbul", key="first", attempt=3))
    assert again.outcome == first.outcome
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["outcome"] == "Registered"
    assert first.outcome.message in run_messages(registry, run_id)


@pytest.mark.slow
def test_a_parameter_of_an_earlier_attempt_stays_and_what_differs_is_said(
    train: Train, izmir: Path, registry: Registry
) -> None:
    given = task(izmir, name="parameters", key="parameters")
    first = train(given)
    assert first.outcome is not None
    # As if it had been killed before it registered, and went on with other checkpoints.
    stock_client(registry.tracking_uri).delete_registered_model("training-test.parameters")
    given["training"]["checkpoint"] = {"everyTrees": 10}
    again = train({**given, "attempt": 2})
    assert again.code == 0, again.output
    assert (
        "parameter checkpoint.everyTrees is 10; MLflow keeps 4 of an earlier attempt"
        in again.messages
    )


def test_without_a_new_row_nothing_is_registered_until_there_is_one(
    *,
    first: Ended,
    train: Train,
    istanbul: Path,
    izmir: Path,
    registry: Registry,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "listings"
    folder.mkdir()
    content = istanbul.read_text("utf-8")
    header, *rows = content.splitlines(keepends=True)
    # The same rows with other row numbers, in another order, in two files.
    (folder / "a.csv").write_text(header + "".join(f"9{row}" for row in rows[1500:]), "utf-8")
    (folder / "b.csv").write_text(content, "utf-8")
    given = task(
        folder,
        name="istanbul",
        key="drift",
        trigger="Drift",
        needs_new_rows=True,
        production_version="1",
    )
    before = registry.versions(MODEL)
    none = train(given)
    assert none.code == 0
    assert none.outcome is not None
    assert none.outcome.outcome == "NoNewData"
    assert "was seen by version 1: add listings" in none.outcome.message
    assert registry.versions(MODEL) == before

    shutil.copy(izmir, folder / "c.csv")
    more = train({**given, "attempt": 2})
    assert more.code == 0
    assert more.outcome is not None
    assert more.outcome.outcome == "Registered"
    assert more.outcome.run_id == none.outcome.run_id
    assert more.outcome.dataset_fingerprint != none.outcome.dataset_fingerprint
    summary = read_summary(bundle_of(registry, more.outcome.version or "", tmp_path))
    assert 900 < summary.new_rows <= 1000
    assert summary.comparison is not None
    assert summary.comparison.champion_version == "1"
    assert (summary.comparison.rows, summary.comparison.left_out) == (summary.holdout_rows, 0)
    assert summary.comparison.challenger_macro_f1 == pytest.approx(summary.scores.macro_f1)
    assert 0 < summary.comparison.champion_macro_f1 < 1
    ahead, within = summary.comparison.ahead, summary.comparison.ahead_interval
    assert ahead == pytest.approx(
        summary.comparison.challenger_macro_f1 - summary.comparison.champion_macro_f1
    )
    assert within is not None
    assert within.low < ahead < within.high
    run = stock_client(registry.tracking_uri).get_run(summary.run_id)
    assert run.data.metrics["ahead"] == pytest.approx(ahead)
    assert run.data.metrics["ahead_high"] == pytest.approx(within.high)
    for score in ("macro_f1", "rank_correlation"):
        for side in ("champion", "challenger"):
            value = getattr(summary.comparison, f"{side}_{score}")
            within = getattr(summary.comparison, f"{side}_{score}_interval")
            assert within.low < value < within.high
            assert run.data.metrics[f"{side}_{score}"] == pytest.approx(value)
            assert run.data.metrics[f"{side}_{score}_low"] == pytest.approx(within.low)
    assert (
        summary.comparison.champion_boundaries
        == read_schema(bundle_of(registry, "1", tmp_path)).boundaries
    )


@pytest.mark.parametrize(
    ("split", "share"),
    [
        pytest.param({"training": {"holdoutFraction": 0.4}}, 1 / 2, id="a larger holdout"),
        pytest.param(
            {"dataset": {"columns": [{"name": "Sehir", "kind": "Ignored"}]}},
            0.8,
            id="an ignored column",
        ),
    ],
)
def test_the_version_in_production_is_not_judged_by_rows_that_it_learned_from(
    first: Ended,
    train: Train,
    istanbul: Path,
    registry: Registry,
    tmp_path: Path,
    *,
    split: dict[str, Any],
    share: float,
) -> None:
    given = task(istanbul, name="istanbul", key=f"dealt-{share}", production_version="1", **split)
    ended = train(given)
    assert ended.outcome is not None
    assert ended.outcome.outcome == "Registered", ended.outcome.message
    summary = read_summary(bundle_of(registry, ended.outcome.version or "", tmp_path))
    compared = summary.comparison
    assert compared is not None
    assert compared.champion_macro_f1 is not None
    assert compared.challenger_macro_f1 is not None
    assert compared.rows + compared.left_out == summary.holdout_rows
    assert compared.left_out / summary.holdout_rows == pytest.approx(share, abs=0.08)
    # By heart it would know most of them: 0.2 and more ahead of any honest version.
    assert abs(compared.champion_macro_f1 - compared.challenger_macro_f1) < 0.1
    assert f"it learned from {compared.left_out} of the" in ended.outcome.message


def test_kept_boundaries_are_those_of_production(
    first: Ended, train: Train, izmir: Path, registry: Registry, tmp_path: Path
) -> None:
    kept = train(
        task(
            izmir,
            name="istanbul",
            key="kept",
            production_version="1",
            dataset={"target": {"column": "Fiyat", "boundaries": "Keep"}},
        )
    )
    assert kept.outcome is not None
    assert kept.outcome.outcome == "Registered", kept.outcome.message
    own = read_schema(bundle_of(registry, kept.outcome.version or "", tmp_path)).boundaries
    assert own == read_schema(bundle_of(registry, "1", tmp_path)).boundaries


def test_auto_says_which_model_won_and_a_later_attempt_keeps_it(
    train: Train, istanbul: Path, registry: Registry, tmp_path: Path
) -> None:
    given = task(istanbul, name="auto", key="auto", training={"recipe": "auto"})
    ended = train(given)
    assert ended.code == 0, ended.output
    assert ended.outcome is not None
    run_id = ended.outcome.run_id or ""
    bundle = registry.download_bundle("training-test.auto", "1", tmp_path / "auto")
    summary = read_summary(bundle)
    assert summary.recipe is not None
    assert summary.recipe.model == summary.recipe.candidates[0].name
    assert summary.intervals is not None
    assert summary.intervals.macro_f1.low < summary.scores.macro_f1
    assert summary.scores.macro_f1 < summary.intervals.macro_f1.high
    assert f"{summary.recipe.model}: macro F1" in ended.outcome.message
    tags = stock_client(registry.tracking_uri).get_run(run_id).data.tags
    assert tags["model"] == summary.recipe.model
    assert stock_client(registry.tracking_uri).get_run(run_id).data.metrics["macro_f1_low"] > 0

    # As if the first attempt had been killed before it registered.
    stock_client(registry.tracking_uri).delete_registered_model("training-test.auto")
    again = train({**given, "attempt": 2})
    assert again.code == 0, again.output
    assert f"an earlier attempt has chosen {summary.recipe.model}" in again.messages
    second = registry.download_bundle("training-test.auto", "1", tmp_path / "again")
    assert (second / GRAPH_FILE).read_bytes() == (bundle / GRAPH_FILE).read_bytes()


def test_a_column_that_gives_the_price_away_is_named_everywhere(
    train: Train, izmir: Path, registry: Registry, tmp_path: Path
) -> None:
    frame = pd.read_csv(izmir, dtype=str)
    frame["Dollars"] = (frame["Fiyat"].astype(float) / 27.1).round(2).astype(str)
    frame.to_csv(tmp_path / "leaking.csv", index=False)
    ended = train(task(tmp_path / "leaking.csv", name="leaking", key="leaking"))
    assert ended.outcome is not None
    assert ended.outcome.outcome == "Registered", ended.output
    bundle = registry.download_bundle("training-test.leaking", "1", tmp_path / "leaking")
    (warning,) = read_summary(bundle).warnings
    assert "column 'Dollars' may give the price away" in warning
    run = stock_client(registry.tracking_uri).get_run(ended.outcome.run_id or "")
    assert run.data.tags["warnings"] == warning
    line = next(line for line in ended.lines if line["message"] == warning)
    assert line["level"] == "warning"


def test_boundaries_that_do_not_fit_the_classes_cannot_be_kept(
    first: Ended, train: Train, izmir: Path
) -> None:
    target = {"column": "Fiyat", "boundaries": "Keep", "quantiles": [0.5], "classes": ["a", "b"]}
    refused = train(
        task(
            izmir,
            name="istanbul",
            key="misfit",
            production_version="1",
            dataset={"target": target},
        )
    )
    assert refused.code == INVALID_DATA_EXIT_CODE
    assert refused.outcome is not None
    assert "version 1 has 2 boundaries to keep, but 2 classes need 1" in refused.outcome.message


def test_two_namespaces_with_a_model_of_one_name_do_not_meet(
    first: Ended, train: Train, izmir: Path, registry: Registry
) -> None:
    other = train(task(izmir, name="istanbul", key="first", namespace="other-team"))
    assert other.code == 0
    assert other.outcome is not None
    assert other.outcome.version == "1"
    assert [v.key for v in registry.versions("other-team.istanbul")] == ["first"]
    assert registry.version(MODEL, "1").run_id != other.outcome.run_id
