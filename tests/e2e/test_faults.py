"""What goes wrong in a cluster: killed pods, an absent MLflow, broken versions, bad neighbours."""

from __future__ import annotations

import json
import time

import pytest

from tests.cluster_client import CommandError, Manifest, condition_of
from tests.cluster_pods import run_in_cluster
from tests.load import SteadyLoad
from tests.operator_release import RELEASE, SYSTEM_NAMESPACE, scaled_to_zero
from tests.story import (
    ISTANBUL,
    Story,
    listings,
    to_csv,
    without_price,
)

pytestmark = pytest.mark.timeout(1200)

MLFLOW = f"{RELEASE}-mlflow"
MLFLOW_URL = f"http://{MLFLOW}.{SYSTEM_NAMESPACE}.svc:5000"
ROWS = 3_000


def condition(story: Story, kind: str) -> Manifest:
    return condition_of(story.get(), kind)


def production_pod(story: Story) -> str:
    (pod,) = [
        pod["metadata"]["name"]
        for pod in story.pods("serving")
        if pod["metadata"]["labels"]["housing-operator.dev/track"] == "production"
        and "deletionTimestamp" not in pod["metadata"]
    ]
    return str(pod)


def in_mlflow(story: Story, program: str) -> str:
    """Run a few lines against MLflow from inside the cluster; `registry` and `model` are there."""
    lines = (
        "from housing_core.registry import Registry\n"
        f"registry, model = Registry({MLFLOW_URL!r}), '{story.namespace}.{story.name}'\n"
    )
    command = ["python3", "-c", lines + program]
    return run_in_cluster(
        story.cluster, story.namespace, "training", command, part_of_housing_operator=True
    ).strip()


def resumed_from_trees(story: Story) -> int:
    """Trees that version 1 took over from checkpoints of pods before its own."""
    return int(
        in_mlflow(
            story,
            "import json\n"
            "text = registry.download_bundle_file(model, '1', 'summary.json')\n"
            "print(json.loads(text)['resumed_from_trees'])\n",
        )
    )


def test_a_killed_training_pod_goes_on_from_its_last_checkpoint(small: Story) -> None:
    story = Story(
        small.cluster,
        small.namespace,
        name="killed",
        spec={"training": {"recipe": "seed", "forest": {"trees": 120}}},
    )
    story.add_listings("all.csv", ISTANBUL)
    story.apply()

    def checkpoints() -> list[Manifest]:
        try:
            (pod,) = story.pods("training")
            name = pod["metadata"]["name"]
            log = story.cluster.kubectl("logs", name, "-n", story.namespace)
        except (ValueError, CommandError):  # not there yet, or its container is not
            return []
        lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        return [line for line in lines if "trees" in line]

    while len(checkpoints()) < 2:
        time.sleep(0.5)
    (victim,) = story.pods("training")
    story.cluster.kubectl(
        *("delete", "pod", victim["metadata"]["name"], "-n", story.namespace),
        *("--force", "--grace-period=0"),
    )
    story.wait("version 1 is registered", lambda s: s["training"].get("outcome") == "Registered")
    assert resumed_from_trees(story) >= 40
    story.cluster.delete("housingmodel", "killed", story.namespace)


@pytest.mark.slow
def test_a_training_without_enough_memory_goes_on_from_its_checkpoints_once_it_has_more(
    small: Story,
) -> None:
    # Its first checkpoint needs up to 710 MiB; 250 trees at the end are 370 by themselves.
    story = Story(
        small.cluster,
        small.namespace,
        name="starved",
        spec={
            "training": {
                "recipe": "seed",
                "forest": {"trees": 250},
                "resources": {"requests": {"memory": "750Mi"}, "limits": {"memory": "750Mi"}},
            }
        },
    )
    story.add_listings("all.csv", ISTANBUL)
    story.apply()
    status = story.wait(
        "its condition says what to raise",
        lambda s: "OOMKilled" in condition_of({"status": s}, "Trained").get("message", ""),
    )
    message = condition_of({"status": status}, "Trained")["message"]
    assert "its limit of 750Mi: raise resources.limits.memory" in message
    raised = {"spec": {"training": {"resources": {"limits": {"memory": "3Gi"}}}}}
    story.cluster.patch("housingmodel", "starved", story.namespace, raised)
    ended = story.wait(
        "version 1 is registered", lambda s: s["training"].get("outcome") == "Registered"
    )
    assert ended["training"]["key"] == status["training"]["key"]
    assert resumed_from_trees(story) >= 20
    reasons = {event["reason"] for event in story.cluster.events(story.namespace, "starved")}
    assert {"TrainingReplaced", "TrainingResumed"} & reasons
    story.cluster.delete("housingmodel", "starved", story.namespace)


def test_production_answers_while_mlflow_is_away_also_from_a_new_pod(small: Story) -> None:
    listing = without_price(listings(ISTANBUL))[0]
    expected = small.predict(listing)["predictions"]
    with scaled_to_zero(small.cluster, MLFLOW):
        small.cluster.delete("pod", production_pod(small), small.namespace)
        small.cluster.delete(
            "pod", "-l=app.kubernetes.io/component=operator", SYSTEM_NAMESPACE, wait=False
        )
        small.wait(
            "the operator is back, and says that MLflow is away",
            lambda s: condition_of({"status": s}, "Degraded").get("reason")
            == "RegistryUnavailable",
        )
        small.wait(
            "the new pod answers",
            lambda s: condition_of({"status": s}, "Ready").get("status") == "True",
        )
        assert small.predict(listing)["predictions"] == expected
    small.wait(
        "MLflow is back",
        lambda s: condition_of({"status": s}, "Degraded").get("status") == "False",
    )


def test_mlflow_away_when_training_ends_costs_time_and_nothing_else(small: Story) -> None:
    story = Story(
        small.cluster,
        small.namespace,
        name="outage",
        spec={"training": {"recipe": "seed", "forest": {"trees": 40}}},
    )
    story.add_listings("a.csv", to_csv(listings(ISTANBUL)[::9][:ROWS]))
    story.apply()
    story.wait("the training has begun", lambda s: bool(story.pods("training")))
    with scaled_to_zero(small.cluster, MLFLOW):
        time.sleep(25)
    story.wait_for_production("1")
    story.cluster.delete("housingmodel", "outage", story.namespace)


def test_owned_objects_are_repaired_and_collected(small: Story) -> None:
    cluster, namespace = small.cluster, small.namespace
    cluster.delete("service", "small-production", namespace)
    cluster.patch("deployment", "small-staging", namespace, {"spec": {"replicas": 3}})
    cluster.patch("cronjob", "small-monitoring", namespace, {"spec": {"schedule": "1 1 1 1 1"}})
    cluster.wait_for("service", "small-production", namespace, lambda _: True, what="is back")
    cluster.wait_for(
        *("deployment", "small-staging", namespace),
        lambda found: found["spec"]["replicas"] == 1,
        what="one replica again",
    )
    cluster.wait_for(
        *("cronjob", "small-monitoring", namespace),
        lambda found: found["spec"]["schedule"] == "0 * * * *",
        what="its schedule again",
    )


def test_a_version_that_cannot_be_served_is_rolled_back_and_nobody_notices(small: Story) -> None:
    load = SteadyLoad(small.cluster, small.namespace)
    load.start(
        f"http://small-production.{small.namespace}.svc:8080/predict",
        without_price(listings(ISTANBUL)[::500]),
    )
    broken = in_mlflow(
        small,
        "import tempfile, pathlib\n"
        "run = registry.create_run(model, {})\n"
        "folder = pathlib.Path(tempfile.mkdtemp())\n"
        "(folder / 'schema.json').write_text('{}')\n"
        "registry.upload_folder(run, folder, 'broken/artifacts/bundle')\n"
        "version = registry.register(model, run, 'broken').number\n"
        "registry.set_alias(model, 'production', version)\n"
        "print(version)\n",
    )
    small.wait(
        "the alias move is obeyed",
        lambda s: s.get("candidate", {}).get("version") == broken,
        timeout=60,
    )
    status = small.wait(
        "the version is rejected",
        lambda s: any(r["version"] == broken for r in s.get("rejectedVersions", [])),
        timeout=240,
    )
    result = load.stop()
    assert status["production"]["version"] == "1"
    assert "schema.json" in status["rejectedVersions"][0]["reason"]
    small.wait(
        "both aliases are back",
        lambda s: s["aliases"] == {"production": "1", "staging": "1", "intent": []},
    )
    assert result.failed == {}
    assert set(result.versions) == {"1"}


def test_manual_mode_promotes_the_version_that_is_approved(small: Story) -> None:
    cluster = small.cluster
    cluster.patch(
        *("housingmodel", "small", small.namespace, {"spec": {"promotion": {"mode": "Manual"}}})
    )
    cluster.kubectl(
        *("annotate", "housingmodel", "small", "-n", small.namespace),
        *("housing-operator.dev/retrain=manual", "--overwrite"),
    )
    status = small.wait(
        "a version waits for approval",
        lambda s: s.get("candidate", {}).get("step") == "Approval",
    )
    version = status["candidate"]["version"]
    cluster.kubectl(
        *("annotate", "housingmodel", "small", "-n", small.namespace),
        *(f"housing-operator.dev/approve={version}", "--overwrite"),
    )
    small.wait_for_production(version)


@pytest.mark.slow
def test_a_fallback_of_production_is_told_and_so_is_its_end(small: Story) -> None:
    """The test before this one has promoted a second version, so that there are two copies."""
    pinned = small.status()["production"]["version"]
    assert pinned != "1"
    pod = production_pod(small)
    copies = f"/mnt/claims/small-serving/models/{small.namespace}.small"
    with scaled_to_zero(small.cluster, MLFLOW):
        remove = f"import shutil; shutil.rmtree('{copies}/{pinned}')"
        small.cluster.exec(pod, small.namespace, "python3", "-c", remove)
        small.cluster.delete("pod", pod, small.namespace)
        small.wait(
            "version 1 answers from its copy",
            lambda s: s["production"].get("servingFrom") == "LocalCopy",
        )
        degraded = condition(small, "Degraded")
        assert (degraded["status"], degraded["reason"]) == ("True", "Fallback")
        assert condition(small, "Ready")["reason"] == "Fallback"
        answer = small.predict(without_price(listings(ISTANBUL))[0])
        assert (answer["modelVersion"], answer["servingFrom"]) == ("1", "LocalCopy")
    small.wait(
        "the pod has climbed back", lambda s: s["production"].get("servingFrom") == "Production"
    )
    events = {
        event["reason"]: (event["type"], event["message"])
        for event in small.cluster.events(small.namespace, "small")
    }
    kind, message = events["Fallback"]
    begun = f"production: version 1 answers from LocalCopy in place of version {pinned}: "
    assert kind == "Warning"
    assert message.startswith(begun)
    assert events["FallbackEnded"] == (
        "Normal",
        f"production: every pod that answers serves version {pinned} again",
    )


BAD_DATA = {
    "no-target": ("a,b\n" + "1,x\n" * 200, "Fiyat"),
    "twelve-rows": (to_csv(listings(ISTANBUL)[:12]), "12"),
    "empty": ("", "empty"),
    "text-prices": (
        "Fiyat,a\n" + "".join(f"{('cheap', 'dear')[n % 2]},{n % 7}\n" for n in range(200)),
        "Fiyat",
    ),
}


def test_bad_data_is_named_in_the_status_and_disturbs_no_neighbour(small: Story) -> None:
    stories = [Story(small.cluster, small.namespace, name=name) for name in BAD_DATA]
    for story in stories:
        story.add_listings("data.csv", BAD_DATA[story.name][0])
        story.apply()
    missing = Story(
        small.cluster,
        small.namespace,
        name="missing-cross",
        spec={
            "dataset": {
                "uri": "pvc://listings/small",
                "target": {"column": "Fiyat"},
                "crosses": [{"name": "x", "columns": ["Ilce", "Nowhere"]}],
            }
        },
    )
    missing.apply()
    for story in (*stories, missing):
        status = story.wait(
            "its data is refused",
            lambda s: s.get("training", {}).get("outcome") == "InvalidData",
            timeout=300,
        )
        expected = BAD_DATA[story.name][1] if story.name in BAD_DATA else "Nowhere"
        assert expected in status["training"]["message"], status["training"]
        assert condition(story, "Ready")["reason"] == "InvalidData"
        assert status["training"]["attempt"] == 1
    assert condition(small, "Ready")["status"] == "True"


def test_a_deleted_model_leaves_nothing_also_while_the_operator_is_away(small: Story) -> None:
    cluster, namespace = small.cluster, small.namespace
    with scaled_to_zero(cluster, RELEASE):
        cluster.delete("housingmodel", "small", namespace)
        for kind in ("deployment", "service", "cronjob", "job", "serviceaccount", "role"):
            for found in cluster.select(kind, namespace, "app.kubernetes.io/instance=small"):
                cluster.wait_gone(kind, found["metadata"]["name"], namespace)
