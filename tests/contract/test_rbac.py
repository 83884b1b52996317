"""What the operator, a monitor and a user may do, asked of a real API server with real tokens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from kubernetes.client.exceptions import ApiException

from housing_core.api import HousingModelSpec
from housing_operator.observation import Model
from housing_operator.resources.monitoring import rights
from tests.cluster_client import Cluster, Manifest
from tests.contract.api_user import APPLY, MERGE, User, refusal
from tests.contract.chart import render

RELEASE = "rbac-contract"
NAMESPACE = "rbac-contract"
OTHER_NAMESPACE = "rbac-contract-other"
MODELS = "housing-operator.dev/housingmodels"

DRIFT = {
    "reportId": "report-1",
    "modelVersion": "3",
    "time": "2026-01-01T00:00:00Z",
    "verdict": "Stable",
}
CONDITION = {
    "type": "Ready",
    "status": "True",
    "reason": "Serving",
    "message": "version 3 answers",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


def housing_model(name: str) -> Manifest:
    return {
        "apiVersion": "housing-operator.dev/v1alpha1",
        "kind": "HousingModel",
        "metadata": {"name": name, "labels": {"team": "valuation"}},
        "spec": {"dataset": {"uri": "/data/listings.csv", "target": {"column": "price"}}},
    }


def service_account(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def role(name: str, rules: list[Manifest]) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name},
        "rules": rules,
    }


def binding(name: str, account: str, kind: str, granted: str) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": granted},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}],
    }


def monitor_rights(monitoring: Manifest) -> list[Manifest]:
    """Return the Role and RoleBinding that the operator makes for the monitor of `istanbul`."""
    spec = {**housing_model("istanbul")["spec"], "monitoring": monitoring}
    model = Model(
        namespace=NAMESPACE,
        name="istanbul",
        uid="",
        generation=1,
        resource_version="",
        annotations={},
        spec=spec,
        status={},
    )
    return rights(model, HousingModelSpec.model_validate(spec))


@pytest.fixture(scope="module")
def installed(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with the chart's identities and policy, and two HousingModels."""
    cluster.install_crd()
    for namespace in (NAMESPACE, OTHER_NAMESPACE):
        cluster.create_namespace(namespace)
    kinds = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
    kinds |= {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    everywhere = render(
        {"mlflow": {"enabled": False, "trackingUri": "http://mlflow"}},
        release=RELEASE,
        namespace=NAMESPACE,
    )
    one_namespace = render(
        {
            "mlflow": {"enabled": False, "trackingUri": "http://mlflow"},
            "clusterScoped": {"enabled": False},
            "watchNamespaces": [NAMESPACE],
        },
        release=f"{RELEASE}-one",
        namespace=NAMESPACE,
    )
    manifests = [one for one in [*everywhere, *one_namespace] if one["kind"] in kinds]
    try:
        cluster.apply(*manifests)
        cluster.apply(housing_model("istanbul"), housing_model("izmir"), namespace=NAMESPACE)
        yield cluster
    finally:
        for manifest in manifests:
            if "namespace" not in manifest["metadata"]:
                cluster.delete(manifest["kind"], manifest["metadata"]["name"], "")
        for namespace in (NAMESPACE, OTHER_NAMESPACE):
            cluster.delete("namespace", namespace, "")


@pytest.fixture(scope="module")
def operator(installed: Cluster) -> User:
    return User(installed, RELEASE, NAMESPACE)


@pytest.fixture(scope="module")
def monitor(installed: Cluster, operator: User) -> User:
    """The monitor of `istanbul`, its rights granted by the operator itself."""
    name = "istanbul-monitoring"
    installed.apply(service_account(name), namespace=NAMESPACE)
    for manifest in monitor_rights({}):
        operator.apply(manifest)
    user = User(installed, name, NAMESPACE)
    until_refused(lambda: user.patch_status("istanbul", {"observedGeneration": 99}))
    return user


@pytest.fixture
def status(operator: User) -> Manifest:
    """The status of `istanbul` as the operator left it, with a drift report in it."""
    operator.patch_status("istanbul", None)
    written = operator.patch_status(
        "istanbul", {"observedGeneration": 1, "conditions": [CONDITION], "drift": DRIFT}
    )
    found: Manifest = written["status"]
    return found


def until_refused(write: Callable[[], object]) -> None:
    """Wait until the API server enforces a policy that was just made; the writes before count not."""
    deadline = time.monotonic() + 30
    while True:
        try:
            write()
        except ApiException as error:
            if error.status == 403:
                return
            raise
        assert time.monotonic() < deadline, "the policy is not enforced after 30 s"
        time.sleep(0.5)


@pytest.mark.parametrize("content_type", [MERGE, APPLY])
def test_a_monitor_writes_the_drift_of_its_model(
    monitor: User, status: Manifest, content_type: str
) -> None:
    drift = {**DRIFT, "reportId": "report-2", "verdict": "Drift"}
    written = monitor.patch_status("istanbul", {"drift": drift}, content_type)["status"]
    assert written["drift"].items() >= drift.items()
    assert {**written, "drift": None} == {**status, "drift": None}


def test_a_monitor_writes_the_first_report(monitor: User, operator: User) -> None:
    operator.patch_status("istanbul", None)
    operator.patch_status("istanbul", {"observedGeneration": 1})
    written = monitor.patch_status("istanbul", {"drift": DRIFT}, APPLY)["status"]
    assert written["drift"].items() >= DRIFT.items()


@pytest.mark.parametrize("content_type", [MERGE, APPLY])
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"observedGeneration": 7}, ["status.observedGeneration"]),
        ({"conditions": [{**CONDITION, "status": "False"}]}, ["status.conditions"]),
        ({"production": {"version": "9"}}, ["status.production"]),
        ({"history": []}, ["status.history"]),
        (
            {"drift": DRIFT, "history": [], "observedGeneration": 7},
            ["status.history", "status.observedGeneration"],
        ),
    ],
    ids=["changed key", "changed list", "new key", "new list", "beside drift"],
)
def test_a_monitor_writes_no_other_part_of_status(
    monitor: User, status: Manifest, change: Manifest, named: list[str], content_type: str
) -> None:
    message = refusal(lambda: monitor.patch_status("istanbul", change, content_type))
    assert "a monitor may change status.drift of its HousingModel and nothing else" in message
    assert all(name in message for name in named)
    assert monitor.status("istanbul") == status


@pytest.mark.parametrize("removed", [{"conditions": None}, {"observedGeneration": None}, None])
def test_a_monitor_removes_no_other_part_of_status(
    monitor: User, status: Manifest, removed: Manifest | None
) -> None:
    refusal(lambda: monitor.patch_status("istanbul", removed))
    assert monitor.status("istanbul") == status


@pytest.mark.parametrize("content_type", [MERGE, APPLY])
def test_a_monitor_writes_no_status_of_its_neighbour(monitor: User, content_type: str) -> None:
    message = refusal(lambda: monitor.patch_status("izmir", {"drift": DRIFT}, content_type))
    assert "izmir" in message


def test_a_monitor_writes_nothing_but_status(
    monitor: User, operator: User, status: Manifest
) -> None:
    refusal(lambda: monitor.patch("istanbul", {"spec": {"suspend": True}}))
    through_status = {
        "metadata": {"labels": {"team": "none"}, "finalizers": ["example.com/stay"]},
        "spec": {"suspend": True},
        "status": {"drift": DRIFT},
    }
    before = operator.patch_status("istanbul", {})
    after = monitor.write_through_status("istanbul", through_status)
    assert after["spec"] == before["spec"]
    assert after["metadata"]["labels"] == {"team": "valuation"}
    assert "finalizers" not in after["metadata"]


@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("list", MODELS),
        ("update", f"{MODELS}:status"),
        ("get", "secrets"),
        ("get", "configmaps"),
        ("list", "pods"),
        ("patch", "rbac.authorization.k8s.io/roles"),
    ],
)
def test_a_monitor_has_no_other_rights(monitor: User, verb: str, resource: str) -> None:
    assert not monitor.may(verb, resource)


def test_a_monitor_under_a_name_of_the_users_choice_is_held_to_drift(
    installed: Cluster, operator: User, monitor: User, status: Manifest
) -> None:
    installed.apply(service_account("s3-reader"), namespace=NAMESPACE)
    _, chosen_binding = monitor_rights({"serviceAccountName": "s3-reader"})
    chosen_binding["metadata"]["name"] = "istanbul-monitoring-as-chosen"
    operator.apply(chosen_binding)
    chosen = User(installed, "s3-reader", NAMESPACE)
    refusal(lambda: chosen.patch_status("istanbul", {"observedGeneration": 7}))
    written = chosen.patch_status("istanbul", {"drift": {**DRIFT, "reportId": "report-3"}}, APPLY)
    assert written["status"]["drift"]["reportId"] == "report-3"


def test_a_monitor_is_held_to_drift_whatever_else_it_was_granted(
    installed: Cluster, operator: User, monitor: User, status: Manifest
) -> None:
    everything = [
        {"apiGroups": ["housing-operator.dev"], "resources": ["*"], "verbs": ["*"]},
    ]
    installed.apply(
        role("too-much", everything),
        binding("too-much", "istanbul-monitoring", "Role", "too-much"),
        namespace=NAMESPACE,
    )
    try:
        assert monitor.may("patch", f"{MODELS}:status")
        refusal(lambda: monitor.patch_status("istanbul", {"observedGeneration": 7}))
    finally:
        installed.delete("rolebinding", "too-much", NAMESPACE)


def test_the_operator_writes_status_and_never_the_rest(operator: User, monitor: User) -> None:
    operator.patch_status("izmir", {"observedGeneration": 4, "conditions": [CONDITION]}, APPLY)
    refusal(lambda: operator.patch("izmir", {"spec": {"suspend": True}}))
    refusal(lambda: operator.patch("izmir", {"metadata": {"finalizers": ["example.com/stay"]}}))


@pytest.mark.parametrize("verb", ["get", "list", "watch", "patch", "update", "delete"])
def test_the_operator_reads_and_changes_no_secret(operator: User, verb: str) -> None:
    assert not operator.may(verb, "secrets", namespace="*")
    assert not operator.may(verb, "secrets")


def test_the_operator_makes_the_certificates_of_trainings(operator: User) -> None:
    assert operator.may("create", "secrets", namespace="*")


def test_the_operator_grants_no_more_than_it_holds(operator: User, monitor: User) -> None:
    secrets = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    assert "attempting to grant RBAC permissions not currently held" in refusal(
        lambda: operator.apply(role("greedy", secrets))
    )
    assert "attempting to grant RBAC permissions not currently held" in refusal(
        lambda: operator.apply(binding("greedy", "istanbul-monitoring", "ClusterRole", "admin"))
    )


OWNED = [
    "services",
    "serviceaccounts",
    "configmaps",
    "persistentvolumeclaims",
    "apps/deployments",
    "batch/jobs",
    "batch/cronjobs",
    "networking.k8s.io/networkpolicies",
    "policy/poddisruptionbudgets",
    "rbac.authorization.k8s.io/roles",
    "rbac.authorization.k8s.io/rolebindings",
]


@pytest.mark.parametrize("resource", OWNED)
def test_the_operator_watches_and_applies_what_it_owns(operator: User, resource: str) -> None:
    for verb in ("get", "list", "watch", "create", "patch"):
        assert operator.may(verb, resource, namespace="*"), verb


def test_the_operator_never_deletes_data(operator: User) -> None:
    for resource in ("persistentvolumeclaims", MODELS):
        assert not operator.may("delete", resource)
        assert not operator.may("deletecollection", resource)


def test_an_operator_of_one_namespace_has_no_rights_in_another(installed: Cluster) -> None:
    operator = User(installed, f"{RELEASE}-one", NAMESPACE)
    for verb, resource in [
        ("list", MODELS),
        ("patch", f"{MODELS}:status"),
        ("create", "batch/jobs"),
    ]:
        assert operator.may(verb, resource)
        assert not operator.may(verb, resource, namespace=OTHER_NAMESPACE)
        assert not operator.may(verb, resource, namespace="*")


@pytest.mark.parametrize(("granted", "changes"), [("view", False), ("edit", True)])
def test_whoever_views_or_edits_a_namespace_does_so_with_its_models(
    installed: Cluster, granted: str, changes: bool
) -> None:
    name = f"person-who-may-{granted}"
    installed.apply(
        service_account(name), binding(name, name, "ClusterRole", granted), namespace=NAMESPACE
    )
    person = User(installed, name, NAMESPACE)
    assert until_true(lambda: person.may("list", MODELS))
    for verb in ("create", "update", "patch", "delete"):
        assert person.may(verb, MODELS) == changes
        assert not person.may(verb, f"{MODELS}:status")


def until_true(holds: Callable[[], bool]) -> bool:
    """Wait for rights that a controller aggregates in its own time."""
    deadline = time.monotonic() + 30
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.5)
    return holds()


@pytest.mark.parametrize("values", [{}, {"watchNamespaces": ["default"]}], ids=["all", "some"])
def test_rules_name_groups_resources_and_verbs_one_by_one(values: Manifest) -> None:
    roles = [one for one in render(values) if one["kind"] in ("Role", "ClusterRole")]
    assert roles
    for rule in (rule for one in roles for rule in one["rules"]):
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert "secrets" not in rule["resources"] or rule["verbs"] == ["create"]
        assert not {"bind", "escalate", "impersonate"} & set(rule["verbs"])
        assert "nonResourceURLs" not in rule
