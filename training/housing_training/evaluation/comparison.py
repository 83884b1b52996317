"""Champion and challenger on the newest holdout, each scored on its own boundaries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from housing_core.bundle import Comparison, Interval, read_schema
from housing_training.data.reading import Listings
from housing_training.data.target import Classes, Prices, classify
from housing_training.data.typed_rows import clean_listings
from housing_training.evaluation.intervals import ahead_interval, score_intervals
from housing_training.evaluation.metrics import expected_class, score
from housing_training.evaluation.ranks import rank_correlation, rank_intervals
from housing_training.export.inference import Answers, Graph, graph_inputs

SEED = 42
"""Of the resampling: two trainings of one version compare alike."""


def compare(
    bundle: Path,
    version: str,
    *,
    holdout: Listings,
    prices: Prices,
    answers: Answers,
    boundaries: Sequence[float],
) -> Comparison:
    """Score the champion beside the challenger.

    Args:
        bundle: the champion's bundle folder.
        version: the champion's version.
        holdout: the newest holdout, raw.
        prices: (holdout rows,).
        answers: the challenger's.
        boundaries: the challenger's.

    Raises:
        BundleError: when the champion's bundle cannot be used.

    """
    schema = read_schema(bundle)
    rows = clean_listings(holdout, schema.rules)
    champion = Graph(bundle).run(graph_inputs(rows, schema.columns))

    champion_truth, truth = classify(prices, schema.boundaries), classify(prices, boundaries)

    def macro_f1(truth: Classes, found: Answers) -> tuple[float, Interval]:
        scores = score(truth, found.labels, found.probabilities)
        within = score_intervals(np.array(scores.confusion_matrix), SEED)
        return scores.macro_f1, within["macro_f1"]

    champion_f1, champion_f1_interval = macro_f1(champion_truth, champion)
    challenger_f1, challenger_f1_interval = macro_f1(truth, answers)
    expected = [expected_class(found.probabilities) for found in (champion, answers)]
    champion_rank, challenger_rank = (rank_correlation(values, prices) for values in expected)
    champion_rank_interval, challenger_rank_interval = rank_intervals(expected, prices, SEED)
    ahead, interval = ahead_interval(
        (truth, answers.labels),
        (champion_truth, champion.labels),
        (len(boundaries) + 1, len(schema.classes)),
        SEED,
    )
    return Comparison(
        champion_version=version,
        rows=len(prices),
        champion_macro_f1=champion_f1,
        champion_macro_f1_interval=champion_f1_interval,
        challenger_macro_f1=challenger_f1,
        challenger_macro_f1_interval=challenger_f1_interval,
        champion_rank_correlation=champion_rank,
        champion_rank_correlation_interval=champion_rank_interval,
        challenger_rank_correlation=challenger_rank,
        challenger_rank_correlation_interval=challenger_rank_interval,
        champion_boundaries=schema.boundaries,
        ahead=ahead,
        ahead_interval=interval,
    )
