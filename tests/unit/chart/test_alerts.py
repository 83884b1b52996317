"""Every alert fires when it should, keeps quiet when it should, and has a runbook."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import prometheus
from tests.cluster_client import ROOT

RULES = ROOT / "charts" / "housing-operator" / "prometheus" / "rules.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks"

MODEL = 'namespace="ns",model="m"'
POD = f'{MODEL},track="production",pod="p"'
OPERATOR = 'namespace="system",job="operator",instance="i"'
OF_MODEL = {"namespace": "ns", "model": "m"}
OF_TRACK = {**OF_MODEL, "track": "production"}
OF_OPERATOR = {"namespace": "system", "job": "operator", "instance": "i"}

Series = dict[str, str]
"""promtool's notation: first value, step, and number of steps: minutes, or hours in a test of days."""

DAYS = "721h"


@dataclass(frozen=True)
class Case:
    """An alert with series that must fire it at a time, and others that must not at the same time.

    Attributes:
        labels: of the alert, its name left out.
    """

    alert: str
    labels: dict[str, str]
    at: str
    fires: Series
    quiet: Series


def condition(kind: str, value: str, reason: str = "R") -> Series:
    return {f'housing_model_condition{{{MODEL},type="{kind}",reason="{reason}"}}': value}


IN_PRODUCTION = {f'housing_model_version{{{MODEL},track="production"}}': "1x6000"}
SINCE_THE_START = {
    f'housing_model_version_since_timestamp_seconds{{{MODEL},track="production"}}': "0x6000"
}
REPORTS_HOURLY = {f"housing_model_drift_report_interval_seconds{{{MODEL}}}": "3600x6000"}

ON_BUDGETS = {"HousingRequestErrors", "HousingRequestsSlow"}

CASES = [
    Case(
        "HousingModelNotReady",
        {**OF_MODEL, "severity": "critical"},
        "10m",
        {**condition("Ready", "1x2 0x60"), **IN_PRODUCTION},
        # The first training: nothing is in production yet.
        condition("Ready", "0x60"),
    ),
    # A reason that changes does not start the time anew, and a rollout is no outage.
    Case(
        "HousingModelNotReady",
        {**OF_MODEL, "severity": "critical"},
        "8m",
        {
            **condition("Ready", "0x3 _x60", "PodsNotReady"),
            **condition("Ready", "_x4 0x60", "Fallback"),
            **IN_PRODUCTION,
        },
        {**condition("Ready", "0x4 1x60"), **IN_PRODUCTION},
    ),
    Case(
        "HousingFallbackInUse",
        {**OF_TRACK, "severity": "warning"},
        "15m",
        {f"housing_fallback_level{{{POD}}}": "1x60"},
        # A pod that starts has loaded nothing yet.
        {f"housing_fallback_level{{{POD}}}": "3x4 0x60"},
    ),
    Case(
        "HousingPredictionLogLosesRows",
        {**OF_TRACK, "reason": "backlog_full", "severity": "warning"},
        "20m",
        {f'housing_prediction_log_dropped_rows_total{{{POD},reason="backlog_full"}}': "0+5x60"},
        {f'housing_prediction_log_dropped_rows_total{{{POD},reason="backlog_full"}}': "7x60"},
    ),
    Case(
        "HousingServingNotScraped",
        {**OF_TRACK, "severity": "warning"},
        "20m",
        {f'housing_model_ready_replicas{{{MODEL},track="production"}}': "2x60"},
        {
            f'housing_model_ready_replicas{{{MODEL},track="production"}}': "2x60",
            f"housing_fallback_level{{{POD}}}": "0x60",
        },
    ),
    Case(
        "HousingModelDrift",
        {**OF_MODEL, "severity": "warning"},
        "20m",
        condition("DriftDetected", "1x60"),
        condition("DriftDetected", "0x60"),
    ),
    # One model is suspended, and another has got a new version a day ago.
    Case(
        "HousingModelStale",
        {**OF_TRACK, "severity": "info"},
        DAYS,
        SINCE_THE_START,
        {
            **SINCE_THE_START,
            f"housing_model_suspended{{{MODEL}}}": "1x6000",
            'housing_model_version_since_timestamp_seconds{namespace="ns",model="n",'
            'track="production"}': "0x690 2480400x100",
        },
    ),
    Case(
        "HousingRetrainingBlocked",
        {**OF_MODEL, "severity": "warning"},
        "90m",
        condition("RetrainingBlocked", "1x200", "NoNewData"),
        condition("RetrainingBlocked", "1x200", "Cooldown"),
    ),
    Case(
        "HousingTrainingFailing",
        {**OF_MODEL, "severity": "warning"},
        "20m",
        {f"housing_model_training_failures{{{MODEL}}}": "0x5 1x60"},
        {f"housing_model_training_failures{{{MODEL}}}": "0x60"},
    ),
    Case(
        "HousingMonitoringSilent",
        {**OF_MODEL, "severity": "warning"},
        "8h",
        {
            **IN_PRODUCTION,
            **REPORTS_HOURLY,
            f"housing_model_drift_report_timestamp_seconds{{{MODEL}}}": "14400x6000",
        },
        {
            **IN_PRODUCTION,
            **REPORTS_HOURLY,
            f"housing_model_drift_report_timestamp_seconds{{{MODEL}}}": "0x241 14400x6000",
            f"housing_model_suspended{{{MODEL}}}": "1x6000",
        },
    ),
    # No report at all since the version went into production; a nightly schedule has time.
    Case(
        "HousingMonitoringSilent",
        {**OF_MODEL, "severity": "warning"},
        "4h",
        {**IN_PRODUCTION, **SINCE_THE_START, **REPORTS_HOURLY},
        {
            **IN_PRODUCTION,
            **SINCE_THE_START,
            f"housing_model_drift_report_interval_seconds{{{MODEL}}}": "86400x6000",
        },
    ),
    Case(
        "HousingModelNotReconciled",
        {**OF_MODEL, "severity": "warning"},
        "20m",
        condition("Degraded", "1x60", "ReconcileError"),
        condition("Degraded", "1x60", "Fallback"),
    ),
    Case(
        "HousingOperatorDown",
        {"severity": "critical"},
        "15m",
        {f"housing_operator_models{{{OPERATOR}}}": "3x2 stale"},
        {f"housing_operator_models{{{OPERATOR}}}": "0x60"},
    ),
    Case(
        "HousingOperatorNotReconciling",
        {**OF_OPERATOR, "severity": "critical"},
        "40m",
        {
            f"housing_operator_models{{{OPERATOR}}}": "3x60",
            f'housing_operator_reconciles_total{{{OPERATOR},result="ok"}}': "5x60",
            f'housing_operator_reconciles_total{{{OPERATOR},result="error"}}': "0+3x60",
        },
        # No HousingModel, no passes.
        {
            f"housing_operator_models{{{OPERATOR}}}": "0x60",
            f'housing_operator_reconciles_total{{{OPERATOR},result="ok"}}': "5x60",
        },
    ),
    Case(
        "HousingOperatorNotReconciling",
        {**OF_OPERATOR, "severity": "critical"},
        "40m",
        {f"housing_operator_queue_oldest_wait_seconds{{{OPERATOR}}}": "0+60x60"},
        {
            f"housing_operator_queue_oldest_wait_seconds{{{OPERATOR}}}": "2x60",
            f"housing_operator_models{{{OPERATOR}}}": "3x60",
            f'housing_operator_reconciles_total{{{OPERATOR},result="ok"}}': "0+3x60",
        },
    ),
    Case(
        "HousingRegistryUnavailable",
        {**OF_OPERATOR, "severity": "warning"},
        "30m",
        {f"housing_operator_registry_up{{{OPERATOR}}}": "0x60"},
        {f"housing_operator_registry_up{{{OPERATOR}}}": "1x60"},
    ),
]


def groups() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
    return found


def alerts() -> list[dict[str, Any]]:
    return [rule for group in groups() for rule in group["rules"] if "alert" in rule]


def firing(
    alert: str,
    labels: dict[str, str],
    at: str,
    series: Series,
    folder: Path,
    *,
    fires: bool,
    every: str | None = None,
) -> None:
    """Let promtool check whether an alert of this name and severity fires at that time.

    Args:
        alert: its name.
        labels: those that it has when it fires.
        at: the time.
        series: what Prometheus has seen; a value a minute, at `DAYS` an hour.
        folder: for files.
        fires: what is expected.
        every: between two evaluations of the rules; a minute, five of them where `at` is in hours.

    """
    every = every or ("1h" if at == DAYS else "5m" if at.endswith("h") else "1m")
    asked = {"alertname": alert, "alertstate": "firing", "severity": labels["severity"]}
    expected = {"labels": selector("ALERTS", {**asked, **labels}), "value": 1}
    test = {
        "interval": "1h" if at == DAYS else "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": selector("ALERTS", asked),
                "eval_time": at,
                "exp_samples": [expected] if fires else [],
            }
        ],
    }
    # The group of the alert alone: it records what its alerts ask for.
    group = [one for one in groups() if any(r.get("alert") == alert for r in one["rules"])]
    (folder / "rules.yaml").write_text(json.dumps({"groups": group}))
    path = folder / "test.yaml"
    path.write_text(
        json.dumps({"rule_files": ["rules.yaml"], "evaluation_interval": every, "tests": [test]})
    )
    done = subprocess.run(
        [prometheus.program("promtool"), "test", "rules", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def selector(name: str, labels: dict[str, str]) -> str:
    return name + "{" + ", ".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_fires_when_it_should(case: Case, tmp_path: Path) -> None:
    firing(case.alert, case.labels, case.at, case.fires, tmp_path, fires=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_keeps_quiet_when_it_should(case: Case, tmp_path: Path) -> None:
    firing(case.alert, case.labels, case.at, case.quiet, tmp_path, fires=False)


def test_promtool_takes_the_rules() -> None:
    subprocess.run([prometheus.program("promtool"), "check", "rules", RULES], check=True)


def test_every_alert_is_tested_in_each_of_its_severities() -> None:
    """Those on error budgets are in test_burn_rates."""
    tested = {(case.alert, case.labels["severity"]) for case in CASES}
    asked = {(rule["alert"], rule["labels"]["severity"]) for rule in alerts()}
    assert tested == {one for one in asked if one[0] not in ON_BUDGETS}


def test_an_alert_says_what_is_wrong_and_where_to_read_on() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        notes = rule["annotations"]
        assert set(notes) == {"summary", "description", "runbook"}
        assert notes["runbook"] == f"docs/runbooks/{rule['alert']}.md"


def test_texts_only_name_labels_that_the_alert_has() -> None:
    labels = {case.alert: case.labels for case in CASES} | dict.fromkeys(ON_BUDGETS, OF_MODEL)
    for rule in alerts():
        named = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        assert named <= set(labels[rule["alert"]]), rule["alert"]


def test_each_alert_has_its_runbook_and_each_runbook_its_alert() -> None:
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == {rule["alert"] for rule in alerts()}


def test_a_runbook_says_what_it_means_how_to_see_it_and_what_to_do() -> None:
    for rule in alerts():
        text = (RUNBOOKS / f"{rule['alert']}.md").read_text()
        headings = re.findall(r"^##? (.+)$", text, re.MULTILINE)
        assert headings == [rule["alert"], "What it means", "See it", "What to do"], rule["alert"]
        assert "kubectl" in text
