"""Drift reports for tests of what is made of them: an ordinary one, and the worst that may come."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from housing_core.api.spec import Thresholds
from housing_core.api.status import DriftAlert
from housing_core.drift_report import Bin, DriftReport, FeatureDrift, Performance, Rule, Score
from housing_monitoring.measures.measurements import levels

EVIL = '<script>alert("x")</script>&\'"</style><img src=//evil.test/x>{{ 7 * 7 }}'
"""HTML and a template's expression, in a name."""

BIDI = "safe\u202egnp.exe\u2066\u200b\x07"
"""Text that turns the direction of what follows it, and characters that nobody sees."""


def report(**changes: Any) -> DriftReport:
    """A small report that says Drift."""
    settings: dict[str, Any] = {
        "report_id": "0123456789abcdef",
        "model_name": "homes.istanbul",
        "model_version": "3",
        "time": "2026-11-23T15:30:00Z",
        "window_start": "2026-11-23T09:00:00Z",
        "window_end": "2026-11-23T15:00:00Z",
        "samples": 1_234,
        "verdict": "Drift",
        "reason": "PSI of district 0.400 > 0.25",
        "thresholds": {"psi": 0.25, "min_samples": 200},
        "levels": levels(Thresholds()),
        "quantile": 3.89,
    }
    return DriftReport(**(settings | changes))


def feature(name: str = "district", bins: int = 3, psi: float = 0.4) -> FeatureDrift:
    """A category that moved, with as many categories as bins."""
    return FeatureDrift(
        name=name,
        kind="Categorical",
        psi=psi,
        psi_plain=psi,
        psi_noise=0.1,
        bins=[
            *(
                Bin(kind="Category", label=f"{name} {i}", reference=bins + 7 - i, window=i)
                for i in range(bins)
            ),
            Bin(kind="New", label="(new)", reference=0, window=3),
        ],
        new_categories={name: 3},
        missing_share_reference=0.01,
        missing_share_window=0.5,
    )


def number(name: str = "area", psi: float = 0.3) -> FeatureDrift:
    """A number that moved, with a missing value."""
    ends = [None, 60.0, 85.5, 1_250_000.0, None]
    return FeatureDrift(
        name=name,
        kind="Numeric",
        psi=psi,
        psi_plain=psi,
        psi_noise=0.1,
        bins=[
            *(
                Bin(kind="Range", label=f"{i}", lower=a, upper=b, reference=100, window=10 * i)
                for i, (a, b) in enumerate(pairwise(ends))
            ),
            Bin(kind="Missing", label="(missing)", reference=1, window=40),
        ],
        unreadable=12,
        design_effect=2.345,
        out_of_range_share=0.123,
        missing_share_reference=0.0025,
        missing_share_window=0.4,
        mean_reference=80.25,
        mean_window=1_250_000.0,
        std_reference=12.3456,
        std_window=987_654.3,
        skewness_reference=-0.01234,
        skewness_window=12.345,
    )


def alert(name: str = "district", message: str = "", severity: Any = "High") -> DriftAlert:
    """An alert about a feature."""
    about = message or f"the distribution of {name} moved"
    settings: dict[str, Any] = {"value": 0.4, "threshold": 0.25, "message": about[:1024]}
    return DriftAlert(name="PSI", feature=name[:1024], severity=severity, **settings)


def performance(accuracy: float | None = 0.7) -> Performance:
    """Labels that say how good the answers are; None for an estimate alone."""
    scored = Score(value=0.71, lower=0.66, upper=0.76, reference=0.78, drop=0.07)
    measured = None if accuracy is None else scored.model_copy(update={"value": accuracy})
    return Performance(
        confidence=0.95,
        labels=0 if accuracy is None else 400,
        labels_needed=100,
        start="2026-11-01T00:00:00Z",
        end="2026-11-23T15:00:00Z",
        classes=["Low", "Medium", "High"],
        confusion_matrix=[] if accuracy is None else [[120, 30, 1], [22, 118, 9], [0, 40, 60]],
        accuracy=measured,
        macro_f1=measured,
        estimated_accuracy=scored,
        skipped_labels={"for an unknown request id": 3},
    )


def hostile(features: int = 60) -> DriftReport:
    """Many features, long names, many categories; every text from outside means harm."""
    names = [f"{i} {text}" for i in range(features) for text in (EVIL, BIDI, "x" * 5_000)]
    names = names[:features]
    kinds = (lambda n, p: feature(n, bins=500, psi=p), number)
    return report(
        model_name=f"homes.{EVIL}",
        reason=EVIL + BIDI + "y" * 10_000,
        rules=[
            Rule(name="PSI", feature=EVIL, value=1.0, threshold=0.25, holds=True, text=EVIL * 99)
        ],
        messages=[EVIL, BIDI, "z" * 20_000] * 100,
        alerts=[alert(name, f"{name} moved") for name in names for _ in range(4)],
        features=[kinds[i % 2](name, i / 10) for i, name in enumerate(names)],
        class_shares_reference={EVIL: 1.0},
        class_shares_window={EVIL: 0.5, BIDI: 0.3, **{f"c{i}": 0.001 for i in range(200)}},
        performance=performance().model_copy(update={"classes": [EVIL, BIDI, "w" * 3_000]}),
        skipped_files={f"/log/{i}{EVIL}": EVIL + "v" * 5_000 for i in range(3_000)},
        skipped_rows={f"of model version {i}{BIDI}": i for i in range(3_000)},
        thresholds={EVIL: 1.0, "psi": 0.25},
    )
