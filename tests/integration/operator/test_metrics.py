"""What Prometheus scrapes from a running operator."""

from tests import prometheus
from tests.cluster_client import wait_until


def test_a_model_has_series_from_its_status_until_it_is_deleted(models, name):
    models.apply(name, suspend=True)
    models.wait_condition(name, "Ready", status="False")
    drift = {
        "reportId": "r",
        "modelVersion": "1",
        "time": "2026-11-23T14:00:00Z",
        "verdict": "Stable",
        "scores": {"maxPsi": 0.07, "maxPsiFeature": 'İlçe "a"\\'},
    }
    models.cluster.patch(
        *("housingmodel", name, models.namespace, {"status": {"drift": drift}}), "status"
    )

    def series():
        return [line for line in models.operator.metrics().splitlines() if f'"{name}"' in line]

    def shown():
        return any(line.startswith("housing_model_drift_score") for line in series()), None

    wait_until(shown, what="the drift score of the status", timeout=30)
    (score,) = (line for line in series() if 'score="psi"' in line and "_score{" in line)
    labels = f'feature="İlçe \\"a\\"\\\\",model="{name}",namespace="{models.namespace}"'
    assert score == f'housing_model_drift_score{{{labels},score="psi"}} 0.07'
    ready = f'model="{name}",namespace="{models.namespace}",reason="Training",type="Ready"'
    assert any(line.startswith("housing_model_condition{" + ready) for line in series()), series()

    prometheus.check_metrics(models.operator.metrics())

    models.cluster.delete("housingmodel", name, models.namespace)
    wait_until(lambda: (not series(), None), what="no series of the model", timeout=30)
