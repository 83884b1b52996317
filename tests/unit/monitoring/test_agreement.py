"""Training, serving and monitoring mean the same: rows that training profiled, sent as predictions and
logged by serving, fall into exactly the bins that the profile counted them in."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from housing_core.bundle import CategoricalProfile, FeatureProfile, NumericProfile, Reference
from housing_core.storage import list_files
from housing_monitoring.log.window import Window, read_window
from housing_monitoring.measures.comparison import compare
from housing_monitoring.measures.statistics import quantile
from housing_monitoring.measures.tally import NEW_LABEL
from housing_monitoring.profile import Profile
from housing_serving.log.tables import LogEntry, Received, json_texts, to_tables
from housing_training.data.columns import infer_columns
from housing_training.data.reading import read_listings
from housing_training.data.typed_rows import clean_listings
from housing_training.evaluation.profile import categorical_profile, numeric_profile
from tests.listings import CITIES, DATA, TARGET

MODEL = "homes.istanbul"
NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
ROWS = 3_000
LETTERS = "ABÇDEFGHIİ"


def dirty_rows() -> list[dict[str, str]]:
    """Istanbul listings, and columns with the dirt of other people's."""
    with (DATA / CITIES["istanbul"]).open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    random = np.random.default_rng(3)
    chosen = [found[i] for i in random.choice(len(found), ROWS, replace=False)]
    for position, row in enumerate(chosen):
        del row[""]
        row["tenths"] = f"{random.integers(0, 11) / 10}"
        row["alan"] = f"{random.integers(900, 3_000):,} m2".replace(",", ".")
        row["adres"] = (
            "".join(LETTERS[int(d)] for d in str(int(random.pareto(0.7) * 50))) + " Sokak"
        )
        row["notes"] = random.choice(["", "-", "n/a", "  Deniz   manzaralı ", "Deniz manzaralı"])
        row["empty"] = "" if position else "1"
    return chosen


@pytest.fixture(scope="module")
def judged(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[str, FeatureProfile], Window]:
    """The profile of the rows, and the window of the same rows."""
    rows = dirty_rows()
    folder = tmp_path_factory.mktemp("agreement")
    with (folder / "listings.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    listings = read_listings(list_files(str(folder / "listings.csv"), ()), "Auto", TARGET)
    rules = infer_columns(listings, TARGET).rules
    typed = clean_listings(listings, rules)
    profiles: dict[str, FeatureProfile] = {
        **{name: numeric_profile(values) for name, values in typed.numbers.items()},
        **{name: categorical_profile(column) for name, column in typed.texts.items()},
    }
    entry = LogEntry(
        requests=[Received("one", NOW - timedelta(minutes=1), 0)],
        counts=[len(rows)],
        version="1",
        track="production",
        columns=tuple(profiles),
        texts=json_texts([[row.get(name) for row in rows] for name in profiles]),
        classes=["Low", "Medium", "High"],
        labels=np.zeros(len(rows), np.int64),
        probabilities=np.full((len(rows), 3), 1 / 3, np.float32),
    )
    for place, table in to_tables(MODEL, [entry]):
        path: Path = folder / "log" / place / "one.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(table, path)
    start = NOW - timedelta(hours=1)
    reference = Reference(rows=ROWS, holdout_rows=0, features=profiles, class_shares={}, scores={})
    profile = Profile(rules, reference)
    window = read_window(str(folder / "log"), MODEL, "1", profile, start=start, now=NOW)
    return profiles, window


def test_every_row_arrives(judged: tuple[dict[str, FeatureProfile], Window]) -> None:
    profiles, window = judged
    assert window.rows == ROWS
    assert set(window.features) == set(profiles) >= {"tenths", "alan", "adres", "notes", "Mahalle"}
    assert isinstance(profiles["alan"], NumericProfile)
    assert isinstance(profiles["adres"], CategoricalProfile)
    assert profiles["adres"].other_hashes
    assert window.skipped_files == window.skipped_rows == {}


def test_every_row_falls_into_its_bin(judged: tuple[dict[str, FeatureProfile], Window]) -> None:
    profiles, window = judged
    for name in profiles:
        feature = compare(name, window.features[name], quantile(len(profiles)))
        certain = [b for b in feature.bins if b.label != NEW_LABEL and "rare" not in b.label]
        assert [b.window for b in certain] == [b.reference for b in certain], name
        assert feature.new_categories == {}, name
        assert feature.mean_window == pytest.approx(feature.mean_reference), name
        assert feature.std_window == pytest.approx(feature.std_reference), name
        assert feature.skewness_window == pytest.approx(feature.skewness_reference, abs=1e-6), name
        assert feature.out_of_range_share in {None, 0.0}, name
        assert feature.unreadable == 0, name
