"""The operator starts, and says so, while MLflow is away; and goes on when it is back."""


def test_mlflow_away_at_the_start_is_a_condition_and_nothing_else(
    models, name, mlflow_server, registry
):
    models.operator.stop()
    with mlflow_server.away():
        models.operator.start()
        models.apply(name)
        message = models.wait_condition(name, "Degraded", reason="RegistryUnavailable")
        assert "MLflow" in message
        assert not models.owned(name, "job")
        assert models.owned(name, "serviceaccount")
        before = models.get(name)["metadata"]["resourceVersion"]
        models.wake(name, 2)
        # The message is the same each time: another would wake the model for ever.
        assert models.get(name)["metadata"]["resourceVersion"] == before
    models.wake(name, 1)
    models.training(name)
    models.wait_condition(name, "Degraded", status="False")
