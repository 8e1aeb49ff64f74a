"""A network that rounds as its int8 file will: near its float self, trainable, with the same names."""

import copy

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra 'train'")
from torch import nn  # noqa: E402

from headwise.errors import SettingsError  # noqa: E402
from headwise.training.backbones.mobilenetv4 import create  # noqa: E402
from headwise.training.int8_simulation import (  # noqa: E402
    INPUT_STEPS,
    WEIGHT_STEPS,
    InputRange,
    rounded_kernel,
    simulate_int8,
)


def network() -> nn.Module:
    torch.manual_seed(0)
    made = nn.Sequential(
        create(width=0.25, last_channels=64), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3)
    )
    made.train()
    for _ in range(20):  # statistics that fit
        made(torch.randn(8, 3, 64, 64))
    return made.eval()


def test_it_answers_nearly_as_before_and_rounds_what_it_multiplies() -> None:
    plain, pictures = network(), torch.randn(16, 3, 64, 64)
    rounding = copy.deepcopy(plain)
    simulate_int8(rounding, pictures)
    with torch.no_grad():
        before, after = plain(pictures), rounding(pictures)
    off = (after - before).abs().max() / before.std()
    assert 0 < off < 0.2
    assert rounding.state_dict().keys() == plain.state_dict().keys()


def test_statistics_of_norms_stay_and_gradients_reach_every_weight() -> None:
    rounding, pictures = network().train(), torch.randn(8, 3, 64, 64)
    simulate_int8(rounding, pictures)
    norm = next(m for m in rounding.modules() if isinstance(m, nn.BatchNorm2d))
    mean = norm.running_mean.clone()
    rounding(pictures).square().sum().backward()
    torch.testing.assert_close(norm.running_mean, mean)
    without = [name for name, weight in rounding.named_parameters() if weight.grad is None]
    assert not without


def test_a_copy_rounds_with_its_own_weights() -> None:
    rounding, pictures = network(), torch.randn(4, 3, 64, 64)
    simulate_int8(rounding, pictures)
    twin = copy.deepcopy(rounding)
    with torch.no_grad():
        before = rounding(pictures)
        for weight in twin.parameters():
            weight.zero_()
        torch.testing.assert_close(rounding(pictures), before)
        assert twin(pictures).abs().max() == 0


def test_kernels_have_127_steps_a_channel_and_inputs_256_with_a_zero() -> None:
    weight = torch.randn(5, 7, 3, 3)
    step = weight.flatten(1).abs().amax(1) / WEIGHT_STEPS
    counts = rounded_kernel(weight) / step[:, None, None, None]
    torch.testing.assert_close(counts, counts.round(), atol=1e-3, rtol=0)
    assert counts.abs().max() <= WEIGHT_STEPS + 1e-3
    values = torch.cat([torch.zeros(1), torch.rand(999) * 3 - 1])
    rounded = InputRange().rounded(values, learns=True)
    assert len(rounded.unique()) <= INPUT_STEPS + 1
    assert rounded[0] == 0
    assert (rounded - values).abs().max() < 3 / INPUT_STEPS


def test_the_range_of_inputs_follows_slowly_and_is_kept_when_it_is_used() -> None:
    seen = InputRange()
    seen.rounded(torch.tensor([0.0, 1.0]), learns=True)
    seen.rounded(torch.tensor([0.0, 2.0]), learns=True)
    assert 1.0 < seen.high < 1.1
    high = seen.high
    assert seen.rounded(torch.tensor([5.0]), learns=False) == pytest.approx(high, rel=0.01)
    assert seen.high == high


def test_a_convolution_with_two_norms_is_refused() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.first, self.second = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.BatchNorm2d(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.layer(x)
            return self.first(y) + self.second(y)

    with pytest.raises(SettingsError, match="a batch norm of its own"):
        simulate_int8(Shared(), torch.randn(2, 3, 8, 8))
