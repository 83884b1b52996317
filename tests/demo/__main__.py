"""Show housing-operator on real listings: `python -m tests.demo {up,drift}`."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from housing_core.drift_report import HTML_FILE
from tests.cluster_client import ROOT, Cluster, CommandError, condition_of
from tests.load import SteadyLoad
from tests.operator_release import RELEASE, SYSTEM_NAMESPACE, install_operator
from tests.story import (
    ISTANBUL,
    IZMIR,
    Story,
    failed_for_good,
    listings,
    without_price,
)

NAMESPACE = "housing-demo"
DRIFT_PREDICTIONS = 2_000

# The demo retrains as soon as drift is found; a real model keeps the defaults.
SPEC = {"retraining": {"cooldown": "1m", "maxPerDay": 24}}


def say(text: str = "") -> None:
    """One line, at once, also into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Stages:
    """Names each stage, and tells how long it took."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, float]] = []

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Announce a stage and time it."""
        say(f"\n==> {title}")
        begun = time.monotonic()
        yield
        self.taken.append((title, time.monotonic() - begun))

    def table(self) -> str:
        """A line for each stage and one for all."""
        rows = [*self.taken, ("in all", sum(seconds for _, seconds in self.taken))]
        return "\n".join(f"  {seconds:7.1f} s  {title}" for title, seconds in rows)


def make(target: str) -> None:
    """Run a target of the Makefile, its output passed on."""
    subprocess.run(["make", "--no-print-directory", target], cwd=ROOT, check=True)


def up() -> None:
    """From nothing to a live prediction."""
    stages = Stages()
    with stages.stage("A cluster (kind where Docker runs, else Kubernetes from tests/cluster)"):
        make("cluster-up")
    with stages.stage("The five images"):
        make("images")
    cluster = Cluster.connect()
    with stages.stage("Operator and MLflow, by helm install"):
        install_operator(cluster)
    story = Story(cluster, NAMESPACE, say=say, spec=SPEC)
    with stages.stage("27,711 real listings of Istanbul onto a volume"):
        cluster.create_namespace(NAMESPACE)
        story.add_listings(ISTANBUL.name, ISTANBUL)
    with stages.stage("A HousingModel: train, register, stage, promote"):
        say(json.dumps(story.manifest["spec"], indent=2))
        story.apply()
        story.wait(
            "production answers",
            lambda status: any(
                c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", [])
            ),
            give_up=failed_for_good,
        )
    example = without_price(listings(ISTANBUL))[0]
    with stages.stage("A live prediction"):
        answer = story.predict(example)
    _closing_screen(cluster, story, example, answer, stages)


def _closing_screen(
    cluster: Cluster,
    story: Story,
    example: dict[str, str],
    answer: dict[str, object],
    stages: Stages,
) -> None:
    production = story.status()["production"]
    say("\n" + "=" * 78)
    say(
        f"Version {production['version']} is in production. On the holdout: macro F1 "
        f"{production['macroF1']:.3f}, accuracy {production['accuracy']:.3f}, "
        f"ROC-AUC {production['rocAuc']:.3f}."
    )
    say("\n$ kubectl get housingmodels -n " + NAMESPACE)
    say(cluster.kubectl("get", "housingmodels", "-n", NAMESPACE).rstrip())
    body = json.dumps(example, ensure_ascii=False)
    say(f"\n$ kubectl -n {NAMESPACE} port-forward service/{story.name}-production 8080 &")
    say(
        "$ curl -s localhost:8080/predict -H 'Content-Type: application/json' -d "
        f"{shlex.quote(body)}"
    )
    say(json.dumps(answer, indent=2, ensure_ascii=False))
    say("\nWhere the time went:\n" + stages.table())
    say("\nWhat to look at next:")
    say('  eval "$(make cluster-env)"    # kubectl and helm for this cluster')
    say("  Swagger:  http://localhost:8080/docs, after the port-forward above")
    say(
        f"  MLflow:   kubectl -n {SYSTEM_NAMESPACE} port-forward service/{RELEASE}-mlflow 5000, "
        "then http://localhost:5000"
    )
    say(f"  Resource: kubectl -n {NAMESPACE} describe housingmodel {story.name}")
    say("  Drift:    make demo-drift    # or make demo-drift NEW_DATA=no")


def drift(*, new_data: bool) -> None:
    """Another city's listings come in: drift, and what follows."""
    cluster = Cluster.connect()
    story = Story(cluster, NAMESPACE, say=say, spec=SPEC)
    if cluster.find("housingmodel", story.name, NAMESPACE) is None:
        raise SystemExit("there is no model yet: run `make demo` first")
    stages = Stages()
    former = story.status().get("production", {}).get("version")
    if former is None:
        raise SystemExit("no version is in production yet: run `make demo`, and let it end")
    izmir = listings(IZMIR)
    load = SteadyLoad(cluster, NAMESPACE)
    with stages.stage("Steady load: 10 requests a second until the end"):
        load.start(
            f"http://{story.name}-production.{NAMESPACE}.svc:8080/predict",
            without_price(listings(ISTANBUL)[::140]),
        )
    with stages.stage(f"{DRIFT_PREDICTIONS:,} listings of Izmir are asked for"):
        story.send(without_price(izmir)[:DRIFT_PREDICTIONS])
        time.sleep(5)  # the prediction log is written every few seconds
    if new_data:
        with stages.stage("Izmir's listings, with prices, are added to the dataset's folder"):
            story.add_listings(IZMIR.name, IZMIR)
    with stages.stage("The monitor runs, as it does every hour"):
        report = story.watch_drift_now()
        say(f"    verdict {report['verdict']}: {report['reason']}")
    if report["verdict"] == "Drift":
        with stages.stage("Drift asks for a retraining"):
            _follow_retraining(story, former)
    time.sleep(10)  # so that the load meets what answers now
    result = load.stop()
    say("\n" + "=" * 78)
    say(
        f"{result.sent} requests during all this, {sum(result.failed.values())} failed "
        f"{result.failed or ''}; answered by versions {result.versions}; "
        f"99th percentile {result.p99_seconds * 1000:.0f} ms."
    )
    say(cluster.kubectl("get", "housingmodels", "-n", NAMESPACE).rstrip())
    say("\nWhere the time went:\n" + stages.table())
    say("\nThe drift report, for people:")
    say(f"  kubectl -n {SYSTEM_NAMESPACE} port-forward service/{RELEASE}-mlflow 5000 &")
    say(f"  http://localhost:5000/#/runs/{report['runId']}, then Artifacts, then {HTML_FILE}")


def _follow_retraining(story: Story, former: str) -> None:
    """Until a newer version answers, or the operator says that there is nothing new to learn from."""
    status = story.wait(
        "the retraining has ended",
        lambda status: (
            _blocked(status).get("reason") == "NoNewData"
            or (
                status["production"]["version"] != former
                and status["production"].get("readyReplicas", 0) >= 1
            )
        ),
        give_up=failed_for_good,
    )
    if status["production"]["version"] == former:
        say(f"    RetrainingBlocked: NoNewData: {_blocked(status)['message']}")
        say("    Give it Izmir's prices with `make demo-drift` (without NEW_DATA=no).")
    else:
        story.wait_for_production(status["production"]["version"])


def _blocked(status: dict[str, Any]) -> dict[str, Any]:
    return condition_of({"status": status}, "RetrainingBlocked")


def main() -> None:
    """Run the part of the demo that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    parts.add_parser("up", help="from nothing to a live prediction")
    drifting = parts.add_parser("drift", help="another city's listings, and what follows")
    drifting.add_argument(
        "--without-new-data",
        action="store_true",
        help="do not add the listings to the dataset: the retraining is blocked by NoNewData",
    )
    arguments = parser.parse_args()
    try:
        if arguments.part == "up":
            up()
        else:
            drift(new_data=not arguments.without_new_data)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"\nthe demo stopped: {shlex.join(error.cmd)} failed") from error
    except (
        AssertionError,
        CommandError,
        OSError,
        RuntimeError,
        subprocess.TimeoutExpired,
    ) as error:
        raise SystemExit(f"\nthe demo stopped: {error}") from error
    except KeyboardInterrupt:
        raise SystemExit("\nthe demo was stopped; what it started is still there") from None


if __name__ == "__main__":
    main()
