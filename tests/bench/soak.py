"""Production under steady load while its pods are killed, rolled, scaled and evicted, and more.

`python -m tests.bench.soak --minutes 10` on the test cluster. The rate is 70 % of what two pods
answered unthrottled, by the same callers over kept connections. A request without a 2xx answer
fails the run. The table goes to docs/results/serving.md, below those of `make bench-serving`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.serving.results_page import SOAK_HEADING, write_soak
from tests.cluster_client import (
    ROOT,
    Cluster,
    CommandError,
    Manifest,
    condition_of,
    wait_until,
)
from tests.load import LoadResult, SteadyLoad
from tests.operator_release import install_operator
from tests.story import FEEDBACK_TOKEN, ISTANBUL, Story, listings, post, without_price

RESULTS = ROOT / "docs" / "results" / "serving.md"
NAMESPACE = "housing-soak"
NEXT_TOKEN = "the-next-token-of-the-soak"
REPLICAS = 2
SHARE_OF_PEAK = 0.7
CONNECTIONS = 32
PEAK_SECONDS = 20.0
KILL_EVERY_SECONDS = 20.0
UNTHROTTLED = 0.0


@dataclass(frozen=True)
class Phase:
    """What callers saw of one phase, and how many pods were ended in it."""

    name: str
    result: LoadResult
    ended: int


class Soak:
    """One model in production, the load on it, and what is done to its pods."""

    def __init__(self, cluster: Cluster, trees: int) -> None:
        self.cluster = cluster
        self.story = Story(
            cluster,
            NAMESPACE,
            say=say,
            spec={
                "training": {"recipe": "seed", "forest": {"trees": trees}},
                "promotion": {"gates": {"maxLatency": "2s"}},
                "serving": {
                    "production": {"replicas": REPLICAS},
                    # Where pods may be on several nodes they have a disruption budget.
                    "predictionLog": {"accessMode": "ReadWriteMany"},
                },
            },
        )
        self.deployment = f"{self.story.name}-production"
        self.load = SteadyLoad(cluster, NAMESPACE)

    def prepare(self) -> None:
        """Train the model and bring it to production."""
        self.cluster.create_namespace(NAMESPACE)
        self.story.add_listings("istanbul.csv", ISTANBUL)
        self.story.take_feedback()
        self.story.apply()
        self.story.wait_for_production("1")
        self.settle()

    def phase(self, name: str, per_second: float, disturb: Callable[[], int]) -> Phase:
        """Disturb the pods while callers ask."""
        self.load.start(
            f"http://{self.deployment}.{NAMESPACE}.svc:8080/predict",
            without_price(listings(ISTANBUL)[::140]),
            per_second,
            CONNECTIONS,
        )
        ended = disturb()
        found = Phase(name, self.load.stop(), ended)
        say(f"    {name}: {found.result}, {ended} pods ended")
        self.settle()
        return found

    def pods(self) -> list[Manifest]:
        """Pods of production that are not being ended."""
        found = self.cluster.select(
            "pod",
            NAMESPACE,
            f"app.kubernetes.io/instance={self.story.name},housing-operator.dev/track=production",
        )
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def settle(self, replicas: int = REPLICAS) -> None:
        """Wait until so many pods are ready, and no others are there."""

        def settled() -> tuple[bool, Manifest | None]:
            pods = self.pods()
            ready = [condition_of(pod, "Ready").get("status") == "True" for pod in pods]
            return ready == [True] * replicas, None

        wait_until(settled, what=f"{replicas} ready pods", timeout=300)

    def kill(self, seconds: float) -> int:
        """Delete one pod after the other, one every 20 s, as Kubernetes ends pods: with SIGTERM."""
        ended = 0
        for _ in ticks(seconds):
            self.settle()  # where a pod takes longer to start, that is what sets the pace
            victim = min(self.pods(), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
            name = victim["metadata"]["name"]
            self.cluster.kubectl("delete", "pod", name, "-n", NAMESPACE, "--wait=false")
            ended += 1
        return ended

    def roll(self) -> int:
        """Start every pod anew, as `kubectl rollout restart` does."""
        before = len(self.pods())
        self.cluster.kubectl("rollout", "restart", f"deployment/{self.deployment}", "-n", NAMESPACE)
        self.cluster.kubectl(
            *("rollout", "status", f"deployment/{self.deployment}", "-n", NAMESPACE),
            "--timeout=5m",
            timeout=320,
        )
        return before

    def scale(self) -> int:
        """One pod more by the autoscaler, which needs no metrics to reach its minimum, and back."""
        production = self.story.spec["serving"]["production"]
        for replicas in (REPLICAS + 1, REPLICAS):
            production.clear()
            if replicas == REPLICAS:
                production["replicas"] = replicas
            else:
                bounds = {"minReplicas": replicas, "maxReplicas": replicas}
                production["autoscaling"] = {**bounds, "targetRequestsPerSecond": 1_000_000}
            self.story.apply()
            self.settle(replicas)
            time.sleep(KILL_EVERY_SECONDS / 2)
        return 1

    def rotate(self) -> int:
        """Give feedback another token: every pod takes the new one and only that, and stays."""
        before = sorted(pod["metadata"]["name"] for pod in self.pods())
        self.story.take_feedback(NEXT_TOKEN)

        def rotated() -> tuple[bool, Manifest | None]:
            return (
                all(
                    self._takes(name, NEXT_TOKEN) and not self._takes(name, FEEDBACK_TOKEN)
                    for name in before
                ),
                None,
            )

        # The kubelet brings a Secret to its pods within about a minute and a half.
        wait_until(rotated, what="the new token", timeout=300, interval=5)
        after = sorted(pod["metadata"]["name"] for pod in self.pods())
        if after != before:
            raise AssertionError(f"the pods were {before}, and are {after}")
        return 0

    def _takes(self, pod: str, token: str) -> bool:
        price = [{"requestId": "0" * 32, "row": 0, "price": "1"}]
        with self.cluster.port_forward(f"pod/{pod}", 8080, NAMESPACE) as url:
            try:
                post(f"{url}/feedback", price, headers={"Authorization": f"Bearer {token}"})
            except AssertionError as error:
                if " answered 401" not in str(error):
                    raise
                return False
        return True

    def drain(self) -> int:
        """Ask for the eviction of all pods at once, again and again, as `kubectl drain` does.

        The disruption budget lets one go at a time; the API answers 429 for the others until then.
        """
        victims = [pod["metadata"]["name"] for pod in self.pods()]
        left = set(victims)

        def gone() -> tuple[bool, Manifest | None]:
            left.difference_update({name for name in left if self._evicted(name)})
            return not left, None

        refused = not gone()[0]
        wait_until(gone, what=f"the eviction of {victims}", timeout=300, interval=1)
        if not refused:
            raise AssertionError("all pods were evicted at once: there is no disruption budget")
        self.settle()
        return len(victims)

    def _evicted(self, name: str) -> bool:
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": NAMESPACE},
        }
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction"
        try:
            self.cluster.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(body))
        except CommandError as error:
            if "disruption budget" not in str(error):
                raise
            return False
        return True


def ticks(seconds: float) -> Iterator[int]:
    """One every 20 s for so long."""
    begun = time.monotonic()
    for number in itertools.count():
        due = number * KILL_EVERY_SECONDS
        if due >= seconds:
            break
        time.sleep(max(0.0, begun + due - time.monotonic()))
        yield number
    time.sleep(max(0.0, begun + seconds - time.monotonic()))


def rest(seconds: float) -> int:
    """Disturb nothing."""
    time.sleep(seconds)
    return 0


def say(text: str) -> None:
    """One line, at once, also into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def section(phases: list[Phase], peak: LoadResult, minutes: float) -> str:
    """The results as a part of the page on serving."""
    rows = "\n".join(
        f"| {phase.name} | {phase.result.seconds:.0f} | {phase.ended} | {phase.result.sent:,} "
        f"| {sum(phase.result.failed.values())} | {phase.result.sent / phase.result.seconds:,.0f} "
        f"| {phase.result.p50_seconds * 1000:,.1f} | {phase.result.p99_seconds * 1000:,.1f} |"
        for phase in phases
    )
    machine_load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return f"""{SOAK_HEADING}

Made by `make soak MINUTES={minutes:g}` on {datetime.now(UTC):%Y-%m-%d}: a HousingModel with {REPLICAS} production pods on a cluster of one node, load from a pod of the same node through the Service, one listing a request, {CONNECTIONS} kept connections. Unthrottled these callers got {peak.sent / peak.seconds:,.0f} answers/s; the rate below is {SHARE_OF_PEAK:.0%} of that. A request's time begins when it is due, also where it is sent late.

| phase | seconds | pods ended | requests | failed | requests/s | p50, ms | p99, ms |
|---|---|---|---|---|---|---|---|
{rows}

Pods are ended as Kubernetes does it, with SIGTERM: by the eviction API as `kubectl drain` asks for it, all pods at once, which the disruption budget lets go one by one; by `kubectl rollout restart`; by an autoscaler that goes to {REPLICAS + 1} and is taken away again; and by deletion, one every {KILL_EVERY_SECONDS:.0f} s. A new token in the Secret of feedback ends none. Server, callers, control plane and the start of every new pod share the node's {os.cpu_count()} cores: compare the rows with the quiet one, not with another machine. The load average was {machine_load} at the end.
"""


def run(cluster: Cluster, minutes: float, trees: int, target: Path) -> int:
    """Soak, and write the page; 1 when a request has failed."""
    install_operator(cluster)
    soak = Soak(cluster, trees)
    seconds = minutes * 60
    try:
        soak.prepare()
        peak = soak.phase("peak", UNTHROTTLED, lambda: rest(PEAK_SECONDS)).result
        rate = SHARE_OF_PEAK * peak.sent / peak.seconds
        phases = [
            soak.phase("quiet", rate, lambda: rest(min(60.0, seconds / 4))),
            soak.phase("drained", rate, soak.drain),
            soak.phase("token of feedback changed", rate, soak.rotate),
            soak.phase("rolling restart", rate, soak.roll),
            soak.phase(f"scaled {REPLICAS} → {REPLICAS + 1} → {REPLICAS}", rate, soak.scale),
            soak.phase("one pod killed every 20 s", rate, lambda: soak.kill(seconds)),
        ]
    finally:
        cluster.delete("namespace", NAMESPACE, "", wait=False)
    write_soak(target, section(phases, peak, minutes))
    failed = {phase.name: phase.result.failed for phase in phases if phase.result.failed}
    if failed:
        say(f"requests failed: {failed}")
        return 1
    say(f"no request failed; {target} has the table")
    return 0


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="of killing (default: 10)")
    parser.add_argument("--trees", type=int, default=100, help="of the model (default: 100)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="default: %(default)s")
    arguments = parser.parse_args()
    return run(Cluster.connect(), arguments.minutes, arguments.trees, arguments.output)


if __name__ == "__main__":
    sys.exit(main())
