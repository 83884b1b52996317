"""The monitor's CronJob and rights."""

from dataclasses import replace

from housing_core.tasks import LOG_NOT_KEPT_EXIT_CODE, MonitoringTask
from housing_operator.plan import ServingPlan
from housing_operator.resources.children import children
from tests.unit.operator.blueprints import (
    blueprint,
    container_of,
    environment_of,
    only,
    pod_of,
    serving,
)


def cron_job(plan=None, **blocks):
    bodies = children(blueprint(**blocks), plan or serving())
    return only(bodies, "CronJob", "istanbul-monitoring")


def task_of(body):
    return MonitoringTask.model_validate_json(environment_of(body)["HOUSING_TASK"])


def test_runs_by_its_schedule_in_utc_one_at_a_time():
    spec = cron_job(monitoring={"schedule": "5 * * * *"})["spec"]
    assert spec["schedule"] == "5 * * * *"
    assert spec["timeZone"] == "Etc/UTC"
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["suspend"] is False
    assert spec["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_a_suspended_model_is_not_watched():
    assert cron_job(serving(monitoring=False))["spec"]["suspend"] is True


def test_judges_the_version_whose_rollout_has_finished():
    assert task_of(cron_job(serving())).production_version == "3"
    rolling = replace(serving(), production=ServingPlan("5", "3"))
    assert task_of(cron_job(rolling)).production_version == "3"


def test_looks_where_serving_writes_with_the_specs_window_and_thresholds():
    monitoring = {"window": "12h", "evaluationWindow": "48h", "minLabels": 50}
    task = task_of(
        cron_job(
            monitoring={**monitoring, "thresholds": {"psi": 0.3}},
            serving={"predictionLog": {"retentionDays": 30}},
        )
    )
    assert task.retention_days == 30
    assert task.log_uri == "pvc://istanbul-serving/predictions-log"
    assert task.window_seconds == 12 * 3600
    assert (task.evaluation_window_seconds, task.min_labels) == (48 * 3600, 50)
    assert task.thresholds.psi == 0.3
    assert task.dataset.uri == "pvc://listings/istanbul"


def test_mounts_log_and_dataset_and_only_reads_the_dataset():
    mounts = {m["mountPath"]: m.get("readOnly") for m in container_of(cron_job())["volumeMounts"]}
    assert mounts["/mnt/claims/istanbul-serving"] is None
    assert mounts["/mnt/claims/listings"] is True


def test_a_log_that_a_person_has_to_mend_ends_the_job_without_a_second_report():
    job = cron_job()["spec"]["jobTemplate"]["spec"]
    (rule,) = job["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"]["values"] == [LOG_NOT_KEPT_EXIT_CODE]
    assert rule["onExitCodes"]["containerName"] == container_of(cron_job())["name"]


def test_a_claim_that_holds_both_is_mounted_once():
    body = cron_job(serving={"predictionLog": {"uri": "pvc://listings/log"}})
    claims = [v for v in pod_of(body)["spec"]["volumes"] if "persistentVolumeClaim" in v]
    assert len(claims) == 1


def test_the_rights_are_for_this_model_alone():
    bodies = children(blueprint(), serving())
    rules = only(bodies, "Role", "istanbul-monitoring")["rules"]
    assert rules == [
        {
            "apiGroups": ["housing-operator.dev"],
            "resourceNames": ["istanbul"],
            "resources": ["housingmodels"],
            "verbs": ["get"],
        },
        {
            "apiGroups": ["housing-operator.dev"],
            "resourceNames": ["istanbul"],
            "resources": ["housingmodels/status"],
            "verbs": ["patch"],
        },
    ]


def test_the_rights_go_to_the_service_account_that_the_monitor_runs_under():
    for given, expected in ((None, "istanbul-monitoring"), ("mine", "mine")):
        monitoring = {"serviceAccountName": given} if given else {}
        bodies = children(blueprint(monitoring=monitoring), serving())
        (subject,) = only(bodies, "RoleBinding", "istanbul-monitoring")["subjects"]
        assert subject == {"kind": "ServiceAccount", "name": expected, "namespace": "homes"}
        cron = only(bodies, "CronJob", "istanbul-monitoring")
        assert pod_of(cron)["spec"]["serviceAccountName"] == expected
