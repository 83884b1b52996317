"""The MLflow server that the other integration tests stand on."""

import http.client
import urllib.request

import mlflow
import pytest

from tests.mlflow_server import MlflowServer


def test_a_server_that_is_away_refuses_and_comes_back_with_its_address_and_its_data(
    mlflow_server: MlflowServer,
) -> None:
    client = mlflow.MlflowClient(mlflow_server.url)
    experiment = client.create_experiment("away")
    run = client.create_run(experiment).info.run_id
    client.log_text(run, "kept", "note.txt")
    kept = http.client.HTTPConnection("127.0.0.1", mlflow_server.port, timeout=2)
    assert health(kept) == b"OK"
    with mlflow_server.away():
        with pytest.raises(ConnectionError):
            health(kept)
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(f"{mlflow_server.url}/health", timeout=2)
    assert client.get_experiment_by_name("away").experiment_id == experiment
    assert [file.path for file in client.list_artifacts(run)] == ["note.txt"]


def health(connection: http.client.HTTPConnection) -> bytes:
    connection.request("GET", "/health")
    return connection.getresponse().read()
