"""How often windows of held-out Istanbul listings are called drift, and whether Izmir's are."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from housing_core.api.spec import Dataset, Target, Thresholds
from housing_core.bundle import NumericProfile
from housing_core.drift_report import DriftReport
from housing_core.tasks import MonitoringTask
from housing_monitoring.columns import CategoricalColumn, NumericColumn
from housing_monitoring.performance import Labelled
from housing_monitoring.profile import Profile
from housing_monitoring.report import judge
from housing_monitoring.window import Window
from tests.listings import CLASSES, Listings, read_listings, reference_of, rules_of
from tests.windows import Column, window_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TASK = MonitoringTask(
    namespace="homes",
    name="istanbul",
    production_version="1",
    log_uri="/log",
    dataset=Dataset(uri="/data", target=Target(column="Fiyat")),
    window_seconds=86_400,
    min_samples=200,
    evaluation_window_seconds=30 * 86_400,
    min_labels=100,
    thresholds=Thresholds(),
)
WINDOWS = 200


@dataclass(frozen=True)
class Sample:
    columns: dict[str, Column]
    classes: np.ndarray

    def window(self, profile: Profile) -> Window:
        return window_of(self.columns, profile.reference.features, self.classes)


class Traffic:
    """Listings as typed columns, of which windows are drawn."""

    def __init__(self, listings: Listings) -> None:
        self.classes = listings.classes
        self.columns: dict[str, Column] = {}
        numeric = rules_of(listings).numbers
        for name, column in listings.frame.items():
            if name in numeric:
                self.columns[str(name)] = NumericColumn(column.to_numpy(dtype=float))
            else:
                texts = column.where(column.isna(), column.astype(str).str.split().str.join(" "))
                codes, categories = pd.factorize(texts)
                self.columns[str(name)] = CategoricalColumn(tuple(categories), codes)

    def sample(self, rows: int, seed: int) -> Sample:
        chosen = np.random.default_rng(seed).choice(len(self.classes), rows, replace=False)
        features = {name: _rows(column, chosen) for name, column in self.columns.items()}
        return Sample(features, self.classes[chosen])


def _rows(column: Column, chosen: np.ndarray) -> Column:
    if isinstance(column, NumericColumn):
        return NumericColumn(column.values[chosen])
    kept, codes = np.unique(column.codes[chosen], return_inverse=True)
    absent = int(kept[0] == -1)
    return CategoricalColumn(tuple(column.categories[i] for i in kept[absent:]), codes - absent)


@pytest.fixture(scope="module")
def istanbul() -> tuple[Listings, Listings]:
    """Training part and holdout."""
    listings = read_listings("istanbul")
    cut = int(len(listings.frame) * 0.8)
    return listings.rows(0, cut), listings.rows(cut, len(listings.frame))


@pytest.fixture(scope="module")
def profile(istanbul: tuple[Listings, Listings]) -> Profile:
    return Profile(rules_of(istanbul[0]), reference_of(*istanbul))


def verdict_of(sample: Sample, profile: Profile) -> DriftReport:
    return judge(TASK, profile, sample.window(profile), Labelled.none(), NOW)


def plain_verdict(sample: Sample, profile: Profile, every_category: dict[str, Counter]) -> str:
    """Seed 5.5 by the textbook: a bin for every category, 0.0001 for an empty one."""

    def shares(rows: list[int]) -> np.ndarray:
        return np.maximum(np.array(rows) / sum(rows), 1e-4)

    high = 0
    for name, column in sample.columns.items():
        reference = profile.reference.features[name]
        if isinstance(column, NumericColumn) and isinstance(reference, NumericProfile):
            present = column.values[~np.isnan(column.values)]
            bins = np.searchsorted(reference.edges, present)
            now, before = np.bincount(bins, minlength=len(reference.counts)), reference.counts
        elif isinstance(column, CategoricalColumn):
            found, seen = column.counts(), every_category[name]
            names = sorted({*found, *seen})
            now, before = [found.get(n, 0) for n in names], [seen[n] for n in names]
            high += len(names) / len(seen) > TASK.thresholds.cardinality_ratio
        w, r = shares(list(now)), shares(list(before))
        if ((w - r) * np.log(w / r)).sum() > TASK.thresholds.psi:
            return "Drift"
    w = np.array([np.mean(sample.classes == name) for name in CLASSES])
    r = np.array([profile.reference.class_shares[name] for name in CLASSES])
    drift = (w * np.log(w / r)).sum() > TASK.thresholds.prediction_drift
    return "Drift" if drift or high >= TASK.thresholds.high_severity_alerts else "Stable"


@pytest.mark.parametrize(("rows", "plain_alarms"), [(200, 200), (1_000, 200), (5_000, 0)])
def test_held_out_rows_are_never_called_drift_though_the_plain_formulas_call_small_windows_so(
    rows: int, plain_alarms: int, istanbul: tuple[Listings, Listings], profile: Profile
) -> None:
    training, holdout = istanbul
    every_category = {
        name: Counter(column.counts())
        for name, column in Traffic(training).columns.items()
        if isinstance(column, CategoricalColumn)
    }
    traffic = Traffic(holdout)
    samples = [traffic.sample(rows, seed) for seed in range(WINDOWS)]
    alarms = sum(verdict_of(sample, profile).verdict == "Drift" for sample in samples)
    plain = sum(plain_verdict(sample, profile, every_category) == "Drift" for sample in samples)
    assert (alarms, plain) == (0, plain_alarms)  # as docs/how-to/drift.md says


@pytest.mark.parametrize("rows", [200, 1_000])
def test_another_city_is_drift_every_time(rows: int, profile: Profile) -> None:
    traffic = Traffic(read_listings("izmir"))
    for seed in range(20):
        report = verdict_of(traffic.sample(rows, seed), profile)
        assert report.verdict == "Drift"
        assert {"PSI", "NewCategories"} <= {alert.name for alert in report.alerts}
