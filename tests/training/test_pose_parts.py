"""Heads, losses and labels of the pose network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fake_shards import head_points, write_shard

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from headwise.annotations.rendered import art_head_from_head  # noqa: E402
from headwise.conventions import FLIP_68  # noqa: E402
from headwise.errors import SettingsError  # noqa: E402
from headwise.rotation import Rotation  # noqa: E402
from headwise.training.head_samples import HeadSamples, turned  # noqa: E402
from headwise.training.losses.geodesic import angle_between  # noqa: E402
from headwise.training.losses.rotation_likelihood import negative_log_likelihood  # noqa: E402
from headwise.training.rotation_forms import from_6d  # noqa: E402
from headwise.training.settings import RunSettings, checked  # noqa: E402
from headwise.training.spread import covariance, expected_error_deg, lower_triangular  # noqa: E402
from headwise.training.tasks import pose  # noqa: E402
from headwise.warp import Warp  # noqa: E402


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> HeadSamples:
    folder: Path = tmp_path_factory.mktemp("shards")
    write_shard(folder / "shard-00000.npz", 24)
    task = pose.create({"augment": {"view": {"shift_jitter": 0.1}}})
    data = task.data(folder, held_out=False)
    data.refresh()
    return data


def test_the_head_gives_proper_rotations_and_fits_the_numpy_twin() -> None:
    sixd = torch.randn(50, 6, dtype=torch.float64)
    matrix = from_6d(sixd)
    np.testing.assert_allclose(matrix.numpy(), Rotation.from_6d(sixd.numpy()).matrix, atol=1e-9)
    assert torch.isfinite(from_6d(torch.zeros(1, 6))).all()


@pytest.mark.parametrize("angle_deg", [0.0, 1e-4, 90.0, 179.999, 180.0])
@pytest.mark.parametrize("loss", ["geodesic", "likelihood"])
def test_gradients_are_finite_at_every_angle(angle_deg: float, loss: str) -> None:
    turn = Rotation.from_rotvec([0, np.radians(angle_deg), 0]).matrix
    truth = torch.tensor(turn, dtype=torch.float32)[None]
    predicted = torch.eye(3)[None].requires_grad_()
    if loss == "geodesic":
        value = angle_between(predicted, truth)
    else:
        value = negative_log_likelihood(predicted, 5 * torch.eye(3)[None], truth)
    value.sum().backward()
    assert torch.isfinite(predicted.grad).all()


def test_the_geodesic_loss_is_the_angle_and_zero_at_the_truth() -> None:
    for angle_deg in (0.0, 10.0, 90.0, 170.0):
        turn = torch.tensor(Rotation.from_rotvec([np.radians(angle_deg), 0, 0]).matrix)[None]
        found = np.degrees(angle_between(torch.eye(3, dtype=torch.float64)[None], turn).item())
        assert found == pytest.approx(angle_deg, abs=0.2 + angle_deg * 1e-2)
    assert angle_between(turn, turn).item() == 0


def test_the_likelihood_is_best_at_the_true_spread() -> None:
    rng = np.random.default_rng(0)
    truth = torch.tensor(Rotation.from_rotvec(rng.normal(0, 0.1, (4000, 3))).matrix)
    predicted = torch.eye(3, dtype=torch.float64).expand_as(truth)

    def mean(sigma: float) -> float:
        factor = torch.eye(3, dtype=torch.float64).expand_as(truth) / sigma
        return negative_log_likelihood(predicted, factor, truth).mean().item()

    assert mean(0.1) < min(mean(0.08), mean(0.125))
    error = torch.eye(3, dtype=torch.float64)[None] * 0.1**2
    measured = Rotation.project(truth.numpy()).angle_to_deg(Rotation.identity()).mean()
    assert expected_error_deg(error).item() == pytest.approx(measured, rel=0.03)


def test_the_spread_agrees_with_the_inverse_of_its_factor() -> None:
    numbers = torch.randn(20, 6, dtype=torch.float64)
    factor = lower_triangular(numbers)
    inverse = torch.linalg.inv(factor @ factor.transpose(1, 2))
    torch.testing.assert_close(covariance(numbers), inverse)
    trace = inverse.diagonal(dim1=1, dim2=2).sum(1)
    expected = torch.rad2deg(2 * (2 / torch.pi) ** 0.5 * (trace / 3).sqrt()).clamp(max=180)
    torch.testing.assert_close(expected_error_deg(inverse), expected)


@pytest.mark.parametrize("mirror", [False, True])
def test_the_fast_rotation_of_labels_is_the_warps_own(mirror: bool) -> None:
    rng = np.random.default_rng(1)
    for rotvec in rng.normal(0, 1, (20, 3)):
        rotation = Rotation.from_rotvec(rotvec)
        warp = Warp.scaling(rng.uniform(0.3, 3)) @ Warp.turning(rng.uniform(-180, 180), (4, 5))
        warp = warp @ Warp.mirroring(100) if mirror else warp
        np.testing.assert_allclose(turned(rotation.matrix, warp), warp.rotation(rotation).matrix, atol=1e-12)


def test_labels_move_together(data: HeadSamples) -> None:
    """The rotation label, applied to the drawn head, puts its points where the point labels are."""
    head = head_points()  # left-right symmetric, so that a mirrored head is the same head
    np.testing.assert_allclose(head[FLIP_68] * [-1, 1, 1], head)
    head_from_art_head = art_head_from_head(head[None]).inverse().matrix[0]
    for index in range(len(data)):
        sample = data.sample(index, 80, np.random.default_rng(index))
        art = sample["rotation"] @ head_from_art_head
        drawn = head @ art.T
        for axis in range(2):
            match = np.corrcoef(drawn[:, axis], sample["points"][:, axis])[0, 1]
            assert match > 0.97, f"item {index} axis {axis}"
        assert np.corrcoef(drawn[:, 2], sample["points_depth"])[0, 1] > 0.99


def test_a_sample_depends_on_its_generator_alone(data: HeadSamples) -> None:
    once, again = (data.sample(3, 96, np.random.default_rng(9)) for _ in range(2))
    for name, value in once.items():
        np.testing.assert_array_equal(value, again[name])
    assert once["crop"].shape == (96, 96, 3)
    assert once["crop"].dtype == np.uint8


def test_a_wrong_key_gets_the_nearest_right_one() -> None:
    with pytest.raises(SettingsError, match="did you mean 'samples'"):
        checked(RunSettings, {"name": "a", "task": {}, "schedule": {"sampels": 3}})
    with pytest.raises(SettingsError, match=r"task\.loss.rotatoin.*did you mean 'rotation'"):
        pose.create({"loss": {"rotatoin": 1}})


def test_a_network_of_an_older_head_frame_stays_in_it(data: HeadSamples) -> None:
    torch.manual_seed(0)
    task = pose.create({"network": {"width": 0.25, "last_channels": 128, "hidden": 32}})
    network = task.network().eval()
    older = torch.from_numpy(Rotation.from_rotvec([np.radians(8.0), 0, 0]).matrix.copy())
    network.art_head_from_head.copy_(older)
    samples = [data.sample(i, 112, np.random.default_rng(i)) for i in range(4)]
    batch = torch.utils.data.default_collate(samples)
    with torch.no_grad():
        batch["rotation"] = task.deployable(network).module(batch["crop"])[0]
        assert task.validate(network, [batch]).scores["geodesic_mean_deg"] < 0.05
        assert float(task.losses(network, batch, 1.0)["rotation"].max()) < 1e-3
