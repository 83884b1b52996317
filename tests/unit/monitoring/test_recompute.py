"""The whole verdict, made again from the report's JSON alone, by the formulas of docs/how-to/drift.md."""

import json
import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from housing_core.api.spec import Thresholds
from housing_core.bundle import CategoricalProfile, NumericProfile, Reference
from housing_core.cleaning import CleaningRules, NumberRule
from housing_core.drift_report import DriftReport
from housing_monitoring.columns import CategoricalColumn
from housing_monitoring.measures.performance import Labelled
from housing_monitoring.profile import Profile
from housing_monitoring.report import judge
from tests.unit.monitoring.test_report import NOW, labels, task
from tests.windows import numbers, window_of

Json = dict[str, Any]

CLASSES = ["Low", "Medium", "High"]
STREETS = {f"street {number}": 2_000 // number for number in range(1, 101)}
ROWS = sum(STREETS.values()) + 500
PROFILE = Profile(
    CleaningRules(numbers={"area": NumberRule()}, texts=("street",)),
    Reference(
        rows=ROWS,
        holdout_rows=4_000,
        features={
            "area": NumericProfile(
                rows=ROWS,
                missing=0,
                edges=[-1.0, -0.5, 0.0, 0.5, 1.0],
                counts=np.random.default_rng(0)
                .multinomial(ROWS, [0.159, 0.150, 0.191, 0.191, 0.150, 0.159])
                .tolist(),
                mean=0.0,
                std=1.0,
                skewness=0.0,
                minimum=-3.8,
                maximum=3.9,
            ),
            "street": CategoricalProfile(
                rows=ROWS,
                missing=0,
                counts=STREETS,
                other=500,
                cardinality=500,
                other_hashes=[*range(400)],
            ),
        },
        class_shares={"Low": 0.3, "Medium": 0.4, "High": 0.3},
        scores={"accuracy": 0.8, "macro_f1": 0.79},
        calibration=[(0.45, 0.5, 1_000), (0.75, 0.85, 2_000), (0.95, 0.95, 1_000)],
    ),
    CLASSES,
)


def made(
    rows: int,
    *,
    run: int = 1,
    new: float = 0.0,
    shift: float = 0.0,
    missing: float = 0.0,
    skewed: bool = False,
    classes: tuple[float, float, float] = (0.3, 0.4, 0.3),
    sure: float = 0.75,
    labelled: Labelled | None = None,
    **spec: Any,
) -> DriftReport:
    """A report on rows that come in runs of equal ones."""
    random = np.random.default_rng(3)
    groups = -(-rows // run)

    def runs(values: np.ndarray) -> np.ndarray:
        return np.repeat(values, run)[:rows]

    shares = np.array([*STREETS.values()]) / sum(STREETS.values())
    codes = random.choice(len(shares), groups, p=shares)
    codes = np.where(random.random(groups) < new, 100 + random.integers(0, 60, groups), codes)
    area = random.exponential(2, groups) ** 1.5 - 1 if skewed else random.normal(shift, 1, groups)
    area[random.random(groups) < missing] = np.nan
    columns: dict[str, Any] = {
        "area": numbers(runs(area)),
        "street": CategoricalColumn((*STREETS, *(f"new {n}" for n in range(60))), runs(codes)),
    }
    window = window_of(
        columns,
        PROFILE.reference.features,
        runs(random.choice(CLASSES, groups, p=classes)),
        confidence=np.clip(runs(random.normal(sure, 0.1, groups)), 0.01, 0.99),
        start=NOW,
        end=NOW,
    )
    return judge(task(**spec), PROFILE, window, labelled or Labelled.none(), NOW)


BY_ESTIMATE = {"thresholds": Thresholds(estimated_accuracy_drop=0.05)}
BY_MACRO_F1 = {"thresholds": Thresholds(macro_f1_drop=0.08)}


def answers(rows: int, right: float) -> Labelled:
    """Labels of all classes, of which so many were answered rightly."""
    random = np.random.default_rng(4)
    truth, wrong = random.integers(0, 3, rows), random.permutation(rows) >= right * rows
    predicted = np.where(wrong, (truth + random.integers(1, 3, rows)) % 3, truth)
    return Labelled(truth, predicted, np.arange(rows) * 1_000_000)


CASES = {
    "Stable": (made(1_000), "Stable", set()),
    "Stable, clustered": (made(2_000, run=10), "Stable", set()),
    "larger than the reference": (made(12_000), "Stable", set()),
    "new streets": (made(1_000, new=0.7), "Drift", {"PSI", "HighSeverityAlerts"}),
    "new streets, clustered": (made(3_000, run=8, new=0.9), "Drift", {"PSI"}),
    "a far mean": (made(500, shift=1.5), "Drift", {"PSI"}),
    "skewed": (made(1_000, skewed=True), "Drift", {"PSI"}),
    "of few values": (made(400, missing=0.5, new=0.2), "Drift", {"HighSeverityAlerts"}),
    "other classes": (made(1_000, classes=(0.05, 0.15, 0.8)), "Drift", {"PredictionDrift"}),
    "unsure": (made(1_000, sure=0.4, **BY_ESTIMATE), "Drift", {"EstimatedAccuracyDrop"}),
    "wrong answers": (
        made(1_000, labelled=answers(600, 0.6), **BY_MACRO_F1),
        "Drift",
        {"AccuracyDrop", "MacroF1Drop", "HighSeverityAlerts"},
    ),
    "answers of one class": (made(1_000, labelled=labels(600, 60)), "Stable", set()),
    "fewer wrong answers": (made(1_000, labelled=answers(300, 0.73)), "Stable", set()),
    "few rows, wrong answers": (made(50, labelled=answers(600, 0.6)), "Drift", {"AccuracyDrop"}),
    "few rows": (made(50, new=1.0), "NotEnoughData", set()),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_can_be_made_again_from_the_json_alone(case: str) -> None:
    report, verdict, holding = CASES[case]
    written: Json = json.loads(report.model_dump_json())
    assert written["verdict"] == verdict
    assert {rule["name"] for rule in written["rules"] if rule["holds"]} >= holding

    measured = measurements(written)
    assert [(m["name"], m["feature"]) for m in written["measurements"]] == [m[:2] for m in measured]
    for told, (name, feature, value, noise) in zip(written["measurements"], measured, strict=True):
        assert told["value"] == pytest.approx(value, abs=1e-9), (name, feature)
        told_noise = math.inf if told["noise"] is None else told["noise"]
        assert told_noise == pytest.approx(noise, rel=1e-9), (name, feature)

    found = alerts(written, measured)
    assert (
        sorted((a["name"], a["feature"] or "", a["severity"]) for a in written["alerts"]) == found
    )
    assert judged(written, found) == (verdict, {r["name"] for r in written["rules"] if r["holds"]})


def test_the_cases_have_clusters_confirmed_skewness_and_all_kinds_of_alerts() -> None:
    clustered = CASES["new streets, clustered"][0]
    assert all(feature.design_effect > 4 for feature in clustered.features)
    assert clustered.prediction_design_effect > 4
    assert clustered.features[0].psi_plain != clustered.features[0].psi
    named = {alert.name for report, *_ in CASES.values() for alert in report.alerts}
    assert named >= set(CASES["Stable"][0].levels)


def measurements(report: Json) -> list[tuple[str, str | None, float, float]]:
    """(name, feature, value, noise) of everything, in the report's order."""
    found: list[tuple[str, str | None, float, float]] = []
    z, holdout = report["quantile"], report["reference_holdout_rows"]
    assert z == pytest.approx(NormalDist().inv_cdf(1 - 0.001 / max(1, len(report["features"]))))
    if report["class_shares_window"]:
        effect = report["prediction_design_effect"]
        before, now = report["class_shares_reference"], report["class_shares_window"]
        rows = report["samples"]
        r = np.array([before.get(name, 0) for name in now]) * holdout
        w = np.array([*now.values()]) * rows
        found.append(("PredictionDrift", None, *divergence(r, w, z, effect, kullback=True)))
        for name, share in now.items():
            old = before.get(name, 0)
            noise = share_noise(old, rows / effect, holdout, z)
            found.append(("ClassShare", None, abs(share - old), noise))
    found += falls(report)
    for feature in report["features"]:
        found += of_feature(feature, z)
    return found


def of_feature(f: Json, z: float) -> list[tuple[str, str | None, float, float]]:
    name, effect = f["name"], f["design_effect"]
    r = np.array([b["reference"] for b in f["bins"]], float)
    w = np.array([b["window"] for b in f["bins"]], float)
    m, n = f["rows_reference"], f["rows_window"] / effect
    assert (r.sum(), w.sum()) == (f["rows_reference"], f["rows_window"])
    found: list[tuple[str, float, float]] = [("PSI", *divergence(r, w, z, effect))]
    was, now = f["missing_share_reference"], f["missing_share_window"]
    assert now == sum(b["window"] for b in f["bins"] if b["kind"] == "Missing") / f["rows_window"]
    found.append(("MissingShare", now - was, share_noise(was, n, m, z)))
    if f["kind"] == "Categorical":
        share, expected = f["new_share"], f["new_share_expected"]
        assert share == sum(b["window"] for b in f["bins"] if b["kind"] == "New") / w.sum()
        found.append(("NewCategories", share - expected, share_noise(expected, n, m, z)))
        many, unseen = f["categories_expected"], f["new_categories_expected"]
        ratio = 1 + max(0, f["new_categories_found"] - unseen) / many
        assert f["cardinality_ratio"] == pytest.approx(ratio)
        error = f["new_categories_expected_error"]
        reach = z * math.sqrt(effect * unseen + error**2) + effect * (z**2 - 1) / 6
        found.append(("CardinalityRatio", ratio, 1 + reach / many))
        return [(kind, name, value, noise) for kind, value, noise in found]
    m, n = m * (1 - was), n * (1 - now)
    stds = f["std_reference"], f["std_window"]
    skews = f["skewness_reference"], f["skewness_window"]
    unit = 1 / n + 1 / m
    shift = abs(f["mean_window"] - f["mean_reference"]) / stds[0]
    found.append(("MeanShift", shift, z * max(1, stds[1] / stds[0]) * math.sqrt(unit)))
    kurtosis = 3 + 1.5 * max(map(abs, skews)) ** 2
    noise = math.exp(z * math.sqrt((kurtosis - 1) / 4 * unit))
    ratio = max(stds[0] / stds[1], stds[1] / stds[0])
    found.append(("StandardDeviationShift", ratio, noise if ranks(f, 2) > z else math.inf))
    noise = z * (1 + skews[0] ** 2) * math.sqrt(6 * unit)
    found.append(
        ("SkewnessShift", abs(skews[1] - skews[0]), noise if ranks(f, 3) > z else math.inf)
    )
    outside = 2 / (m + 1)
    noise = outside + share_noise(outside, n, m, z) + (z**2 - 1) / (3 * m)
    found.append(("OutOfRange", f["out_of_range_share"], noise))
    return [(kind, name, value, noise) for kind, value, noise in found]


def divergence(
    r: np.ndarray, w: np.ndarray, z: float, effect: float, *, kullback: bool = False
) -> tuple[float, float]:
    bins, m, n = len(r), r.sum(), w.sum() / effect
    r = (r + 0.5) / (m + bins / 2)
    w = (w / effect + r * bins / 2) / (n + bins / 2)
    unit = (1 / n + 1 / m) / (2 if kullback else 1)
    plain = (w if kullback else w - r) @ np.log(w / r)
    spread = 2 / (9 * (bins - 1))
    quantile = (bins - 1) * (1 - spread + z * math.sqrt(spread)) ** 3
    return max(0.0, plain - (bins - 1) * unit), (quantile - (bins - 1)) * unit


def share_noise(share: float, n: float, m: float, z: float) -> float:
    deviation = math.sqrt(share * (1 - share) * (1 / n + 1 / m))
    return z * deviation + (z**2 - 1) * abs(1 - 2 * share) / (6 * n)


def ranks(f: Json, order: int) -> float:
    bins = [b for b in f["bins"] if b["kind"] == "Range"]
    r = np.array([b["reference"] for b in bins], float)
    w = np.array([b["window"] for b in bins], float)
    m, n = r.sum(), w.sum() / f["design_effect"]
    r, w = r / m, w / w.sum()
    u = 2 * (np.cumsum(r) - r) + r - 1
    s = (3 * u**2 - 1) / 2 if order == 2 else (5 * u**3 - 3 * u) / 2
    variance = r @ s**2 - (r @ s) ** 2
    return abs((w - r) @ s) / math.sqrt(variance * (1 / n + 1 / m))


def falls(report: Json) -> list[tuple[str, str | None, float, float]]:
    """Drops of the scores, from the confusion matrix and the confidences."""
    told, levels = report["performance"], report["levels"]
    z, support = (NormalDist().inv_cdf((1 + told[name]) / 2) for name in ("confidence", "support"))
    found: list[tuple[str, float, float]] = []

    def add(name: str, drop: float, lower: float, supported: float) -> None:
        (level,) = levels[name].values()
        found.append((name, drop, max(drop - lower, level + drop - supported)))

    m = report["reference_holdout_rows"]
    if told["labels"] >= told["labels_needed"]:
        confusion = np.array(told["confusion_matrix"], float)
        n = confusion.sum() / told["design_effect"]
        before, now = told["accuracy"]["reference"], np.trace(confusion) / confusion.sum()
        ends = []
        for quantile in (z, support):
            low = wilson(before, m, quantile)[0]
            high = wilson(now, n, quantile)[1]
            ends.append(before - now - math.hypot(before - low, high - now))
        add("AccuracyDrop", before - now, *ends)
        drop = told["macro_f1"]["reference"] - f1(confusion)
        error = math.sqrt(f1_variance(confusion) * (1 / n + 1 / m))
        add("MacroF1Drop", drop, drop - z * error, drop - support * error)
    if sum(told["confidence_bins"]):
        drop, error = estimate(told)
        add("EstimatedAccuracyDrop", drop, drop - z * error, drop - support * error)
    return [(name, None, value, noise) for name, value, noise in found]


def wilson(share: float, n: float, z: float) -> tuple[float, float]:
    centre, scale = share + z**2 / (2 * n), 1 + z**2 / n
    reach = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return (centre - reach) / scale, (centre + reach) / scale


def f1(confusion: np.ndarray) -> float:
    """Over the classes that occur."""
    sizes = confusion.sum(axis=0) + confusion.sum(axis=1)
    there = sizes > 0
    return float(np.mean(2 * np.diag(confusion)[there] / sizes[there]))


def f1_variance(confusion: np.ndarray) -> float:
    """By the delta method, with half a row in each cell; its derivatives by small steps."""
    there = confusion.sum(axis=0) + confusion.sum(axis=1) > 0
    shares = (confusion + 0.5) / (confusion + 0.5).sum()

    def value(cells: np.ndarray) -> float:
        sizes = cells.sum(axis=0) + cells.sum(axis=1)
        return float(np.mean((2 * np.diag(cells) / sizes)[there]))

    step = 1e-6
    slopes = np.zeros_like(shares)
    for cell in np.ndindex(shares.shape):
        ends = [shares.copy(), shares.copy()]
        ends[0][cell] += step
        ends[1][cell] -= step
        slopes[cell] = (value(ends[0]) - value(ends[1])) / (2 * step)
    return float((shares * (slopes - (shares * slopes).sum()) ** 2).sum())


def estimate(told: Json) -> tuple[float, float]:
    """Drop of the estimated accuracy, and its standard error."""
    sure, right, rows = (np.array(part, float) for part in zip(*told["calibration"], strict=True))
    bins = np.array(told["confidence_bins"], float)
    cells = np.floor(sure * len(bins))
    nearest = [int(np.argmin(abs(cells - place))) for place in range(len(bins))]
    w = np.bincount(nearest, bins, minlength=len(sure)) / bins.sum()
    r = rows / rows.sum()
    n = bins.sum() / told["confidence_design_effect"]
    shrunk = (right * rows + 0.5) / (rows + 1)
    spread = [share @ right**2 - (share @ right) ** 2 for share in (w, r)]
    variance = (
        (r - w) ** 2 @ (shrunk * (1 - shrunk) / rows) + spread[0] / n + spread[1] / rows.sum()
    )
    return float((r - w) @ right), math.sqrt(variance)


def alerts(
    report: Json, measured: list[tuple[str, str | None, float, float]]
) -> list[tuple[str, str, str]]:
    """(name, feature, severity) of every alert, sorted."""
    found = []
    for name, feature, value, noise in measured:
        for severity, level in report["levels"][name].items():
            if value > max(level, noise):
                found.append((name, feature or "", severity))
                break
    new = {feature for name, feature, _ in found if name == "NewCategories"}
    found = [
        (name, feature, "Low" if name == "CardinalityRatio" and feature not in new else severity)
        for name, feature, severity in found
    ]
    if report["samples"] < report["thresholds"]["min_samples"]:
        found = [alert for alert in found if alert[0] in ("AccuracyDrop", "MacroF1Drop")]
    return sorted(found)


def judged(report: Json, found: list[tuple[str, str, str]]) -> tuple[str, set[str]]:
    """The verdict, and the rules that hold."""
    high = [name for name, _, severity in found if severity == "High"]
    by_labels = {"AccuracyDrop", "MacroF1Drop"}
    holding = set(high) - {"NewCategories", "MissingShare", "MeanShift", "CardinalityRatio"}
    if report["samples"] < report["thresholds"]["min_samples"]:
        holding &= by_labels
        return ("Drift" if holding else "NotEnoughData"), holding
    if len(high) >= report["thresholds"]["high_severity_alerts"]:
        holding.add("HighSeverityAlerts")
    return ("Drift" if holding else "Stable"), holding
