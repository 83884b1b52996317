"""The results that README and docs show are those of the run that is kept beside them."""

import json

import pytest

from tests.bench import claims, training_report
from tests.bench.training_report import mean_interval, page, table, with_table

RESULTS = json.loads(training_report.RESULTS.read_text("utf-8"))


def test_readme_and_page_are_in_step_with_the_results() -> None:
    again = "run python -m tests.bench.training_report"
    readme = training_report.README.read_text("utf-8")
    assert with_table(readme, RESULTS) == readme, again
    assert page(RESULTS) == training_report.PAGE.read_text("utf-8"), again


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
