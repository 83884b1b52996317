"""What each column contributes to an answer: Shapley values by sampled permutations. Pure.

The contribution of column j to the probability of a class is its Shapley value in the game whose
players are the columns and whose worth is, for a set S of columns,

    v(S) = mean over background listings b of f(the columns in S from the listing, the others from b)

(Štrumbelj and Kononenko, "Explaining prediction models and individual predictions with feature
contributions", Knowledge and Information Systems 41, 2014, algorithm 1; Lundberg and Lee, "A
unified approach to interpreting model predictions", NIPS 2017, section 2.4). It is the mean, over
orders of the columns, of how much the probability changes when column j follows those before it.
For each background listing a random order and its reverse are gone through (antithetic sampling).
The changes along an order add up to f(listing) - f(b), whatever the order, so that the
contributions add up to the answer minus the base value without any error of sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from housing_core.bundle import Schema
from housing_serving.inference.background import SEED, draw_background
from housing_serving.inference.encoding import Inputs, Listing
from housing_serving.inference.model import Model

MOST_BACKGROUND_ROWS = 64
FEWEST_BACKGROUND_ROWS = 8
MOST_EVALUATIONS = 4_096
"""Rows that the graph answers for one listing, unless it has more than 257 columns."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Contributions to one answer.

    Attributes:
        base: (classes,) mean probabilities over the background.
        answer: (classes,) probabilities of the listing.
        contributions: (columns, classes); their sum over the columns is `answer - base`.
        standard_errors: (columns, classes) of the contributions: how far others would be that are
            taken from as many other background listings and orders.

    """

    base: Floats
    answer: Floats
    contributions: Floats
    standard_errors: Floats


class Explainer:
    """Explains answers of one model; safe to use from several threads."""

    def __init__(self, model: Model) -> None:
        """Draw background and orders; the model answers the background once."""
        self._model = model
        self._columns = len(model.schema.columns)
        self.background_rows = background_rows(self._columns)
        self._background = draw_background(model.schema, model.reference, self.background_rows)
        self._start = _probabilities(model, self._background)
        self.base = self._start.mean(axis=0)
        random = np.random.default_rng(SEED)
        orders = np.array([random.permutation(self._columns) for _ in range(self.background_rows)])
        self._orders = np.stack([orders, orders[:, ::-1]], axis=1)

    def explain(self, rows: Sequence[Listing]) -> list[Explanation]:
        """Explain the answers to some listings.

        Raises:
            BadListingsError: when a value cannot be taken.

        """
        inputs = self._model.encoder.encode(rows)
        answers = _probabilities(self._model, inputs)
        return [self._explain(inputs, i, answer) for i, answer in enumerate(answers)]

    def _explain(self, inputs: Inputs, row: int, answer: Floats) -> Explanation:
        columns, count, classes = self._columns, self.background_rows, len(answer)
        # (background, both directions, steps): after step k, the columns of k positions are the
        # listing's. The first and the last step are known: the background's answer, the listing's.
        rank = np.argsort(self._orders, axis=2)
        steps = np.arange(1, columns).reshape(1, 1, -1, 1)
        taken = (rank[:, :, None, :] < steps).reshape(-1, columns)
        of = np.repeat(np.arange(count), 2 * (columns - 1))
        walked = np.empty((count, 2, columns + 1, classes))
        walked[:, :, 0] = self._start[:, None, :]
        walked[:, :, -1] = answer
        if columns > 1:
            mixed = {}
            for position in range(columns):
                name = Schema.input_name(position)
                values = np.where(
                    taken[:, position, None], inputs[name][row], self._background[name][of]
                )
                mixed[name] = values
            between = _probabilities(self._model, mixed)
            walked[:, :, 1:-1] = between.reshape(count, 2, columns - 1, classes)
        changes = np.diff(walked, axis=2)
        # Back from the order of the steps to that of the columns.
        by_column = np.take_along_axis(changes, rank[..., None], axis=2).mean(axis=1)
        return Explanation(
            base=self.base,
            answer=answer,
            contributions=by_column.mean(axis=0),
            standard_errors=by_column.std(axis=0, ddof=1) / np.sqrt(count),
        )


def background_rows(columns: int) -> int:
    """How many background listings: fewer for many columns, so that the time is bounded."""
    affordable = MOST_EVALUATIONS // max(2 * (columns - 1), 1)
    return max(FEWEST_BACKGROUND_ROWS, min(MOST_BACKGROUND_ROWS, affordable))


def _probabilities(model: Model, inputs: Inputs) -> Floats:
    return model.classify(inputs).probabilities.astype(np.float64)
