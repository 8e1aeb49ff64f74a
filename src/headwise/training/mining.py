"""Hard examples: samples with larger losses are seen more often.

A part of each round is drawn in proportion to the mean loss that a sample had so far; the rest is drawn as
without mining. Labels that are wrong are never learned and would fill the drawn part: so every loss above a
quantile of all counts as that quantile, and a sample's share of a round has a limit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from headwise.errors import SettingsError
from headwise.training.settings import Mining


class LossHistory:
    """The exponential mean of each sample's losses, and rounds drawn by it."""

    def __init__(self, settings: Mining) -> None:
        self.settings = settings
        self._names: tuple[str, ...] = ()
        self._sums = np.zeros(0, np.float32)
        self._weights = np.zeros(0, np.float32)  # sum of the weights in _sums, which makes it a mean
        self._order = np.zeros(0, np.int64)

    @property
    def order(self) -> NDArray[np.int64]:
        """Indices of the round under way."""
        return self._order

    def begin_round(
        self, plain: NDArray[np.int64], count: int, names: tuple[str, ...], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """The order of a round of the same length as the `plain` one, of data with `count` samples.

        `names` are the shards: a sample keeps its index while shards are only added behind; if not, the
        history is forgotten.
        """
        if plain.max(initial=-1) >= count:
            raise SettingsError("[mining] needs data with a fixed number of samples; set share = 0")
        if names[: len(self._names)] != self._names or count < len(self._sums):
            self._sums, self._weights = np.zeros(0, np.float32), np.zeros(0, np.float32)
        self._names = names
        new = np.zeros(count - len(self._sums), np.float32)
        self._sums, self._weights = np.append(self._sums, new), np.append(self._weights, new)
        drawn = round(self.settings.share * len(plain)) if self._weights[plain].any() else 0
        hard = plain[systematic(self.difficulty()[plain], drawn, rng)]
        self._order = np.concatenate([plain[: len(plain) - drawn], hard])
        if drawn:
            rng.shuffle(self._order)
        return self._order

    def difficulty(self) -> NDArray[np.float64]:
        """(count,) mean losses, capped, from 0 up; who was never seen has the mean of all.

        Likelihoods can fall below 0: then the smallest one counts as 0.
        """
        seen = self._weights > 0
        result = np.ones(len(seen))
        if seen.any():
            means = self._sums[seen] / self._weights[seen].astype(np.float64)
            means = np.minimum(means, np.quantile(means, self.settings.cap_quantile)) - min(0, means.min())
            result[:] = means.mean()
            result[seen] = means
        return result

    def remember(self, indices: NDArray[np.int64], losses: NDArray[np.float32]) -> None:
        """Losses (n,) that the samples (n,) had in one step; those that are not finite teach nothing."""
        memory = np.float32(self.settings.memory)
        for index, loss in zip(indices.tolist(), losses.tolist(), strict=True):
            if np.isfinite(loss):
                self._sums[index] = memory * self._sums[index] + (1 - memory) * np.float32(loss)
                self._weights[index] = memory * self._weights[index] + (1 - memory)

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint: the history and the round under way, which was drawn from an older one."""
        return {
            "names": list(self._names),
            "sums": torch.from_numpy(self._sums),
            "weights": torch.from_numpy(self._weights),
            "order": torch.from_numpy(self._order),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._names = tuple(state["names"])
        self._sums, self._weights = state["sums"].numpy(), state["weights"].numpy()
        self._order = state["order"].numpy()


def systematic(weights: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`count` places, each as often as its share of the weights says, give or take less than one.

    Systematic sampling: equal steps through the cumulated weights from one random start.
    """
    edges = np.cumsum(weights)
    if not count or edges[-1] <= 0:
        return rng.permutation(len(weights))[:count]
    steps = (np.arange(count) + rng.random()) * (edges[-1] / count)
    places: NDArray[np.int64] = np.minimum(np.searchsorted(edges, steps, side="right"), len(weights) - 1)
    return places
