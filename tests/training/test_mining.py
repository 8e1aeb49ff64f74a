"""Hard examples are drawn more often, those with wrong labels not without limit, and the same ones twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'headwise[train]'")

from headwise.errors import SettingsError  # noqa: E402
from headwise.training.mining import LossHistory, systematic  # noqa: E402
from headwise.training.settings import Mining  # noqa: E402
from toy_task import Greys, ToyTask, run_in, weights  # noqa: E402

COUNT = 1000
ALL = np.arange(COUNT)


def drawn(losses: np.ndarray, rounds: int = 20, **settings: float) -> np.ndarray:
    """(COUNT,) how often each sample comes in so many rounds after it had these losses."""
    history = LossHistory(Mining(**{"share": 0.5} | settings))
    rng = np.random.default_rng(0)
    history.begin_round(rng.permutation(COUNT), COUNT, ("a",), rng)
    history.remember(ALL, losses.astype(np.float32))
    orders = [history.begin_round(rng.permutation(COUNT), COUNT, ("a",), rng) for _ in range(rounds)]
    assert all(len(order) == COUNT for order in orders)
    return np.bincount(np.concatenate(orders), minlength=COUNT) / rounds


def test_a_share_of_a_round_is_drawn_in_proportion_to_the_losses() -> None:
    losses = np.where(ALL < 200, 4.0, 1.0)
    often = drawn(losses)
    assert often[:200].mean() == pytest.approx(0.5 + 0.5 * 4 / 1.6, rel=0.03)
    assert often[200:].mean() == pytest.approx(0.5 + 0.5 * 1 / 1.6, rel=0.03)


def test_samples_with_wrong_labels_are_capped() -> None:
    losses = np.where(ALL < 20, 1000.0, np.where(ALL < 200, 4.0, 1.0))
    often = drawn(losses)
    assert often[:20].mean() == pytest.approx(often[20:200].mean(), rel=0.1)
    assert drawn(losses, cap_quantile=1.0)[:20].mean() > 20, "without the cap they fill the share"


def test_without_a_history_a_round_is_the_plain_one() -> None:
    rng = np.random.default_rng(3)
    plain = rng.permutation(COUNT)
    order = LossHistory(Mining(share=0.5)).begin_round(plain, COUNT, ("a",), rng)
    np.testing.assert_array_equal(order, plain)


def test_the_mean_forgets_slowly_and_skips_what_is_not_finite() -> None:
    history = LossHistory(Mining(share=0.5, memory=0.9, cap_quantile=1.0))
    history.begin_round(np.arange(2), 2, ("a",), np.random.default_rng(0))
    for loss in (1.0, 2.0, np.nan):
        history.remember(np.array([0]), np.array([loss], np.float32))
    mean = (0.9 * 1 + 2) / 1.9
    np.testing.assert_allclose(history.difficulty(), [mean, mean])  # the one never seen has the mean of all


def test_negative_losses_are_ordered_too() -> None:
    often = drawn(np.where(ALL < 200, -1.0, -3.0))
    assert often[:200].mean() > 2 * often[200:].mean()


def test_added_shards_keep_the_history_and_others_end_it() -> None:
    history = LossHistory(Mining(share=0.5))
    rng = np.random.default_rng(0)
    history.begin_round(np.arange(4), 4, ("a", "b"), rng)
    history.remember(np.arange(4), np.array([1, 2, 3, 4], np.float32))
    history.begin_round(np.arange(6), 6, ("a", "b", "c"), rng)
    assert len(set(history.difficulty().tolist())) > 1
    history.begin_round(np.arange(6), 6, ("0", "a", "b"), rng)
    assert set(history.difficulty().tolist()) == {1.0}


def test_systematic_sampling_gives_each_its_share() -> None:
    rng = np.random.default_rng(1)
    counts = np.bincount(systematic(np.array([0.0, 1, 2, 5]), 16, rng), minlength=4)
    assert counts.tolist() == [0, 2, 4, 10]


def test_a_run_sees_hard_samples_more_often_and_resumes_to_the_same(tmp_path: Path) -> None:
    seen: list[int] = []

    def watched(folder: Path, stop_after: int = 0) -> dict[str, torch.Tensor]:
        data = Greys(wrong=(7,))
        run = run_in(folder, ToyTask(data=data), samples=400, mining={"share": 0.5, "cap_quantile": 0.9})
        run.resume()
        original, steps = run._step, 0

        def step(batch: dict[str, torch.Tensor]) -> dict[str, float]:
            nonlocal steps
            steps += 1
            seen.extend(batch["index"].tolist())
            if steps == stop_after:
                run.stop()
            return original(batch)

        run._step = step  # type: ignore[method-assign]
        run.train()
        return weights(run)

    whole = watched(tmp_path / "whole")
    often = np.bincount(seen)
    assert often[7] > 1.5 * np.median(often)
    assert often[7] < 3 * np.mean(often)
    seen.clear()
    watched(tmp_path / "parts", stop_after=18)
    parts = watched(tmp_path / "parts")
    np.testing.assert_array_equal(np.bincount(seen), often)
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name


def test_mining_needs_losses_of_samples(tmp_path: Path) -> None:
    class Means(ToyTask):
        def losses(self, *arguments: object) -> dict[str, torch.Tensor]:
            return {name: part.mean() for name, part in super().losses(*arguments).items()}

    with pytest.raises(SettingsError, match="needs losses per sample"):
        run_in(tmp_path, Means(), mining={"share": 0.5}).train()
