"""What has to be written so that the owned objects are as they should be."""

import json

import pytest

from housing_operator.resources.changes import changes, differs
from housing_operator.resources.children import children
from housing_operator.resources.ownership import DIGEST_ANNOTATION
from tests.unit.operator.blueprints import blueprint, only, serving

UID = "0b5a-uid"


def live(bodies):
    """The objects as an API server gives them back: with a uid and defaults of its own."""
    found = {}
    for body in json.loads(json.dumps(bodies)):
        body["metadata"] |= {"uid": "x", "resourceVersion": "1", "managedFields": []}
        if body["kind"] == "Deployment":
            body["spec"]["progressDeadlineSeconds"] = 600
            body["spec"]["template"]["spec"]["dnsPolicy"] = "ClusterFirst"
            body["status"] = {"replicas": 1}
        if body["kind"] == "NetworkPolicy" and not body["spec"]["ingress"]:
            del body["spec"]["ingress"]
        found[body["kind"], body["metadata"]["name"]] = body
    return found


def written(desired, found):
    todo = changes(desired, found, UID)
    return (
        [(b["kind"], b["metadata"]["name"]) for b in todo.apply],
        [(b["kind"], b["metadata"]["name"]) for b in todo.delete],
    )


def test_nothing_is_written_when_everything_is_as_it_should_be():
    desired = children(blueprint(), serving())
    assert written(desired, live(desired)) == ([], [])


def test_everything_is_written_when_nothing_is_there():
    desired = children(blueprint(), serving())
    assert written(desired, {}) == ([(b["kind"], b["metadata"]["name"]) for b in desired], [])


def edit_replicas(body):
    body["spec"]["replicas"] = 9


def edit_image(body):
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "other"


def edit_task(body):
    env = body["spec"]["template"]["spec"]["containers"][0]["env"]
    next(v for v in env if v["name"] == "HOUSING_TASK")["value"] = "{}"


def remove_label(body):
    del body["metadata"]["labels"]["app.kubernetes.io/part-of"]


def remove_owner(body):
    del body["metadata"]["ownerReferences"]


def give_token(body):
    del body["spec"]["template"]["spec"]["automountServiceAccountToken"]


def other_digest(body):
    body["metadata"]["annotations"][DIGEST_ANNOTATION] = "former"


@pytest.mark.parametrize(
    "edit",
    [
        edit_replicas,
        edit_image,
        edit_task,
        remove_label,
        remove_owner,
        give_token,
        other_digest,
    ],
)
def test_an_edited_object_is_written_again(edit):
    desired = children(blueprint(), serving())
    found = live(desired)
    edit(found["Deployment", "istanbul-production"])
    assert written(desired, found) == ([("Deployment", "istanbul-production")], [])


def test_a_field_that_the_spec_no_longer_sets_is_a_change():
    before = children(blueprint(training={}, monitoring={"nodeSelector": {"a": "b"}}), serving())
    after = children(blueprint(), serving())
    assert not differs(
        only(after, "CronJob", "istanbul-monitoring")["spec"],
        only(before, "CronJob", "istanbul-monitoring")["spec"],
    )
    assert written(after, live(before)) == ([("CronJob", "istanbul-monitoring")], [])


def test_what_others_add_is_left_alone():
    desired = children(blueprint(), serving())
    found = live(desired)
    deployment = found["Deployment", "istanbul-production"]
    deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "3"
    pod = deployment["spec"]["template"]["spec"]
    pod["containers"].append({"name": "injected", "image": "mesh"})
    pod["containers"][0]["env"].insert(0, {"name": "INJECTED", "value": "1"})
    assert written(desired, found) == ([], [])


def test_what_is_no_longer_wanted_is_deleted():
    desired = children(blueprint(), serving())
    found = live(desired)
    _, deleted = written(children(blueprint(), serving(staging=None)), found)
    assert sorted(deleted) == [
        ("ConfigMap", "istanbul-serving-policy-staging"),
        ("Deployment", "istanbul-staging"),
        ("Service", "istanbul-staging"),
    ]


def test_data_and_identities_are_never_deleted():
    found = live(children(blueprint(), serving()))
    _, deleted = written([], found)
    kinds = {kind for kind, _ in deleted}
    assert not kinds & {"PersistentVolumeClaim", "ServiceAccount"}
    assert {"Deployment", "Role", "CronJob"} <= kinds


def test_objects_of_another_owner_are_never_deleted():
    found = live(children(blueprint(), serving()))
    for body in found.values():
        body["metadata"]["ownerReferences"][0]["uid"] = "another"
    assert written([], found) == ([], [])


def test_what_is_going_is_neither_written_nor_deleted_again():
    desired = children(blueprint(), serving())
    found = live(desired)
    for body in found.values():
        body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert written(desired, found) == ([], [])
    assert written([], found) == ([], [])


@pytest.mark.parametrize(
    ("desired", "found", "expected"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1}, {"a": 2}, True),
        ({"a": 1}, {}, True),
        ({"a": {}}, {}, False),
        ({"a": []}, {}, False),
        ({"a": ""}, {}, False),
        ({"a": False}, {}, True),
        ({"a": 0}, {}, True),
        ({"a": {"b": {}}}, {"a": {}}, False),
        ({"a": ["x", "y"]}, {"a": ["x", "y"]}, False),
        ({"a": ["x", "y"]}, {"a": ["x"]}, True),
        ({"a": ["x"]}, {"a": "x"}, True),
        ({"a": {"b": 1}}, {"a": "x"}, True),
        ({"a": [{"name": "x", "v": 1}]}, {"a": [{"name": "y"}, {"name": "x", "v": 1}]}, False),
        ({"a": [{"name": "x", "v": 1}]}, {"a": [{"name": "x", "v": 2}]}, True),
        ({"a": [{"name": "x"}]}, {"a": []}, True),
        ({"requests": {"cpu": "1000m"}}, {"requests": {"cpu": "1"}}, False),
        ({"requests": {"cpu": 1}}, {"requests": {"cpu": "1"}}, False),
        ({"requests": {"cpu": "0.5"}}, {"requests": {"cpu": "500m"}}, False),
        ({"limits": {"memory": "1024Mi"}}, {"limits": {"memory": "1Gi"}}, False),
        ({"limits": {"memory": "1G"}}, {"limits": {"memory": "1Gi"}}, True),
        ({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "2Gi"}}, True),
        ({"averageValue": "1500"}, {"averageValue": "1500"}, False),
        ({"averageValue": "1000"}, {"averageValue": "1k"}, False),
        ({"label": "1000m"}, {"label": "1"}, True),
    ],
)
def test_differences(desired, found, expected):
    assert differs(desired, found) is expected
