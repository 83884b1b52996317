"""How good the judged version is: by its labels, and by its own confidence. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from housing_core.bundle import Reference
from housing_core.drift_report import Performance, PerformancePeriod, Score
from housing_core.times import format_time
from housing_monitoring.measures.clustering import MOST_BLOCKS, design_effect
from housing_monitoring.measures.scores import Interval, difference, macro_f1, wilson
from housing_monitoring.measures.statistics import FALSE_ALARMS_PER_REPORT

CONFIDENCE = 1 - 2 * FALSE_ALARMS_PER_REPORT
"""Of the intervals, two-sided: an accuracy that did not fall seems to in one report of a thousand."""

Z = NormalDist().inv_cdf(1 - FALSE_ALARMS_PER_REPORT)

SUPPORT = 0.95
"""Two-sided: a drop of just the threshold is taken for a larger one in one report of forty."""

Z_SUPPORT = NormalDist().inv_cdf((1 + SUPPORT) / 2)

CONFIDENCE_BINS = 10
"""Bins of equal width that the calibration of the reference profile is given in."""

PERIODS = 30
"""Stretches that the evaluation window is shown in."""

_HOUR = 3_600


@dataclass(frozen=True, slots=True)
class Labelled:
    """Predictions of the judged version whose true price is known, in the order of time.

    Attributes:
        truth: int64, (rows,); class of the price, by the version's own boundaries.
        predicted: int64, (rows,); class that was answered.
        times: int64, (rows,); when, in microseconds since 1970.
        skipped: why labels were not used → how many.
        skipped_files: files of labels and predictions that were not read → why.
        messages: what a person should know of how they were looked for.

    """

    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    times: NDArray[np.int64]
    skipped: dict[str, int] = field(default_factory=dict)
    skipped_files: dict[str, str] = field(default_factory=dict)
    messages: tuple[str, ...] = ()

    @classmethod
    def none(cls) -> Labelled:
        """No labels at all."""
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, nothing)


def evaluate(
    labelled: Labelled,
    confidences: NDArray[np.int64],
    reference: Reference,
    *,
    classes: list[str],
    labels_needed: int,
    window_seconds: int,
) -> Performance:
    """Scores on the labelled predictions, and the accuracy that the confidence lets expect.

    Args:
        labelled: the labelled predictions of the evaluation window.
        confidences: (blocks, CONFIDENCE_BINS) predictions of the window by confidence.
        reference: scores and calibration on the holdout; either may be missing.
        classes: names in the order of their numbers.
        labels_needed: goes into the report.
        window_seconds: length of the evaluation window.

    """
    rows = len(labelled.truth)
    holdout = reference.holdout_rows
    sure, sure_effect = confidences.sum(axis=0), design_effect(confidences)
    common = {
        "confidence": CONFIDENCE,
        "support": SUPPORT,
        "labels": rows,
        "labels_needed": labels_needed,
        "skipped_labels": labelled.skipped,
        "estimated_accuracy": estimated_accuracy(sure, sure_effect, reference.calibration),
        "confidence_bins": sure.tolist(),
        "confidence_design_effect": sure_effect,
        "calibration": reference.calibration,
    }
    if rows == 0:
        return Performance(**common)
    right = labelled.truth == labelled.predicted
    effect = _effect(right)
    confusion = np.bincount(
        labelled.truth * len(classes) + labelled.predicted, minlength=len(classes) ** 2
    ).reshape(len(classes), len(classes))
    return Performance(
        **common,
        start=_time(labelled.times[0]),
        end=_time(labelled.times[-1]),
        classes=classes,
        confusion_matrix=confusion.tolist(),
        design_effect=effect,
        accuracy=_accuracy(right, effect, reference.scores.get("accuracy"), holdout),
        macro_f1=_macro_f1(confusion, effect, reference.scores.get("macro_f1"), holdout),
        periods=_periods(labelled.times, right, effect, window_seconds),
    )


def estimated_accuracy(
    confidences: NDArray[np.int64], effect: float, calibration: list[tuple[float, float, int]]
) -> Score | None:
    """Accuracy that the model's own confidence lets expect, without labels.

    Confidence-based performance estimation (CBPE, as NannyML documents it): each prediction is
    right with the probability that its confidence, that of the class it names, had on the holdout,
    a = sum over bins of w_b p_b, with w_b the bin's share of the window and p_b the share
    that was right in it. On the holdout itself that is the accuracy. It sees that the model meets
    more cases of which it is unsure; it cannot see that prices have changed for the same listing.

    Its variance is sum w_b^2 p_b (1 - p_b) / m_b, for the m_b rows of the holdout that p_b is of,
    and the variance of p over the window's predictions / n. In the drop from the holdout,
    sum (r_b - w_b) p_b with r_b the holdout's shares, the p_b are the same on both sides: so the
    first part has (r_b - w_b)^2, and the holdout adds the second part with m rows. In
    p_b (1 - p_b) half a row is added on each side.

    Args:
        confidences: (CONFIDENCE_BINS,) predictions by confidence.
        effect: `clustering.design_effect` of them; they count for n / effect.
        calibration: of the reference profile: (mean confidence, share right, rows) by bin.

    Returns:
        None when either side is empty.

    """
    known = [part for part in calibration if part[2] > 0]
    rows = int(confidences.sum())
    if not (known and rows):
        return None
    means, right, sizes = (np.array(values, np.float64) for values in zip(*known, strict=True))
    cells = np.minimum((means * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    # A confidence that the holdout never had is taken for its nearest.
    nearest = np.abs(np.arange(CONFIDENCE_BINS)[:, None] - cells[None, :]).argmin(axis=1)
    w = np.bincount(nearest, confidences, minlength=len(known)) / rows
    r = sizes / sizes.sum()
    effective = rows / effect
    # Half a row on each side: a bin of three rows that were all right is not without error.
    shrunk = (right * sizes + 0.5) / (sizes + 1)
    error = shrunk * (1 - shrunk) / sizes
    value, reference = float(w @ right), float(r @ right)
    spread = [float(share @ (right - share @ right) ** 2) for share in (w, r)]
    deviation = math.sqrt(float(w**2 @ error) + spread[0] / effective)
    drop_deviation = math.sqrt(
        float((r - w) ** 2 @ error) + spread[0] / effective + spread[1] / sizes.sum()
    )
    now = Interval(value, max(0.0, value - Z * deviation), min(1.0, value + Z * deviation))
    return _score(now, reference, *_drops(reference - value, drop_deviation))


def _effect(right: NDArray[np.bool_]) -> float:
    """Design effect of being right, over blocks of rows that were answered together."""
    rows = len(right)
    blocks = min(rows, MOST_BLOCKS)
    cells = 2 * (np.arange(rows) * blocks // rows) + right
    return design_effect(np.bincount(cells, minlength=2 * blocks).reshape(blocks, 2))


def _accuracy(
    right: NDArray[np.bool_], effect: float, reference: float | None, holdout: int
) -> Score:
    """Wilson's interval on effective rows; the drop by Newcombe's from Wilson's on each side."""
    rows = len(right) / effect
    now = wilson(right.mean() * rows, rows, Z)
    if reference is None or holdout == 0:
        return _score(now, reference)
    drops = (
        difference(wilson(reference * holdout, holdout, z), wilson(right.mean() * rows, rows, z))
        for z in (Z, Z_SUPPORT)
    )
    return _score(now, reference, *drops)


def _macro_f1(
    confusion: NDArray[np.int64], effect: float, reference: float | None, holdout: int
) -> Score:
    """The delta method's interval; the holdout, whose own is not kept, is taken to vary alike."""
    value, variance = macro_f1(confusion)
    rows = confusion.sum() / effect
    reach = Z * math.sqrt(variance / rows)
    now = Interval(value, max(0.0, value - reach), min(1.0, value + reach))
    if reference is None or holdout == 0:
        return _score(now, reference)
    deviation = math.sqrt(variance / rows + variance / holdout)
    return _score(now, reference, *_drops(reference - value, deviation))


def _drops(drop: float, deviation: float) -> list[Interval]:
    """The normal intervals of a drop: the one of all scores, and the one of its support."""
    return [Interval(drop, drop - z * deviation, drop + z * deviation) for z in (Z, Z_SUPPORT)]


def _score(
    now: Interval,
    reference: float | None = None,
    drop: Interval | None = None,
    support: Interval | None = None,
) -> Score:
    return Score(
        value=now.value,
        lower=now.lower,
        upper=now.upper,
        reference=reference,
        drop=drop and drop.value,
        drop_lower=drop and drop.lower,
        drop_upper=drop and drop.upper,
        drop_supported=support and support.lower,
    )


def _periods(
    times: NDArray[np.int64], right: NDArray[np.bool_], effect: float, window_seconds: int
) -> list[PerformancePeriod]:
    """The accuracy by time, in stretches of whole hours that are empty or not shown."""
    hours = max(1, math.ceil(window_seconds / _HOUR / PERIODS))
    width = hours * _HOUR * 1_000_000
    found, where = np.unique(times // width, return_inverse=True)
    rows = np.bincount(where)
    correct = np.bincount(where, right)
    periods = []
    for number, labels, hits in zip(found.tolist(), rows.tolist(), correct.tolist(), strict=True):
        effective = max(labels / effect, 1.0)
        score = _score(wilson(hits / labels * effective, effective, Z))
        start, end = number * width, (number + 1) * width
        periods.append(
            PerformancePeriod(start=_time(start), end=_time(end), labels=labels, accuracy=score)
        )
    return periods


def _time(microseconds: int) -> str:
    return format_time(datetime.fromtimestamp(microseconds / 1e6, UTC))
