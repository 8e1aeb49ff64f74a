"""Every loss: least at the truth, finite slopes at 0 and 180 deg, wraps, NaN labels count nothing."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from headwise.conventions import EulerOrder  # noqa: E402
from headwise.rotation import Rotation  # noqa: E402
from headwise.training.known import known, roll_completed  # noqa: E402
from headwise.training.losses import (  # noqa: E402
    angle_cosine,
    angle_smooth_l1,
    angle_squared,
    binary,
    bins_and_expectation,
    chordal,
    geman_mcclure,
    geodesic,
    matrix_fisher,
    points,
    points_gaussian,
    points_laplace,
    quaternion,
    rotation_likelihood,
    trimmed,
    uncertainty_weights,
    weighted_sum,
    wing,
)
from headwise.training.losses.bins import AngleBins, cross_entropy, soft_labels  # noqa: E402
from headwise.training.losses.bins_and_expectation import (  # noqa: E402
    expectation_deg,
    expectation_error,
    variance_deg2,
)
from headwise.training.rotation_forms import from_6d, from_matrix, from_quaternion, quaternion_of  # noqa: E402

Tensor = torch.Tensor
Loss = Callable[[Tensor, Tensor], Tensor]

ANGLE_LOSSES: dict[str, Loss] = {
    "squared": angle_squared.create(),
    "smooth_l1": angle_smooth_l1.create(),
    "cosine": angle_cosine.create(),
}
FACTOR = 5 * torch.eye(3, dtype=torch.float64)
# Each takes the numbers of `numbers_of` and a true rotation.
ROTATION_LOSSES: dict[str, Loss] = {
    "geodesic": lambda sixd, truth: geodesic.create()(from_6d(sixd), truth),
    "chordal": lambda sixd, truth: chordal.create()(from_6d(sixd), truth),
    "geman_mcclure": lambda sixd, truth: geman_mcclure.create()(from_6d(sixd), truth),
    "trimmed": lambda sixd, truth: trimmed.create(share=0.0)(from_6d(sixd), truth),
    "quaternion": lambda wxyz, truth: quaternion.create()(wxyz, truth),
    "svd": lambda nine, truth: geodesic.create()(from_matrix(nine.reshape(-1, 3, 3)), truth),
    "likelihood": lambda sixd, truth: rotation_likelihood.create()(
        from_6d(sixd), FACTOR.to(sixd.dtype).expand(len(sixd), 3, 3), truth
    ),
    "fisher": lambda nine, truth: matrix_fisher.create(uniform=0.01)(20 * nine.reshape(-1, 3, 3), truth),
}
ZERO_AT_TRUTH = {"geodesic", "chordal", "geman_mcclure", "trimmed", "quaternion", "svd"}


def about_y(angle_deg: float) -> Tensor:
    return torch.tensor(Rotation.from_rotvec([0, math.radians(angle_deg), 0]).matrix)[None]


def numbers_of(name: str, rotation: Tensor) -> Tensor:
    """What the family of a loss would write for this rotation."""
    if name == "quaternion":
        return -1.7 * quaternion_of(rotation)  # any length, and the other sign
    if name in ("svd", "fisher"):
        return rotation.reshape(-1, 9)
    return rotation[:, :, :2].transpose(1, 2).reshape(-1, 6)


@pytest.mark.parametrize("name", ROTATION_LOSSES)
def test_a_rotation_loss_is_least_at_the_truth(name: str) -> None:
    loss, truth = ROTATION_LOSSES[name], about_y(150.0)
    values = [loss(numbers_of(name, about_y(150.0 + away)), truth).item() for away in (0, 5, 20, 60)]
    assert values == sorted(values)
    assert values[0] < values[1]
    if name in ZERO_AT_TRUTH:
        assert values[0] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("angle_deg", [0.0, 1e-4, 90.0, 179.999, 180.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ROTATION_LOSSES)
def test_slopes_of_rotation_losses_are_finite(name: str, dtype: torch.dtype, angle_deg: float) -> None:
    numbers = numbers_of(name, about_y(0)).to(dtype).requires_grad_()
    value = ROTATION_LOSSES[name](numbers, about_y(angle_deg).to(dtype))
    assert value.shape == (1,)
    value.sum().backward()
    assert torch.isfinite(numbers.grad).all()


@pytest.mark.parametrize("name", ROTATION_LOSSES)
def test_rotations_that_are_unknown_count_nothing(name: str) -> None:
    numbers = numbers_of(name, about_y(10)).repeat(2, 1).requires_grad_()
    truth = about_y(50).repeat(2, 1, 1)
    truth[0] = math.nan
    value = ROTATION_LOSSES[name](numbers, truth)
    value.sum().backward()
    assert value[0] == 0
    assert value[1] != 0
    assert (numbers.grad[0] == 0).all()
    assert (numbers.grad[1] != 0).any()


@pytest.mark.parametrize("name", ANGLE_LOSSES)
def test_angles_wrap_and_have_slopes_everywhere(name: str) -> None:
    loss = ANGLE_LOSSES[name]

    def at(predicted_deg: float, truth_deg: float) -> tuple[float, float]:
        angle = torch.tensor([[math.radians(predicted_deg)]], dtype=torch.float64, requires_grad=True)
        value = loss(angle, torch.tensor([[math.radians(truth_deg)]], dtype=torch.float64))
        value.sum().backward()
        return value.item(), angle.grad.item()

    assert at(30, 30) == (0, 0)
    assert at(179, -179)[0] == pytest.approx(at(1, -1)[0])
    assert at(-179, 179)[1] == pytest.approx(at(1, -1)[1])
    assert at(400, 10)[0] == pytest.approx(at(40, 10)[0])
    assert at(0, 170)[0] > at(0, 20)[0] > at(0, 2)[0] > 0
    assert math.isfinite(at(0, 180)[1])
    assert at(40, 10)[1] > 0 > at(10, 40)[1]


@pytest.mark.parametrize("name", ANGLE_LOSSES)
def test_angles_that_are_unknown_count_nothing(name: str) -> None:
    angles = torch.zeros(2, 3, requires_grad=True)
    truth = torch.tensor([[math.nan] * 3, [0.5, math.nan, 0.5]])
    value = ANGLE_LOSSES[name](angles, truth)
    value.sum().backward()
    assert value[0] == 0
    assert (angles.grad != 0).tolist() == [[False] * 3, [True, False, True]]
    torch.testing.assert_close(value[1:], ANGLE_LOSSES[name](angles[1:, :1], truth[1:, :1]))


def test_a_half_turn_of_a_quaternion_is_one_whichever_sign() -> None:
    p = torch.randn(20, 4, dtype=torch.float64)
    truth = from_quaternion(torch.randn(20, 4, dtype=torch.float64))
    torch.testing.assert_close(quaternion.apart(p, truth), quaternion.apart(-p, truth))
    assert quaternion.apart(torch.tensor([[1.0, 0, 0, 0]]), about_y(180).float()).item() == pytest.approx(1)


LINE, CIRCLE = AngleBins(66, 3.0), AngleBins(120, 3.0)


def test_bins_are_read_at_their_centres() -> None:
    assert LINE.centres_deg(torch.zeros(1))[[0, 32, 33, -1]].tolist() == [-97.5, -1.5, 1.5, 97.5]
    assert CIRCLE.centres_deg(torch.zeros(1))[[0, -1]].tolist() == [-178.5, 178.5]
    for bins in (LINE, CIRCLE):
        truth_deg = torch.tensor([-80.0, -1.0, 0.3, 31.7])
        logits = torch.log(soft_labels(bins, truth_deg, 4.0))
        torch.testing.assert_close(expectation_deg(logits, bins), truth_deg, atol=0.02, rtol=0)
        spread = variance_deg2(logits, bins).sqrt()
        torch.testing.assert_close(spread, torch.full_like(spread, 4.0), rtol=0.02, atol=0)


@pytest.mark.parametrize("sigma_deg", [0.0, 4.0])
def test_bin_losses_are_zero_at_the_truth_and_go_round_the_circle(sigma_deg: float) -> None:
    truth_deg = torch.tensor([178.5, -178.5])
    sharp = torch.log(soft_labels(CIRCLE, truth_deg, sigma_deg or 0.1) + 1e-30)
    assert cross_entropy(sharp, truth_deg, CIRCLE, sigma_deg).abs().max() < 1e-4
    assert cross_entropy(sharp, truth_deg + 360, CIRCLE, sigma_deg).abs().max() < 1e-4
    assert expectation_error(sharp, truth_deg, CIRCLE).max() < 1e-4
    # 3 deg apart over the seam
    torch.testing.assert_close(
        expectation_error(sharp, -truth_deg, CIRCLE), torch.tensor([9.0, 9.0]), rtol=0.01, atol=0
    )
    assert cross_entropy(sharp, -truth_deg, CIRCLE, sigma_deg).min() > 0.1


@pytest.mark.parametrize("bins", [LINE, CIRCLE])
@pytest.mark.parametrize("truth_deg", [0.0, 90.0, 180.0, -180.0, math.nan])
def test_slopes_of_bin_losses_are_finite(bins: AngleBins, truth_deg: float) -> None:
    for start in (0.0, 5.0):  # an even distribution, and a sure one
        logits = torch.zeros(1, bins.count)
        logits[0, bins.count // 2] = start
        logits.requires_grad_()
        loss = bins_and_expectation.create(count=bins.count, alpha=0.1)(logits, torch.tensor([truth_deg]))
        loss.sum().backward()
        assert torch.isfinite(logits.grad).all()
        unknown = math.isnan(truth_deg) or (not bins.circular and abs(truth_deg) > 99)
        assert (loss.item() == 0) == unknown
        assert logits.grad.abs().max() < 100


POINT_LOSSES: dict[str, Loss] = {
    "distance": points.create(),
    "wing": wing.create(),
    "laplace": lambda p, t: points_laplace.create()(p, torch.full(p.shape[:2], -2.0), t),
    "gaussian": lambda p, t: points_gaussian.create()(p, torch.full(p.shape[:2], -2.0), t),
}


@pytest.mark.parametrize("name", POINT_LOSSES)
def test_point_losses(name: str) -> None:
    loss = POINT_LOSSES[name]
    truth = torch.rand(3, 5, 2)
    values = [loss(truth + away, truth).mean().item() for away in (0, 0.01, 0.09, 0.11, 0.5)]
    assert values == sorted(values)
    assert len(set(values)) == 5
    if name in ("distance", "wing"):
        assert values[0] == 0
    predicted = truth.clone().requires_grad_()
    truth[0], truth[1, 2:, 0] = math.nan, math.nan
    value = loss(predicted + 0.1, truth)
    value.sum().backward()
    assert value[0] == 0
    assert (predicted.grad[0] == 0).all()
    assert (predicted.grad[1, 2:, 0] == 0).all()
    assert (predicted.grad[1, :2] != 0).all()
    torch.testing.assert_close(value[1], value[2])


def test_a_likelihood_of_points_is_best_at_the_true_scale() -> None:
    rng = np.random.default_rng(0)
    for loss, noise in (
        (points_laplace.create(), rng.laplace(0, 0.1, (1, 20000, 2))),
        (points_gaussian.create(), rng.normal(0, 0.1, (1, 20000, 2))),
    ):
        truth = torch.tensor(noise)

        def at(factor: float, loss: Callable[..., Tensor] = loss, truth: Tensor = truth) -> float:
            log_scale = torch.full(truth.shape[:2], math.log(0.1 * factor), dtype=torch.float64)
            return loss(torch.zeros_like(truth), log_scale, truth).item()

        assert at(1) < min(at(0.8), at(1.25))


def test_binary() -> None:
    logits = torch.tensor([[9.0, -9.0], [0.0, 0.0], [5.0, 5.0]], requires_grad=True)
    truth = torch.tensor([[1.0, 0.0], [1.0, math.nan], [math.nan, math.nan]])
    value = binary.create()(logits, truth)
    value.sum().backward()
    torch.testing.assert_close(value, torch.tensor([1.234e-4, math.log(2), 0.0]), atol=1e-5, rtol=1e-3)
    assert (logits.grad[2] == 0).all()
    assert logits.grad[1, 1] == 0


def test_robust_losses_let_go_of_what_is_far_off() -> None:
    def slope(away_deg: float) -> float:
        numbers = numbers_of("geman_mcclure", about_y(0)).requires_grad_()
        geman_mcclure.create(scale_deg=10)(from_6d(numbers), about_y(away_deg)).sum().backward()
        return float(numbers.grad.norm())

    assert slope(60) < slope(20) / 5
    batch = torch.cat([about_y(v) for v in (1, 2, 90, 3)])
    assert (
        trimmed.create(share=0.25)(torch.eye(3, dtype=batch.dtype).expand(4, 3, 3), batch) > 0
    ).tolist() == [
        True,
        True,
        False,
        True,
    ]


def test_the_fisher_normaliser_against_a_sum_over_rotations() -> None:
    """The mean of exp(tr(SᵀR)) over a dense even set of rotations is the normaliser itself."""
    rng = np.random.default_rng(0)
    q = torch.tensor(rng.normal(size=(200_000, 4)))
    diagonals = from_quaternion(q).diagonal(dim1=1, dim2=2)
    for values in ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [3.0, 1.0, -0.5], [4.0, 3.0, 2.0]):
        singular = torch.tensor([values], dtype=torch.float64)
        expected = torch.exp((diagonals * singular).sum(1)).mean().log() - singular.sum()
        assert matrix_fisher.log_normaliser(singular).item() == pytest.approx(expected.item(), abs=0.03)


def test_the_fisher_normaliser_of_sure_networks() -> None:
    """Far out the distribution is normal: log c - tr S = -log sqrt(8 pi (s1+s2)(s1+s3)(s2+s3)) (Lee 2018)."""
    for values in ([500.0, 400.0, 300.0], [3e4, 2e4, 1e4], [900.0, 300.0, 20.0]):
        s1, s2, s3 = values
        expected = -0.5 * math.log(8 * math.pi * (s1 + s2) * (s1 + s3) * (s2 + s3))
        found = matrix_fisher.log_normaliser(torch.tensor([values], dtype=torch.float64)).item()
        assert found == pytest.approx(expected, abs=0.01)


def test_the_fisher_likelihood_has_the_slope_it_says() -> None:
    torch.manual_seed(0)
    parameters = (3 * torch.randn(4, 3, 3, dtype=torch.float64)).requires_grad_()
    truth = from_6d(torch.randn(4, 6, dtype=torch.float64))
    assert torch.autograd.gradcheck(
        lambda f: matrix_fisher.negative_log_likelihood(f, truth, 0.01), (parameters,), atol=1e-6
    )
    zero = torch.zeros(1, 3, 3, requires_grad=True)
    value = matrix_fisher.negative_log_likelihood(zero, truth[:1].float())
    value.sum().backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(zero.grad, -truth[:1].float(), atol=1e-4, rtol=0)  # the mean rotation is 0


def test_sums_of_tasks() -> None:
    parts = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([4.0, 0.0])}
    fixed = weighted_sum.create(weights={"a": 2.0})(parts)
    assert {name: value.tolist() for name, value in fixed.items()} == {"a": [2.0, 4.0], "b": [4.0, 0.0]}
    learned = uncertainty_weights.create(weights={"a": 2.0, "b": 0.5})
    torch.testing.assert_close(learned(parts)["a"], torch.tensor([2.0, 4.0]) - math.log(2))
    optimiser = torch.optim.SGD(learned.parameters(), lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        sum(part.mean() for part in learned(parts).values()).backward()
        optimiser.step()
    for name, value in parts.items():  # the best weight of a task is one over its mean loss
        assert math.exp(-learned.log_noise[name].item()) == pytest.approx(1 / value.mean().item(), rel=0.02)


def test_likelihoods_ramp_in() -> None:
    assert [weighted_sum.ramp(at, 0.2, 0.4) for at in (0.0, 0.2, 0.3, 0.4, 1.0)] == pytest.approx(
        [0, 0, 0.5, 1, 1]
    )


def test_known_labels_pass_and_others_take_the_stand_in() -> None:
    stand_in = torch.tensor([5.0, 6.0], requires_grad=True)
    values, is_known = known(torch.tensor([1.0, math.nan]), stand_in)
    assert values.tolist() == [1.0, 6.0]
    assert is_known.tolist() == [1.0, 0.0]
    assert not values.requires_grad


def test_a_label_without_roll_takes_the_roll_of_the_prediction() -> None:
    def turned(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Tensor:
        angles = {"yaw_deg": yaw_deg, "pitch_deg": pitch_deg, "roll_deg": roll_deg}
        return torch.tensor(Rotation.from_euler(EulerOrder.AZIMUTH, **angles).matrix)[None]

    truth, predicted = turned(40, 20, 0), turned(40, 20, 35)
    unknown, is_known = torch.tensor([False]), torch.tensor([True])
    torch.testing.assert_close(roll_completed(truth, predicted, unknown), predicted)
    torch.testing.assert_close(roll_completed(truth, predicted, is_known), truth)
    off = roll_completed(truth, turned(-10, 5, 35), unknown)
    torch.testing.assert_close(off[:, :, 2], truth[:, :, 2])  # the facing direction stays the label's
    nearest = geodesic.angle_between(off, turned(-10, 5, 35)).item()
    for roll_deg in (20, 30, 40, 50):
        assert nearest <= geodesic.angle_between(turned(40, 20, roll_deg), turned(-10, 5, 35)).item() + 1e-6
