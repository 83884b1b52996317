"""A training on several pods, of which one is killed in the middle."""

from __future__ import annotations

import json
import re
import time

import pytest

from tests.cluster_client import Cluster, CommandError, wait_until
from tests.story import ISTANBUL, Story, listings, to_csv

pytestmark = pytest.mark.timeout(1200)

ROWS = 6_000
TREES = 200
TRIALS = 16
SMALL = {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}
"""Three pods find room on a node of two cores."""


def messages(story: Story) -> list[str]:
    """What the training has said so far. Raises AssertionError when its pod has failed."""
    try:
        (pod,) = story.pods("training")
        log = story.cluster.kubectl("logs", pod["metadata"]["name"], "-n", story.namespace)
    except (ValueError, CommandError):  # not there yet, or its container is not
        return []
    assert pod["status"]["phase"] != "Failed", log
    return [json.loads(line)["message"] for line in log.splitlines()]


def until_said(story: Story, beginning: str, *, after: int = 0) -> None:
    """Wait until the training says something that begins so, after so many other messages."""
    wait_until(
        lambda: (any(message.startswith(beginning) for message in messages(story)[after:]), None),
        what=f"the training to say {beginning!r}",
        timeout=300,
    )


def train_on_workers(
    cluster: Cluster, namespace: str, *, begins: str, **training: object
) -> list[str]:
    """A training on two workers, of which one is killed; returns what it has said.

    Args:
        cluster, namespace: with an operator.
        begins: the worker is killed once the training says something that begins so.
        training: what is special about it.

    """
    distributed = {"distributed": {"workers": 2}, "resources": SMALL}
    spec = {"training": {"recipe": "seed", **distributed, **training}}
    story = Story(cluster, namespace, name="crew", spec=spec)
    story.add_listings("a.csv", to_csv(listings(ISTANBUL)[::4][:ROWS]))
    begun = time.monotonic()
    story.apply()
    until_said(story, "2 of 2 workers")
    until_said(story, begins)
    said = len(messages(story))
    victim = story.pods("training-worker")[0]["metadata"]["name"]
    story.cluster.kubectl(
        *("delete", "pod", victim, "-n", namespace, "--force", "--grace-period=0"),
    )
    until_said(story, "1 of 2 workers", after=said)
    status = story.wait(
        "version 1 is registered", lambda s: s["training"].get("outcome") == "Registered"
    )
    found = messages(story)
    print(f"{time.monotonic() - begun:.0f} s", *found, sep="\n")
    assert status["training"]["attempt"] == 1
    story.cluster.wait_gone("job", f"{status['training']['jobName']}-w", namespace)
    wait_until(
        lambda: (not story.pods("training-worker"), None),
        what="no worker to be left",
        timeout=60,
    )
    return found


def test_a_killed_worker_costs_a_forest_nothing_but_time(
    installed_operator: Cluster, namespace: str
) -> None:
    said = train_on_workers(
        installed_operator, namespace, begins="2 of 2 workers", forest={"trees": TREES}
    )
    assert f"{TREES} of {TREES} trees" in said


@pytest.mark.slow
def test_a_killed_worker_costs_a_search_no_settings(
    installed_operator: Cluster, namespace: str
) -> None:
    said = train_on_workers(
        installed_operator,
        namespace,
        begins=f"search: 4 of {TRIALS} settings",
        forest={"trees": 60},
        search={"trials": TRIALS, "timeout": "10m"},
    )
    (found,) = (one for one in said if one.startswith("search: ") and " settings judged, " in one)
    judged, given_up = map(int, re.findall(r"\d+", found)[:2])
    assert judged + given_up == TRIALS
    assert "search.timeout" not in found
