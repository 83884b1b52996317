"""True prices that come to `/feedback`: judged by, and with `dataset.feedback: Join` learned from."""

from __future__ import annotations

import re
import time

import pytest

from tests.cluster_client import Cluster
from tests.story import (
    DATASET_CLAIM,
    ISTANBUL,
    LOG_FLUSH_SECONDS,
    TARGET,
    Story,
    listings,
    to_csv,
    without_price,
)

pytestmark = [pytest.mark.timeout(1200), pytest.mark.slow]

TOLD = 300


def test_the_next_version_learns_from_prices_that_came_back(
    installed_operator: Cluster, namespace: str
) -> None:
    distinct = list({tuple(sorted(row.items())): row for row in listings(ISTANBUL)[::9]}.values())
    known, told = distinct[:-TOLD], distinct[-TOLD:]
    story = Story(
        installed_operator,
        namespace,
        name="joined",
        spec={
            "dataset": {
                "uri": f"pvc://{DATASET_CLAIM}/joined",
                "target": {"column": TARGET},
                "feedback": "Join",
            },
            "training": {"recipe": "seed", "forest": {"trees": 40}},
        },
    )
    story.take_feedback()
    story.add_listings("a.csv", to_csv(known))
    story.apply()
    status = story.wait_for_production("1")
    assert "/feedback" not in status["training"]["message"]

    answers = story.send(without_price(told))
    story.tell_prices(answers, [row[TARGET] for row in told])
    time.sleep(LOG_FLUSH_SECONDS)
    story.cluster.kubectl(
        *("annotate", "housingmodel", "joined", "housing-operator.dev/retrain=now"),
        *("-n", namespace),
    )
    status = story.wait_for_production("2")
    found = re.search(r"(\d+) of the (\d+) rows came to /feedback", status["training"]["message"])
    assert found, status["training"]["message"]
    came, rows = map(int, found.groups())
    # A row that differs from one of the files in nothing but a text's spaces is dropped.
    assert TOLD * 0.97 <= came <= TOLD
    assert rows > len(known) * 0.97
