"""The monitor: a CronJob, and the right to write the status of its own model."""

from __future__ import annotations

from typing import Any

from housing_core.api import GROUP, PLURAL, HousingModelSpec
from housing_core.api.base import parse_duration
from housing_core.tasks import LOG_NOT_KEPT_EXIT_CODE, MonitoringTask
from housing_operator.observation import Model
from housing_operator.resources.blueprint import Blueprint
from housing_operator.resources.labels import labels
from housing_operator.resources.names import component_name
from housing_operator.resources.pods import Program, claims_of, each_once, pod_template
from housing_operator.resources.serving import log_claims, log_uri

RUN_SECONDS = 1_800
"""A run that takes longer is ended: the next one would have started long before."""

LATE_SECONDS = 300
"""A run that could not start for so long is left out, as the next one sees the same window."""

KEPT_JOBS = 3

RESOURCES = {
    "requests": {"cpu": "100m", "memory": "256Mi"},
    "limits": {"memory": "1Gi"},
}


def rights(model: Model, spec: HousingModelSpec) -> list[dict[str, Any]]:
    """Role and RoleBinding: read this HousingModel, and write its status.

    RBAC ends at the status; the chart's admission policy holds the monitor to `status.drift`.
    """
    name = component_name(model.name, "monitoring")
    metadata = {"name": name, "labels": labels(model.name, "monitoring")}
    only_this = {"apiGroups": [GROUP], "resourceNames": [model.name]}
    account = {
        "kind": "ServiceAccount",
        "name": spec.monitoring.service_account_name or name,
        "namespace": model.namespace,
    }
    return [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": [
                {**only_this, "resources": [PLURAL], "verbs": ["get"]},
                {**only_this, "resources": [f"{PLURAL}/status"], "verbs": ["patch"]},
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [account],
        },
    ]


def cron_job(blueprint: Blueprint, version: str, *, running: bool) -> dict[str, Any]:
    """The CronJob that judges the predictions of the version in production.

    Args:
        blueprint: the model; its spec has schedule, window, thresholds and plumbing.
        version: the version whose predictions are judged.
        running: False suspends it.

    """
    name, spec = blueprint.name, blueprint.spec
    monitoring = spec.monitoring
    task = MonitoringTask(
        namespace=blueprint.model.namespace,
        name=name,
        production_version=version,
        log_uri=log_uri(blueprint),
        dataset=spec.dataset,
        window_seconds=int(parse_duration(monitoring.window).total_seconds()),
        min_samples=monitoring.min_samples,
        evaluation_window_seconds=int(parse_duration(monitoring.evaluation_window).total_seconds()),
        min_labels=monitoring.min_labels,
        thresholds=monitoring.thresholds,
        retention_days=spec.serving.prediction_log.retention_days,
    )
    data = claims_of(blueprint, spec.dataset.uri, read_only=True)
    program = Program(
        component="monitoring",
        image=blueprint.settings.monitoring_image,
        task=task.to_environment(),
        default_resources=RESOURCES,
        token=True,
        secret=blueprint.dataset_secret,
        claims=each_once(*log_claims(blueprint), *data),
        container={"terminationMessagePolicy": "FallbackToLogsOnError"},
        pod={"restartPolicy": "Never"},
    )
    marks = labels(name, "monitoring")
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": component_name(name, "monitoring"), "labels": marks},
        "spec": {
            "schedule": monitoring.schedule,
            "timeZone": "Etc/UTC",
            "suspend": not running,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": LATE_SECONDS,
            "successfulJobsHistoryLimit": KEPT_JOBS,
            "failedJobsHistoryLimit": KEPT_JOBS,
            "jobTemplate": {
                "metadata": {"labels": marks},
                "spec": {
                    "backoffLimit": 1,
                    "activeDeadlineSeconds": RUN_SECONDS,
                    "podFailurePolicy": {
                        "rules": [
                            {
                                "action": "FailJob",
                                "onExitCodes": {
                                    "containerName": "monitoring",
                                    "operator": "In",
                                    "values": [LOG_NOT_KEPT_EXIT_CODE],
                                },
                            }
                        ]
                    },
                    "template": pod_template(blueprint, program, monitoring),
                },
            },
        },
    }
