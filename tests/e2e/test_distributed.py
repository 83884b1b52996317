"""A training on several pods, of which one is killed in the middle."""

from __future__ import annotations

import json
import time

import pytest

from tests.cluster_client import Cluster, CommandError, Manifest, wait_until
from tests.story import ISTANBUL, Story, listings, to_csv

pytestmark = pytest.mark.timeout(1200)

ROWS = 6_000
TREES = 200
SMALL = {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}
"""Three pods find room on a node of two cores."""


def pods(story: Story, component: str) -> list[Manifest]:
    return story.cluster.select(
        "pod",
        story.namespace,
        f"app.kubernetes.io/instance={story.name},app.kubernetes.io/component={component}",
    )


def messages(story: Story) -> list[str]:
    """What the training has said so far."""
    try:
        (pod,) = pods(story, "training")
        log = story.cluster.kubectl("logs", pod["metadata"]["name"], "-n", story.namespace)
    except (ValueError, CommandError):  # not there yet, or its container is not
        return []
    return [json.loads(line)["message"] for line in log.splitlines()]


def until_said(story: Story, beginning: str) -> None:
    """Wait until the training says something that begins so."""
    wait_until(
        lambda: (any(message.startswith(beginning) for message in messages(story)), None),
        what=f"the training to say {beginning!r}",
        timeout=300,
    )


def test_a_killed_worker_costs_the_training_nothing_but_time(
    installed_operator: Cluster, namespace: str
) -> None:
    story = Story(
        installed_operator,
        namespace,
        name="crew",
        spec={
            "training": {
                "recipe": "seed",
                "forest": {"trees": TREES},
                "distributed": {"workers": 2},
                "resources": SMALL,
            }
        },
    )
    story.add_listings("a.csv", to_csv(listings(ISTANBUL)[::4][:ROWS]))
    begun = time.monotonic()
    story.apply()
    until_said(story, "2 of 2 workers")
    victim = pods(story, "training-worker")[0]["metadata"]["name"]
    story.cluster.kubectl(
        *("delete", "pod", victim, "-n", namespace, "--force", "--grace-period=0"),
    )
    until_said(story, "1 of 2 workers")
    status = story.wait(
        "version 1 is registered", lambda s: s["training"].get("outcome") == "Registered"
    )
    print(f"{time.monotonic() - begun:.0f} s", *messages(story), sep="\n")
    assert status["training"]["attempt"] == 1
    story.cluster.wait_gone("job", f"{status['training']['jobName']}-w", namespace)
    wait_until(
        lambda: (not pods(story, "training-worker"), None),
        what="no worker to be left",
        timeout=60,
    )
