"""What follows the progress of a run, 0 at its start and 1 at its end: learning rate and input size."""

from __future__ import annotations

import math
from collections.abc import Callable

from headwise.training.settings import Optim, RunSettings, Schedule

COLD = 0.04  # of the learning rate, with which the warm-up begins


def cosine(after: float, optim: Optim) -> float:
    """Half a cosine, from 1 down to 0."""
    del optim
    return 0.5 * (1 + math.cos(math.pi * after))


def linear(after: float, optim: Optim) -> float:
    """A straight line from 1 down to 0."""
    del optim
    return 1 - after


def step(after: float, optim: Optim) -> float:
    """`step_factor` less at each of `steps`."""
    return float(optim.step_factor ** sum(after >= place for place in optim.steps))


def constant(after: float, optim: Optim) -> float:
    """1 to the end."""
    del after, optim
    return 1.0


CURVES: dict[str, Callable[[float, Optim], float]] = {
    "cosine": cosine,
    "linear": linear,
    "step": step,
    "constant": constant,
}
"""Share of the learning rate by progress since the warm-up, 0..1."""


def learning_rate(progress: float, settings: RunSettings) -> float:
    """Linear warm-up, then the curve of `settings.optim`."""
    optim = settings.optim
    warm = optim.warmup_share
    if progress < warm:
        return optim.lr * (COLD + (1 - COLD) * progress / warm)
    return optim.lr * CURVES[optim.curve]((progress - warm) / (1 - warm), optim)


def input_size_px(progress: float, schedule: Schedule) -> int:
    """Input size of the stage that progress is in."""
    done = 0.0
    for stage in schedule.stages:
        done += stage.share
        if progress < done:
            return stage.size_px
    return schedule.stages[-1].size_px
