"""The drift report: monitoring writes it whole to MLflow, and its summary to `status.drift`.

`docs/reference/drift-report.schema.json` is generated from these types.
"""

from housing_core.drift_report.features import Bin, FeatureDrift
from housing_core.drift_report.performance import Performance, PerformancePeriod, Score
from housing_core.drift_report.report import (
    HTML_FILE,
    JSON_FILE,
    DriftReport,
    Measurement,
    Rule,
    json_schema,
    report_id,
)
from housing_core.drift_report.summary import shortened

__all__ = [
    "HTML_FILE",
    "JSON_FILE",
    "Bin",
    "DriftReport",
    "FeatureDrift",
    "Measurement",
    "Performance",
    "PerformancePeriod",
    "Rule",
    "Score",
    "json_schema",
    "report_id",
    "shortened",
]
