"""Listings that are hard to learn from, through the whole program: what it makes of them and says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from housing_core.bundle import GRAPH_FILE, Schema, Summary, read_schema, read_summary
from housing_core.registry import Registry
from tests.integration.training.conftest import Train
from tests.integration.training.program import task
from tests.unit.training.listings import dirty_rows, to_csv

QUICK = {"recipe": "auto", "auto": {"timeBudget": "1s"}}
"""The first candidate and no other."""


@dataclass(frozen=True)
class Learned:
    """What came of some listings.

    Attributes:
        messages: all that the program said.
        graph_bytes: size of the model.

    """

    messages: list[str]
    schema: Schema
    summary: Summary
    graph_bytes: int


Learn = Callable[..., Learned]


@pytest.fixture
def learn(train: Train, registry: Registry, tmp_path: Path) -> Learn:
    """Train on the text of a CSV file; it must end in a version."""

    def run(name: str, content: str, **fields: Any) -> Learned:
        data = tmp_path / f"{name}.csv"
        data.write_text(content, "utf-8")
        ended = train(task(data, name=name, key=name, **fields))
        assert ended.code == 0, ended.output
        assert "Traceback" not in ended.output
        bundle = registry.download_bundle(f"training-test.{name}", "1", tmp_path / "bundle")
        return Learned(
            ended.messages,
            read_schema(bundle),
            read_summary(bundle),
            (bundle / GRAPH_FILE).stat().st_size,
        )

    return run


@pytest.mark.parametrize(
    ("thousands", "areas", "training"), [(",", ".", {"recipe": "seed"}), (".", ",", QUICK)]
)
def test_dirt_is_left_out_and_said(
    learn: Learn, thousands: str, areas: str, training: dict[str, Any]
) -> None:
    rows = [
        {
            **row,
            "Fiyat": row["Fiyat"].replace(",", thousands),
            "Brüt Alan": row["Brüt Alan"].replace(".", areas),
            "Ülke": "Türkiye",
            "Sıfır": "0",
            "Kat": "Bahçe" if n % 3 else str(n % 9),
        }
        for n, row in enumerate(dirty_rows(600))
    ]
    no_prices = ["inf", f"-1{thousands}200{thousands}000TL", "1e999", "0", "-∞", ""]
    for row, text in zip(rows, no_prices, strict=False):
        row["Fiyat"] = text
    prices = [int(re.sub(r"TL.*|[,.]", "", row["Fiyat"])) for row in rows[len(no_prices) :]]
    content = to_csv([*rows, *rows[100:150]])
    found = learn(f"dirt-{training['recipe']}", content, training=training)
    assert (
        "650 rows read from 1 files: 50 duplicates left out, 6 without a price above zero left out"
    ) in found.messages
    assert "an example of what is no price in 'Fiyat': 'inf'" in found.messages
    assert found.summary.rows == 594
    assert found.schema.boundaries == pytest.approx(np.quantile(prices, [0.4, 0.8]), rel=0.1)
    area = found.schema.rules.numbers["Brüt Alan"]
    assert (area.thousands, area.suffixes) == (areas, ("m2",))
    assert "'Türkiye' in every row" in found.schema.ignored["Ülke"]
    assert "'0' in every row" in found.schema.ignored["Sıfır"]
    kinds = {column.name: column.kind for column in found.schema.columns}
    assert kinds["Kat"] == "Categorical"
    assert found.summary.scores.macro_f1 > 0.6


@pytest.mark.slow
def test_a_hundred_thousand_addresses_make_a_small_model(learn: Learn) -> None:
    chance = np.random.default_rng(1)
    areas = chance.integers(40, 250, 125_000)
    prices = (areas * chance.uniform(9_000, 40_000, 125_000)).astype(int)
    # Most addresses occur once, some twice: a street is no row number.
    lines = [
        f"{chr(65 + n % 26)}{chr(97 + n % 23)} Sokak {n},{area},{price}\n"
        for n, area, price in zip(np.arange(125_000) % 100_000, areas, prices, strict=True)
    ]
    found = learn("addresses", "".join(["Adres,Alan,Fiyat\n", *lines]), training=QUICK)
    kinds = {column.name: column.kind for column in found.schema.columns}
    assert kinds == {"Adres": "HighCardinality", "Alan": "Numeric"}
    assert found.graph_bytes < 2_000_000
    assert found.summary.scores.macro_f1 > 0.5


def test_half_of_all_prices_equal_makes_uneven_classes_and_says_so(learn: Learn) -> None:
    rows = sorted(
        dirty_rows(400), key=lambda row: int(row["Fiyat"].partition("TL")[0].replace(",", ""))
    )
    for row in rows[100:300]:
        row["Fiyat"] = rows[100]["Fiyat"]
    found = learn("half-equal", to_csv(rows))
    told = [message for message in found.messages if "of the training part instead of" in message]
    assert [message.partition(" holds ")[0] for message in told] == [
        "class 'Low'",
        "class 'Medium'",
    ]
    assert all("of it has the price" in message for message in told)
    assert found.schema.boundaries[0] < found.schema.boundaries[1]


@pytest.mark.parametrize("recipe", ["seed", "auto"])
def test_numbers_alone_and_a_class_of_a_few_rows_are_learned_from(
    learn: Learn, recipe: str
) -> None:
    rows = [
        {name: row[name] for name in ("Brüt Alan", "Banyo", "Fiyat")} for row in dirty_rows(400)
    ]
    target = {"column": "Fiyat", "quantiles": [0.4, 0.99], "classes": ["Low", "Medium", "Top"]}
    found = learn(
        f"few-{recipe}",
        to_csv(rows, ";"),
        dataset={"target": target},
        training={"recipe": recipe},
    )
    assert {column.kind for column in found.schema.columns} == {"Numeric"}
    assert found.schema.crosses == []
    if recipe == "seed":
        (said,) = (m for m in found.messages if "synthetic rows added" in m)
        before, after = (
            [int(count) for count in part.partition("]")[0].split(", ")]
            for part in said.split("[")[1:]
        )
        assert before[2] <= 5  # SMOTE looks at five neighbours
        assert after[2] == 2 * before[2]
