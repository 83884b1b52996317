"""False alarms and power: what the monitor says of thousands of windows whose truth is known.

Each of ten random parts of the Istanbul listings, without exact duplicates: half for the profile, a
tenth for its holdout, and the rest is the traffic, in the order of the file, where neighbours are
listings of one neighbourhood. The true class of a listing stands for the predicted one.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from housing_core.drift_report import DriftReport
from housing_monitoring.columns import CategoricalColumn, NumericColumn
from housing_monitoring.profile import Profile
from tests.listings import Listings, read_listings, reference_of, rules_of
from tests.traffic import Counts, Sample, Traffic, plain_verdict
from tests.windows import numbers

PARTS = 10
TRAINING_SHARE, HOLDOUT_SHARE = 0.5, 0.1

KINDS: Mapping[str, float] = {
    "independent rows": 1,
    "runs of about 5 neighbours": 5,
    "runs of about 10 neighbours": 10,
    "runs of about 25 neighbours": 25,
}
"""How rows come together → the mean length of a run, which is geometric."""

DISTRICT = "Ilce"
NEW_DISTRICT = "Yeni İlçe"

Generator = np.random.Generator


@dataclass(frozen=True)
class Part:
    """One random part: what the version was trained on, and the traffic that it gets."""

    profile: Profile
    every_category: Counts
    traffic: Traffic

    @classmethod
    def of(cls, listings: Listings, seed: int) -> Part:
        size = len(listings.frame)
        order = np.random.default_rng(seed).permutation(size)
        trained, held = int(TRAINING_SHARE * size), int(HOLDOUT_SHARE * size)
        training = _take(listings, order[:trained])
        holdout = _take(listings, order[trained : trained + held])
        profile = Profile(rules_of(training), reference_of(training, holdout))
        traffic = _take(listings, np.sort(order[trained + held :]))
        return cls(profile, Traffic(training).category_counts(), Traffic(traffic))


def _take(listings: Listings, rows: NDArray[np.int64]) -> Listings:
    return Listings(listings.frame.iloc[rows], listings.classes[rows])


def in_file_order() -> Listings:
    return read_listings("istanbul", seed=None)


def parts() -> Iterator[Part]:
    listings = in_file_order()
    for seed in range(PARTS):
        yield Part.of(listings, seed)


def draw(traffic: Traffic, rows: int, run: float, random: Generator) -> Sample:
    """A window of rows that come in runs of neighbours."""
    if run == 1:
        return traffic.rows(random.choice(len(traffic), rows, replace=False))
    chosen: list[NDArray[np.int64]] = []
    found = 0
    while found < rows:
        length = min(int(random.geometric(1 / run)), rows - found)
        start = int(random.integers(0, len(traffic) - length + 1))
        chosen.append(np.arange(start, start + length))
        found += length
    return traffic.rows(np.concatenate(chosen))


class Kept:
    """Counts that are done, in a file: a benchmark that was stopped goes on where it was."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cells: dict[str, dict[str, int]] = (
            json.loads(path.read_text()) if path.exists() else {}
        )

    def count(self, name: str, work: Callable[[], dict[str, int]]) -> dict[str, int]:
        if name not in self.cells:
            self.cells[name] = work()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self.cells, indent=1, ensure_ascii=False))
            print(name, self.cells[name], flush=True)
        return self.cells[name]


def false_alarms(
    kept: Kept, sizes: tuple[int, ...] = (200, 1_000, 5_000), windows: int = 1_000
) -> dict[str, dict[str, int]]:
    """`<rows> rows, <kind>` → windows, and how many our rules and the plain formulas call drift."""
    found: dict[str, dict[str, int]] = {}
    every = list(parts())
    for kind, rows in product(KINDS, sizes):
        for number, part in enumerate(every):
            random = np.random.default_rng((number, rows, int(KINDS[kind])))
            work = partial(_alarms, part, rows, KINDS[kind], windows // PARTS, random)
            counts = kept.count(f"{rows} rows, {kind}: part {number} of {windows} windows", work)
            found[f"{rows} rows, {kind}"] = _sum(found.get(f"{rows} rows, {kind}", {}), counts)
    return found


def _alarms(part: Part, rows: int, run: float, windows: int, random: Generator) -> dict[str, int]:
    counts = {"windows": windows, "ours": 0, "plain": 0}
    for _ in range(windows):
        sample = draw(part.traffic, rows, run, random)
        plain = plain_verdict(sample, part.profile.reference, part.every_category)
        counts["ours"] += sample.report(part.profile).verdict == "Drift"
        counts["plain"] += plain == "Drift"
    return counts


@dataclass(frozen=True)
class Change:
    """Something that happens to traffic.

    Attributes:
        name: what moves: of a feature, or of everything.
        apply: a window → the window with the change.
        seen: whether a report says that it moved.

    """

    name: str
    apply: Callable[[Sample, Generator], Sample]
    seen: Callable[[DriftReport], bool]


def changes(part: Part) -> dict[str, list[Change]]:
    """The kinds of change of the issue, each on every feature that it can befall."""
    numeric = [n for n, c in part.traffic.columns.items() if isinstance(c, NumericColumn)]
    return {
        "the mean of a feature moved by half a standard deviation": [
            Change(name, _moved(name, part.profile), _alert(name, "MeanShift", "PSI"))
            for name in numeric
        ],
        "10 % of the rows lose a value": [
            Change(name, _lost(name), _alert(name, "MissingShare", "PSI"))
            for name in part.traffic.columns
        ],
        "5 % of the rows in new districts": [
            Change(DISTRICT, _new_districts, _alert(DISTRICT, "NewCategories", "PSI"))
        ],
        "class shares moved by ten points": [
            Change("classes", _classes, _alert(None, "ClassShare", "PredictionDrift"))
        ],
    }


IZMIR = "listings of Izmir"


def power(
    kept: Kept, sizes: tuple[int, ...] = (1_000, 200, 500, 2_000, 5_000), windows: int = 100
) -> dict[str, dict[str, dict[str, int]]]:
    """Change → `<rows> rows` → what moved → in how many of the windows it was reported."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    izmir, every = Traffic(read_listings("izmir", seed=None)), list(parts())
    for rows in sizes:
        for number, part in enumerate(every):
            for title, some in {
                **changes(part),
                IZMIR: [Change(IZMIR, _unchanged, _is_drift)],
            }.items():
                traffic = izmir if title == IZMIR else part.traffic
                random = np.random.default_rng((number, rows, _digest(title)))
                cell = f"{rows} rows"
                name = f"{title}, {cell}: part {number} of {windows} windows"
                drawn = (draw(traffic, rows, 1, random) for _ in range(windows // PARTS))
                counts = kept.count(name, partial(_seen, part, some, drawn, random))
                row = found.setdefault(title, {})
                row[cell] = _sum(row.get(cell, {}), counts)
    return found


def _seen(
    part: Part, some: list[Change], drawn: Iterable[Sample], random: Generator
) -> dict[str, int]:
    counts = dict.fromkeys((change.name for change in some), 0)
    for sample in drawn:
        for change in some:
            report = change.apply(sample, random).report(part.profile)
            counts[change.name] += change.seen(report)
    return counts


def _digest(text: str) -> int:
    return zlib.crc32(text.encode())


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + count for name, count in other.items()}


def _alert(feature: str | None, *names: str) -> Callable[[DriftReport], bool]:
    def seen(report: DriftReport) -> bool:
        return any(alert.feature == feature and alert.name in names for alert in report.alerts)

    return seen


def _is_drift(report: DriftReport) -> bool:
    return report.verdict == "Drift"


def _unchanged(sample: Sample, random: Generator) -> Sample:
    return sample


def _with(sample: Sample, name: str, column: NumericColumn | CategoricalColumn) -> Sample:
    return replace(sample, columns={**sample.columns, name: column})


def _moved(name: str, profile: Profile) -> Callable[[Sample, Generator], Sample]:
    reference = profile.reference.features[name]
    std = float(getattr(reference, "std", None) or 0.0)

    def apply(sample: Sample, random: Generator) -> Sample:
        column = sample.columns[name]
        assert isinstance(column, NumericColumn)
        return _with(sample, name, numbers(column.values + std / 2))

    return apply


def _lost(name: str) -> Callable[[Sample, Generator], Sample]:
    """A tenth of all rows, of those that have a value of the feature, lose it."""

    def apply(sample: Sample, random: Generator) -> Sample:
        column = sample.columns[name]
        if isinstance(column, NumericColumn):
            there = np.flatnonzero(~np.isnan(column.values))
        else:
            there = np.flatnonzero(column.codes >= 0)
        losing = min(len(there), round(0.1 * len(sample.classes)))
        rows = random.choice(there, losing, replace=False)
        if isinstance(column, NumericColumn):
            values = column.values.copy()
            values[rows] = np.nan
            return _with(sample, name, numbers(values))
        codes = column.codes.copy()
        codes[rows] = -1
        return _with(sample, name, CategoricalColumn(column.categories, codes))

    return apply


def _new_districts(sample: Sample, random: Generator) -> Sample:
    column, size = sample.columns[DISTRICT], len(sample.classes)
    rows = random.choice(size, round(0.05 * size), replace=False)
    assert isinstance(column, CategoricalColumn)
    known = len(column.categories)
    new = tuple(f"{NEW_DISTRICT} {number}" for number in range(5))
    codes = column.codes.copy()
    codes[rows] = known + random.integers(0, len(new), len(rows))
    return _with(sample, DISTRICT, CategoricalColumn((*column.categories, *new), codes))


def _classes(sample: Sample, random: Generator) -> Sample:
    """Ten of a hundred rows go from Low to High."""
    low = np.flatnonzero(sample.classes == "Low")
    classes = sample.classes.copy()
    moved = min(len(low), round(0.1 * len(classes)))
    classes[random.choice(low, moved, replace=False)] = "High"
    return replace(sample, classes=classes)
