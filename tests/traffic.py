"""Windows of traffic drawn from real listings, and what the seed's plain formulas say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from housing_core.api.spec import Dataset, Target, Thresholds
from housing_core.bundle import NumericProfile, Reference
from housing_core.drift_report import DriftReport
from housing_core.tasks import MonitoringTask
from housing_monitoring.columns import CategoricalColumn, NumericColumn
from housing_monitoring.measures.performance import Labelled
from housing_monitoring.profile import Profile
from housing_monitoring.report import judge
from tests.listings import CLASSES, Listings, rules_of
from tests.windows import Column, numbers, window_of

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
Counts = Mapping[str, Counter[str]]


@dataclass(frozen=True)
class Sample:
    """Rows of a window, in the order in which they came."""

    columns: dict[str, Column]
    classes: NDArray[np.str_]

    def report(self, profile: Profile, task: MonitoringTask = TASK) -> DriftReport:
        """What the monitor says of it."""
        window = window_of(self.columns, profile.reference.features, self.classes)
        return judge(task, profile, window, Labelled.none(), NOW)


class Traffic:
    """Listings as typed columns, of which windows are drawn; `rows` keeps the listings' order."""

    def __init__(self, listings: Listings) -> None:
        self.classes = listings.classes
        self.columns: dict[str, Column] = {}
        numeric = rules_of(listings).numbers
        for name, column in listings.frame.items():
            if name in numeric:
                self.columns[str(name)] = numbers(column.to_numpy(dtype=float))
            else:
                texts = column.where(column.isna(), column.astype(str).str.split().str.join(" "))
                codes, categories = pd.factorize(texts)
                self.columns[str(name)] = CategoricalColumn(tuple(categories), codes)

    def __len__(self) -> int:
        return len(self.classes)

    def sample(self, rows: int, seed: int) -> Sample:
        """Independent rows, none twice."""
        return self.rows(np.random.default_rng(seed).choice(len(self), rows, replace=False))

    def rows(self, chosen: NDArray[np.int64]) -> Sample:
        """These rows, in this order."""
        features = {name: _rows(column, chosen) for name, column in self.columns.items()}
        return Sample(features, self.classes[chosen])

    def category_counts(self) -> Counts:
        """Rows of every category, by column."""
        return {
            name: Counter(column.counts())
            for name, column in self.columns.items()
            if isinstance(column, CategoricalColumn)
        }


def _rows(column: Column, chosen: NDArray[np.int64]) -> Column:
    if isinstance(column, NumericColumn):
        return numbers(column.values[chosen])
    kept, codes = np.unique(column.codes[chosen], return_inverse=True)
    absent = int(kept[0] == -1)
    return CategoricalColumn(tuple(column.categories[i] for i in kept[absent:]), codes - absent)


def plain_verdict(sample: Sample, reference: Reference, every_category: Counts) -> str:
    """Seed 5.5 by the textbook: a bin for every category, 0.0001 for an empty one."""
    thresholds, high = TASK.thresholds, 0
    for name, column in sample.columns.items():
        profile = reference.features[name]
        if isinstance(column, NumericColumn) and isinstance(profile, NumericProfile):
            present = column.values[~np.isnan(column.values)]
            bins = np.searchsorted(np.asarray(profile.edges), present)
            now, before = np.bincount(bins, minlength=len(profile.counts)).tolist(), profile.counts
        elif isinstance(column, CategoricalColumn):
            found, seen = column.counts(), every_category[name]
            names = sorted({*found, *seen})
            now, before = [found.get(n, 0) for n in names], [seen[n] for n in names]
            high += len(names) / len(seen) > thresholds.cardinality_ratio
        w, r = _shares(now), _shares(before)
        if ((w - r) * np.log(w / r)).sum() > thresholds.psi:
            return "Drift"
    w = _shares([int((sample.classes == name).sum()) for name in CLASSES])
    r = np.array([reference.class_shares[name] for name in CLASSES])
    drift = (w * np.log(w / r)).sum() > thresholds.prediction_drift
    return "Drift" if drift or high >= thresholds.high_severity_alerts else "Stable"


def _shares(rows: list[int]) -> NDArray[np.float64]:
    return np.maximum(np.array(rows) / max(sum(rows), 1), 1e-4)
