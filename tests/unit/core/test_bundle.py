"""The files of a bundle are read back as they were written, or refused by name."""

from pathlib import Path

import pytest

from housing_core.bundle import (
    FORMAT,
    GOLDEN_FILE,
    REFERENCE_FILE,
    SCHEMA_FILE,
    SUMMARY_FILE,
    BundleError,
    CandidateResult,
    CategoricalProfile,
    ColumnSchema,
    Comparison,
    GoldenRow,
    Interval,
    NumericProfile,
    RecipeResult,
    Reference,
    Schema,
    Scores,
    Summary,
    read_golden,
    read_reference,
    read_schema,
    read_summary,
    write_part,
)
from housing_core.cleaning import CleaningRules, NumberRule

SCORES = Scores(
    accuracy=0.8,
    macro_f1=0.79,
    precision=0.78,
    recall=0.8,
    roc_auc=None,
    confusion_matrix=[[3, 1], [0, 4]],
)
SCHEMA = Schema(
    model_name="emlak.istanbul",
    target="Fiyat",
    columns=[ColumnSchema(name="Alan", kind="Numeric", minimum=1, maximum=2)],
    classes=["Ucuz", "Pahalı"],
    boundaries=[3e6],
    cleaning=CleaningRules({"Alan": NumberRule()}).to_json(),
)
REFERENCE = Reference(
    rows=10,
    holdout_rows=2,
    features={
        "Alan": NumericProfile(
            rows=10,
            missing=1,
            edges=[5.0],
            counts=[4, 5],
            mean=5,
            std=1,
            skewness=None,
            minimum=1,
            maximum=9,
        ),
        "İlçe": CategoricalProfile(rows=10, missing=0, counts={"Şişli": 10}, cardinality=1),
    },
    class_shares={"Ucuz": 0.5, "Pahalı": 0.5},
    scores={"accuracy": 0.8},
    calibration=[(0.9, 0.8, 2)],
)
SUMMARY = Summary(
    model_name="emlak.istanbul",
    key="k",
    run_id="r",
    trigger="Spec",
    scores=SCORES,
    baseline_name="LogisticRegression",
    baseline=SCORES,
    comparison=Comparison(
        champion_version="1",
        rows=2,
        champion_macro_f1=0.7,
        challenger_macro_f1=0.8,
        champion_boundaries=[3e6],
    ),
    rows=12,
    new_rows=12,
    holdout_rows=2,
    dataset_uri="pvc://data/listings",
    dataset_fingerprint="abc",
    bundle_bytes=1,
    training_seconds=1.5,
)
GOLDEN = [GoldenRow(row={"Alan": "85 m²", "Oda": 3}, label="Ucuz", probabilities=[0.9, 0.1])]


def test_every_part_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    write_part(tmp_path, SCHEMA_FILE, SCHEMA)
    write_part(tmp_path, REFERENCE_FILE, REFERENCE)
    write_part(tmp_path, SUMMARY_FILE, SUMMARY)
    write_part(tmp_path, GOLDEN_FILE, GOLDEN)
    assert read_schema(tmp_path) == SCHEMA
    assert read_reference(tmp_path) == REFERENCE
    assert read_summary(tmp_path) == SUMMARY
    assert read_golden(tmp_path) == GOLDEN
    assert "Pahalı" in (tmp_path / SCHEMA_FILE).read_text("utf-8")


def test_rules_and_input_names_follow_from_the_schema() -> None:
    assert SCHEMA.rules.numbers == {"Alan": NumberRule()}
    assert Schema.input_name(3) == "column_3"


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    write_part(tmp_path, SCHEMA_FILE, SCHEMA.model_copy(update={"format": FORMAT + 1}))
    with pytest.raises(BundleError, match=rf"schema\.json has format {FORMAT + 1}.*upgrade it"):
        read_schema(tmp_path)


def test_a_field_of_a_later_version_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / SCHEMA_FILE).write_text(
        SCHEMA.model_dump_json().replace("{", '{"later": 1, ', 1), "utf-8"
    )
    assert read_schema(tmp_path) == SCHEMA


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"format": 1}'])
def test_a_part_that_cannot_be_read_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / SUMMARY_FILE).write_text(content)
    with pytest.raises(BundleError, match=r"summary\.json cannot be read"):
        read_summary(tmp_path)


@pytest.mark.parametrize("content", [None, "{", "[]", '[{"row": 1}]'])
def test_a_bundle_without_golden_rows_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / GOLDEN_FILE).write_text(content)
    with pytest.raises(BundleError, match=r"golden\.json"):
        read_golden(tmp_path)


def test_a_winner_that_was_behind_says_so_and_why_the_other_lost() -> None:
    other = CandidateResult(
        name="EncodedBoosting",
        macro_f1=0.8,
        behind=-0.0057,
        behind_interval=Interval(low=-0.0111, high=-0.0003),
        note="stopped after 2 of 3 folds: auto.timeBudget is used up",
    )
    winner = CandidateResult(name="EncodedForest", macro_f1=0.7923)
    said = RecipeResult(recipe="auto", model="EncodedForest", candidates=[winner, other]).in_words()
    assert said == (
        "EncodedForest: macro F1 0.7923 in cross-validation; behind EncodedBoosting by 0.0057 "
        "(95 % interval 0.0003 to 0.0111), stopped after 2 of 3 folds: auto.timeBudget is used up"
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "version 1 in production has macro F1 0.700 on the same rows"),
        (
            {"ahead": 0.1, "ahead_interval": Interval(low=-0.012, high=0.2)},
            "version 1 in production has macro F1 0.700 on the same rows, +0.1000 from it to this "
            "one (95 % interval -0.0120 to 0.2000)",
        ),
        (
            {"left_out": 3},
            "version 1 in production has macro F1 0.700 against 0.800 on 2 rows; it learned from 3 "
            "of the 5 rows of this holdout",
        ),
        (
            {"left_out": 3, "champion_macro_f1": None, "challenger_macro_f1": None},
            "version 1 in production learned from 3 of the 5 rows of this holdout, since the spec "
            "dealt them otherwise then; the other 2 are too few to compare by",
        ),
    ],
)
def test_a_comparison_says_by_which_rows_it_was_made(changes, expected):
    assert SUMMARY.comparison is not None
    assert SUMMARY.comparison.model_copy(update=changes).in_words() == expected
