"""The MLflow server that the other integration tests stand on."""

import urllib.request

import mlflow
import pytest

from tests.mlflow_server import MlflowServer


def test_a_restarted_server_keeps_its_address_and_its_data(mlflow_server: MlflowServer) -> None:
    client = mlflow.MlflowClient(mlflow_server.url)
    experiment = client.create_experiment("restarted")
    run = client.create_run(experiment).info.run_id
    client.log_text(run, "kept", "note.txt")
    mlflow_server.stop()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{mlflow_server.url}/health", timeout=2)
    mlflow_server.start()
    assert client.get_experiment_by_name("restarted").experiment_id == experiment
    assert [file.path for file in client.list_artifacts(run)] == ["note.txt"]
