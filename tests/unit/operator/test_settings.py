"""The operator's environment."""

import pytest

from housing_operator.settings import Settings, SettingsError

COMPLETE = {
    "MLFLOW_TRACKING_URI": "http://mlflow.mlops.svc:5000",
    "HOUSING_TRAINING_IMAGE": "t",
    "HOUSING_SERVING_IMAGE": "s",
    "HOUSING_MONITORING_IMAGE": "m",
}


def test_a_complete_environment_watches_all_namespaces():
    settings = Settings.from_environment(COMPLETE)
    assert settings == Settings("http://mlflow.mlops.svc:5000", "t", "s", "m", "IfNotPresent", ())


def test_namespaces_are_named_with_commas():
    settings = Settings.from_environment({**COMPLETE, "HOUSING_WATCH_NAMESPACES": "b, a,,b "})
    assert settings.watched_namespaces == ("a", "b")


def test_serving_pods_are_marked_for_scrapers_when_asked_for():
    assert not Settings.from_environment(COMPLETE).scrape_annotations
    asked = {**COMPLETE, "HOUSING_SCRAPE_ANNOTATIONS": "true"}
    assert Settings.from_environment(asked).scrape_annotations


@pytest.mark.parametrize("variable", COMPLETE)
def test_a_missing_variable_is_named(variable):
    environment = {name: value for name, value in COMPLETE.items() if name != variable}
    with pytest.raises(SettingsError, match=f"^{variable} is not set: give "):
        Settings.from_environment(environment)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db", "give an http:// or https:// address"),
        ("MLFLOW_TRACKING_URI", "http://mlflow:port", "give an http:// or https:// address"),
        ("MLFLOW_TRACKING_URI", "http://", "give an http:// or https:// address"),
        ("HOUSING_IMAGE_PULL_POLICY", "Sometimes", "Always, IfNotPresent, Never"),
        ("HOUSING_SCRAPE_ANNOTATIONS", "yes", "give true or false"),
    ],
)
def test_a_value_that_cannot_be_used_is_shown(variable, value, message):
    with pytest.raises(SettingsError) as info:
        Settings.from_environment({**COMPLETE, variable: value})
    assert variable in str(info.value)
    assert value in str(info.value)
    assert message in str(info.value)


def test_everything_that_is_wrong_is_said_at_once():
    with pytest.raises(SettingsError) as info:
        Settings.from_environment({})
    assert all(name in str(info.value) for name in COMPLETE)
