"""The test cluster as tests use it: kubectl and helm, and waiting for what a cluster does in its own time."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
ENVIRONMENT_FILE = ROOT / ".cache" / "cluster.env"
ALLOWED_CONTEXTS_FILE = ROOT / "tests" / "cluster" / "allowed-contexts"

Manifest = dict[str, Any]

MADE_BY_TESTS = "housing-operator.dev/made-by=tests"  # the label of namespaces that tests made


class CommandError(Exception):
    """kubectl or helm ended with an error; `output` is what it said."""

    def __init__(self, command: Sequence[str], output: str) -> None:
        super().__init__(f"{' '.join(command)}: {output.strip()}")
        self.output = output


class WaitTimeoutError(AssertionError):
    """What a test waited for did not come in time."""


def allowed_contexts() -> list[str]:
    """Return the patterns of the contexts that tests may change: the file's, and the user's own.

    HOUSING_ALLOWED_CONTEXTS adds patterns, separated by commas.
    """
    extra = os.environ.get("HOUSING_ALLOWED_CONTEXTS", "").split(",")
    lines = [*ALLOWED_CONTEXTS_FILE.read_text().splitlines(), *extra]
    return [line.strip() for line in lines if line.strip()]


def chosen_environment() -> dict[str, str]:
    """Return this process's environment with what `make cluster-up` chose laid over it."""
    environment = dict(os.environ)
    if ENVIRONMENT_FILE.exists():
        for line in ENVIRONMENT_FILE.read_text().splitlines():
            name, _, value = line.partition("=")
            environment[name] = value
    if tools := environment.get("HOUSING_CLUSTER_PATH"):
        environment["PATH"] = f"{tools}{os.pathsep}{environment['PATH']}"
    return environment


@dataclass(frozen=True)
class Cluster:
    """A cluster that tests may change. Every call names its context, so none can go elsewhere."""

    context: str
    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def connect(cls) -> Cluster:
        """Return the chosen cluster. Raises RuntimeError when there is none, or none allowed."""
        environment = chosen_environment()
        try:
            context = _run(["kubectl", "config", "current-context"], environment).strip()
        except (CommandError, FileNotFoundError) as error:
            raise RuntimeError(f"no cluster to test on: run `make cluster-up` ({error})") from error
        patterns = allowed_contexts()
        if not any(fnmatch.fnmatchcase(context, pattern) for pattern in patterns):
            raise RuntimeError(
                f"the current context is {context!r}, and tests only touch {', '.join(patterns)}: "
                "run `make cluster-up`, or name the context in HOUSING_ALLOWED_CONTEXTS"
            )
        return cls(context, environment)

    def kubectl(
        self, *arguments: str, stdin: str | bytes | None = None, timeout: float = 120
    ) -> str:
        """Run kubectl and return its output. Raises CommandError with all that it said."""
        __tracebackhide__ = True
        command = ["kubectl", f"--context={self.context}", *arguments]
        return _run(command, self.environment, stdin, timeout)

    def helm(self, *arguments: str, timeout: float = 600) -> str:
        """Run helm and return its output. Raises CommandError with all that it said."""
        __tracebackhide__ = True
        command = ["helm", f"--kube-context={self.context}", *arguments]
        return _run(command, self.environment, None, timeout)

    def get(self, kind: str, name: str, namespace: str) -> Manifest:
        """Return one object. Raises CommandError when there is none."""
        found: Manifest = json.loads(self.kubectl("get", kind, name, "-n", namespace, "-o", "json"))
        return found

    def find(self, kind: str, name: str, namespace: str) -> Manifest | None:
        """Return one object, or None when there is none."""
        output = self.kubectl(
            *("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        )
        return json.loads(output) if output.strip() else None

    def select(self, kind: str, namespace: str, selector: str = "") -> list[Manifest]:
        """Return the objects of a kind (several, with commas), narrowed by a label selector."""
        output = self.kubectl("get", kind, "-n", namespace, "-l", selector, "-o", "json")
        items: list[Manifest] = json.loads(output)["items"]
        return items

    def apply(self, *manifests: Manifest | str, namespace: str | None = None) -> None:
        """Apply manifests (mappings, or YAML text) on the server, unknown fields refused.

        Raises CommandError when the API server refuses one; its message is in `output`.
        """
        where = ["-n", namespace] if namespace else []
        for manifest in manifests:
            text = manifest if isinstance(manifest, str) else json.dumps(manifest)
            self.kubectl(
                *("apply", "--server-side", "--force-conflicts", "--validate=strict"),
                *("--field-manager=tests", "-f", "-", *where),
                stdin=text,
            )

    def patch(
        self, kind: str, name: str, namespace: str, patch: Manifest, subresource: str = ""
    ) -> None:
        """Merge a patch into an object, or into its subresource (`status`)."""
        where = [f"--subresource={subresource}"] if subresource else []
        text = json.dumps(patch)
        self.kubectl("patch", kind, name, "-n", namespace, "--type=merge", "-p", text, *where)

    def delete(self, kind: str, name: str, namespace: str, wait: bool = True) -> None:
        """Delete an object, if it is there; wait until it is gone unless told otherwise."""
        self.kubectl(
            *("delete", kind, name, "-n", namespace, "--ignore-not-found", f"--wait={wait}".lower())
        )

    def install_crd(self) -> None:
        """Install today's CRD. It stays: tests that run beside this one need it too."""
        self.apply((ROOT / "manifests" / "crd.yaml").read_text())
        self.kubectl(
            *("wait", "--for=condition=Established", "crd/housingmodels.housing-operator.dev")
        )

    def create_namespace(self, name: str) -> None:
        """Create a namespace that enforces the restricted pod security level."""
        label, _, value = MADE_BY_TESTS.partition("=")
        labels = {"pod-security.kubernetes.io/enforce": "restricted", label: value}
        metadata = {"name": name, "labels": labels}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def wait_for(
        self,
        kind: str,
        name: str,
        namespace: str,
        holds: Callable[[Manifest], bool],
        *,
        what: str,
        timeout: float = 120,
    ) -> Manifest:
        """Return the object once `holds` is true of it.

        Raises WaitTimeoutError after `timeout` seconds; it says `what` was waited for and shows
        the object's status as it was then.
        """

        def look() -> tuple[bool, Manifest | None]:
            found = self.find(kind, name, namespace)
            return found is not None and holds(found), found

        found = wait_until(look, what=f"{kind}/{name} in {namespace}: {what}", timeout=timeout)
        assert found is not None
        return found

    def wait_for_condition(
        self,
        kind: str,
        name: str,
        namespace: str,
        condition: str,
        *,
        status: str = "True",
        reason: str | None = None,
        timeout: float = 120,
    ) -> Manifest:
        """Return the object once a condition has the status, and the reason when one is given."""

        def holds(found: Manifest) -> bool:
            now = condition_of(found, condition)
            return now.get("status") == status and reason in (None, now.get("reason"))

        what = f"{condition}={status}" + (f" with reason {reason}" if reason else "")
        return self.wait_for(kind, name, namespace, holds, what=what, timeout=timeout)

    def wait_gone(self, kind: str, name: str, namespace: str, timeout: float = 120) -> None:
        """Return once there is no such object. Raises WaitTimeoutError after `timeout` seconds."""

        def look() -> tuple[bool, Manifest | None]:
            found = self.find(kind, name, namespace)
            return found is None, found

        wait_until(look, what=f"{kind}/{name} in {namespace}: gone", timeout=timeout)

    def logs(
        self, target: str, namespace: str, *, previous: bool = False, tail: int | None = None
    ) -> str:
        """Return the log of a pod, or of `deployment/x` or `job/x`: all of it, or its last lines."""
        options = [f"--tail={-1 if tail is None else tail}"] + (["--previous"] if previous else [])
        return self.kubectl(
            *("logs", target, "-n", namespace, "--all-containers", "--prefix", *options)
        )

    def exec(
        self, target: str, namespace: str, *command: str, stdin: str | bytes | None = None
    ) -> str:
        """Run a command in a pod, or in one of `deployment/x`, and return its output."""
        interactive = [] if stdin is None else ["-i"]
        return self.kubectl(
            *("exec", *interactive, target, "-n", namespace, "--", *command), stdin=stdin
        )

    def events(self, namespace: str, name: str | None = None) -> list[Manifest]:
        """Return the Events of a namespace, or those about the object of that name, oldest first."""
        found = self.select("events", namespace)
        return sorted(
            (event for event in found if name in (None, event["involvedObject"]["name"])),
            key=lambda event: event["metadata"]["creationTimestamp"],
        )

    @contextmanager
    def port_forward(self, target: str, port: int, namespace: str) -> Iterator[str]:
        """Give a loopback URL for a port of `service/x`, `deployment/x` or a pod.

        It is bound to one pod: when that pod goes, so does the connection. Traffic that must
        outlive pods goes through `service_proxy`.
        """
        yield from self._serving(
            ["port-forward", "-n", namespace, target, f":{port}"], r"127\.0\.0\.1:(\d+)"
        )

    @contextmanager
    def service_proxy(self, service: str, port: int | str, namespace: str) -> Iterator[str]:
        """Give a loopback URL for a Service, through the API server.

        Each request goes to one of the Service's ready pods, so it outlives any one pod.
        """
        with self.api_server() as url:
            yield f"{url}/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy"

    @contextmanager
    def api_server(self) -> Iterator[str]:
        """Give a loopback URL for the API server that asks for no login."""
        yield from self._serving(["proxy", "--port=0"], r"127\.0\.0\.1:(\d+)")

    def _serving(self, arguments: Sequence[str], address: str) -> Iterator[str]:
        """Run kubectl until the caller is done; give the URL of the address that it announces."""
        process = subprocess.Popen(
            ["kubectl", f"--context={self.context}", *arguments],
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.search(address, said)
            if found is None:
                raise CommandError(["kubectl", *arguments], said)
            yield f"http://127.0.0.1:{found.group(1)}"
        finally:
            process.terminate()
            process.wait(10)


def condition_of(found: Manifest, condition: str) -> Manifest:
    """Return a condition from an object's status, or an empty mapping when it has none."""
    conditions: list[Manifest] = found.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == condition), {})


def wait_until(
    look: Callable[[], tuple[bool, Manifest | None]],
    *,
    what: str,
    timeout: float,
    interval: float = 1.0,
) -> Manifest | None:
    """Call `look` until the first thing it returns is true, and return the second.

    Raises WaitTimeoutError after `timeout` seconds, with the status last seen.
    """
    deadline = time.monotonic() + timeout
    while True:
        done, seen = look()
        if done:
            return seen
        if time.monotonic() > deadline:
            state = json.dumps((seen or {}).get("status", "there is none"), indent=1)
            raise WaitTimeoutError(f"waited {timeout:.0f} s for {what}; status now: {state}")
        time.sleep(interval)


def _run(
    command: Sequence[str],
    environment: Mapping[str, str],
    stdin: str | bytes | None = None,
    timeout: float = 120,
) -> str:
    __tracebackhide__ = True  # pytest would show the environment, and what is secret in it
    done = subprocess.run(
        command,
        env=dict(environment),
        input=stdin.encode() if isinstance(stdin, str) else stdin or b"",
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    output = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        raise CommandError(command, done.stderr.decode(errors="replace") + output)
    return output
