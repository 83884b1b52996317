"""The results that README and docs show are those of the run that is kept beside them."""

import json

import pytest

from tests.bench import claims, distributed, training_report, training_rows
from tests.bench.clock_report import STAGES, clock_sections
from tests.bench.training_report import mean_interval, page, table, with_table

RESULTS = json.loads(training_report.RESULTS.read_text("utf-8"))
CLOCK = json.loads(training_report.CLOCK.read_text("utf-8"))


def test_readme_and_page_are_in_step_with_the_results() -> None:
    again = "run python -m tests.bench.training_report"
    readme = training_report.README.read_text("utf-8")
    assert with_table(readme, RESULTS) == readme, again
    assert page(RESULTS, CLOCK) == training_report.PAGE.read_text("utf-8"), again


def test_the_page_on_the_claims_is_in_step_with_its_results() -> None:
    results = json.loads(claims.RESULTS.read_text("utf-8"))
    assert claims.page(results) == claims.PAGE.read_text("utf-8"), "run make bench-claims"


def test_the_table_has_each_recipe_on_each_dataset() -> None:
    rows = table(RESULTS).splitlines()[2:]
    assert {tuple(row.split(" | ")[:2]) for row in rows} == {
        (f"| {title}", recipe)
        for title in training_report.DATASETS.values()
        for recipe in training_report.RECIPES
    }


def test_another_result_makes_another_table() -> None:
    changed = [{**RESULTS[0], "macro_f1": 0.123}, *RESULTS[1:]]
    assert table(changed) != table(RESULTS)


def test_the_interval_of_a_mean_is_students() -> None:
    assert mean_interval([0.5]) is None
    assert mean_interval([0.1, 0.2, 0.3]) == pytest.approx((0.2, -0.0484, 0.4484), abs=1e-4)


def test_a_goal_is_missed_where_one_pair_misses_it() -> None:
    def pair(split: int, seconds: float, grown: int) -> list[dict[str, object]]:
        both = [
            {"recipe": "literal", "fit_seconds": 50.0, "added_mib": 200, "peak_mib": 480},
            {"recipe": "seed", "fit_seconds": seconds, "added_mib": grown, "peak_mib": 280 + grown},
        ]
        spent = {"checkpoint_clock_seconds": 1.0, "checkpoint_cpu_seconds": 0.5}
        common = {"part": "pairs", "dataset": "izmir", "split": split, "others": 0.1, **spent}
        return [{**common, "cpu_seconds": 60.0, **fit} for fit in both]

    found = clock_sections([*pair(0, 10.0, 100), *pair(1, 8.0, 90)], {"izmir": "Izmir"})
    assert "| Izmir | 2 | 50.0 | 9.0 | 5.6 (5.0 to 6.2) | reached |" in "\n".join(found)
    memory = (
        "| Izmir | 200 | 95 | 0.47 (0.45 to 0.50) | reached "
        "| 480 | 375 | 0.78 (0.77 to 0.79) | missed |"
    )
    assert memory in found
    assert "| Izmir | 1.0 | 2.0% (2.0% to 2.0%) | reached | 0.5 | 0.8% (0.8% to 0.8%) |" in found
    slower = clock_sections([*pair(0, 10.1, 100), *pair(1, 8.0, 90)], {"izmir": "Izmir"})
    assert "5.6 (5.0 to 6.2) | missed |" in "\n".join(slower)


def test_a_job_is_too_slow_where_one_of_several_is() -> None:
    def job(start: float, seconds: float) -> dict[str, object]:
        stages = dict.fromkeys(STAGES, 1.0)
        took = {"start_seconds": start, "seconds": seconds, "stages": stages}
        return {"part": "jobs", "dataset": "izmir", "others": 0.0, "peak_mib": 500, **took}

    found = clock_sections([job(4.0, 50.0), job(4.9, 60.1)], {"izmir": "Izmir"})
    whole = "| 1.0 " * len(STAGES)
    line = f"| Izmir | 2 | 4.5 (4.0 to 4.9) | reached {whole}| 55.0 (50.0 to 60.1) | missed | 500 |"
    assert line in found


def test_the_page_of_rows_is_in_step_with_its_results() -> None:
    results = json.loads(training_rows.RESULTS.read_text("utf-8"))
    again = "run python -m tests.bench.training_rows --report-only"
    assert training_rows.page(results) == training_rows.PAGE.read_text("utf-8"), again


def test_growth_is_against_the_fewest_rows_and_what_did_not_end_says_why() -> None:
    common = {"recipe": "seed", "seconds": 9.0, "peak_mib": 2000, "stages": {"read": 1.0}}
    bundle = {"inputs.onnx": 1_000_000, "model.onnx": 2_000_000, "trees.npz": 500_000}
    found = training_rows.page(
        [
            {**common, "rows": 100_000, "cpu_seconds": 50.0, "failed": "took too much"},
            {
                **common,
                "rows": 10_000,
                "cpu_seconds": 4.0,
                "macro_f1": 0.7,
                "model": "HashedForest",
                "bundle": bundle,
            },
        ]
    )
    first = "| seed | 10,000 | 9 | 4 | 1.0 | 1.0 | 2,000 | 0.700 | HashedForest | 3.5 | 3.0 | 0.5 |"
    assert first in found
    assert (
        "| seed | 100,000 | 9 | 50 | 12.5 | 12.5 | 2,000 | not finished: took too much |" in found
    )


def test_noisy_listings_are_as_many_and_next_to_none_twice() -> None:
    made = training_rows.noisy_listings(3000)
    assert len(made) == 3000
    assert made.duplicated().sum() < 3
    assert made.equals(training_rows.noisy_listings(3000))


def test_the_page_of_workers_is_in_step_with_its_results() -> None:
    results = json.loads(distributed.RESULTS.read_text("utf-8"))
    assert distributed.page(results) == distributed.PAGE.read_text(
        "utf-8"
    ), "run make bench-distributed"
