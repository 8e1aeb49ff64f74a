"""Every head of the pose network: rotations, spreads, labels that are missing, and that it learns."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from headwise import plugins  # noqa: E402
from headwise.errors import SettingsError  # noqa: E402
from headwise.rotation import Rotation  # noqa: E402
from headwise.training.attention import Attention  # noqa: E402
from headwise.training.heads.keypoints_heatmap import cell_places  # noqa: E402
from headwise.training.heads.matrix_fisher import expected_error_deg  # noqa: E402
from headwise.training.losses.geodesic import angle_between  # noqa: E402
from headwise.training.rotation_forms import from_6d, from_matrix, from_quaternion  # noqa: E402

Tensor = torch.Tensor
CHANNELS, SIZE_PX = 32, 80
STEPS = 150  # of learning eight labels by heart
SMALL = {"keypoints_heatmap": {"narrow": 16, "attention": True}, "keypoints_regression": {"attention": True}}
WITH_POINTS = {"pose", "keypoints_regression", "keypoints_heatmap"}
HEADS = [
    (name, SMALL.get(name, {}) | ({} if name == "hopenet" else {"hidden": 64}))
    for name in plugins.names("training.heads")
    if name != "detector"
] + [("hopenet", {"full_range": "all"}), ("hopenet", {"full_range": "yaw", "balance": "uncertainty_weights"})]


def load(name: str, options: dict[str, object]) -> torch.nn.Module:
    torch.manual_seed(0)
    head: torch.nn.Module = plugins.load("training.heads", name, channels=CHANNELS, **options)
    return head


def batch_of(count: int) -> dict[str, Tensor]:
    rng = np.random.default_rng(3)
    rotations = Rotation.from_rotvec(rng.normal(0, 0.4, (count, 3))).matrix
    return {
        "rotation": torch.tensor(rotations, dtype=torch.float32),
        "points": torch.tensor(
            rng.uniform(-0.5, 0.5, (1, 68, 2)) + rng.uniform(-0.2, 0.2, (count, 1, 2)), dtype=torch.float32
        ),
        "points_depth": torch.tensor(rng.normal(0, 0.3, (count, 68)), dtype=torch.float32),
        "visibility": torch.ones(count, 68),
        "face_hidden": torch.zeros(count),
        "roll_known": torch.ones(count, dtype=torch.bool),
    }


@pytest.mark.parametrize("name, options", HEADS)
def test_answers_are_rotations_with_a_spread(name: str, options: dict[str, object]) -> None:
    head = load(name, options).eval()
    maps = torch.cat(
        [torch.zeros(1, CHANNELS, 3, 3), torch.randn(4, CHANNELS, 3, 3), 50 * torch.randn(4, CHANNELS, 3, 3)]
    )
    with torch.no_grad():
        answer = head.answer(head(maps, SIZE_PX))
    gram = answer.rotation.transpose(1, 2) @ answer.rotation
    torch.testing.assert_close(gram, torch.eye(3).expand(9, 3, 3), atol=1e-4, rtol=0)
    assert (torch.linalg.det(answer.rotation) > 0).all()
    assert answer.spread_deg.shape == (9,)
    assert ((answer.spread_deg > 0) & (answer.spread_deg <= 180)).all()
    assert answer.spread_deg[0] > 10, "a network that has learned nothing is unsure"
    assert (answer.points is not None) == (answer.points_spread is not None) == (name in WITH_POINTS)
    for value, shape in (
        (answer.points, (9, 68, 2)),
        (answer.visibility, (9, 68)),
        (answer.face_hidden, (9,)),
        (answer.covariance, (9, 3, 3)),
        (answer.points_spread, (9, 68)),
    ):
        assert value is None or value.shape == shape


@pytest.mark.parametrize("name, options", HEADS)
def test_labels_that_are_missing_teach_nothing(name: str, options: dict[str, object]) -> None:
    head = load(name, {**options, **({"balance": "weighted_sum"} if "balance" in options else {})})
    maps = torch.randn(2, CHANNELS, 3, 3, requires_grad=True)
    batch = {
        key: torch.full_like(value, math.nan) for key, value in batch_of(2).items() if key != "roll_known"
    }
    parts = head.losses(head.eval()(maps, SIZE_PX), batch, 1.0)
    torch.stack([part.mean() for part in parts.values()]).sum().backward()
    assert all((part == 0).all() and part.shape == (2,) for part in parts.values())
    assert (maps.grad == 0).all()


@pytest.mark.parametrize("name, options", HEADS)
def test_a_head_learns_its_labels(name: str, options: dict[str, object]) -> None:
    head, batch = load(name, options), batch_of(8)
    maps = torch.randn(8, CHANNELS, 3, 3) + torch.randn(8, CHANNELS, 1, 1)
    optimiser = torch.optim.Adam(head.parameters(), lr=5e-3)

    def error_deg() -> float:
        answer = head.answer(head(maps, SIZE_PX))
        return math.degrees(angle_between(answer.rotation, batch["rotation"]).mean().item())

    before_deg, spread_deg = error_deg(), head.answer(head(maps, SIZE_PX)).spread_deg.mean().item()
    for step in range(STEPS):
        optimiser.param_groups[0]["lr"] = 5e-3 * (1 - step / STEPS)
        optimiser.zero_grad()
        parts = head.losses(head(maps, SIZE_PX), batch, step / STEPS)
        torch.stack([part.mean() for part in parts.values()]).sum().backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimiser.step()
    assert error_deg() < min(3.0, before_deg / 5)
    answer = head.answer(head(maps, SIZE_PX))
    assert answer.spread_deg.mean().item() < spread_deg / 3
    if answer.points is not None:
        assert (answer.points - batch["points"]).abs().mean() < 0.05


def test_the_nearest_rotation_is_that_of_the_svd() -> None:
    torch.manual_seed(0)
    matrix = torch.randn(500, 3, 3, dtype=torch.float64).requires_grad_()
    u, singular, vt = torch.linalg.svd(matrix)
    sign = torch.linalg.det(u @ vt).sign()
    proper = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], 1)
    expected = u @ (proper[:, :, None] * vt)
    clear = singular[:, 1] + sign * singular[:, 2] > 0.02 * singular[:, 0]
    assert clear.sum() > 480
    found = from_matrix(matrix)
    assert (found - expected)[clear].abs().max() < 1e-6
    assert (from_matrix(matrix.detach().float()) - expected)[clear].abs().max() < 1e-4
    steady = singular[:, 1] + sign * singular[:, 2] > 0.2 * singular[:, 0]
    weight = torch.randn(3, 3, dtype=torch.float64)
    ours, theirs = (
        torch.autograd.grad((value * weight)[steady].sum(), matrix, retain_graph=True)[0]
        for value in (found, expected)
    )
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_the_nearest_rotation_of_nothing_is_finite() -> None:
    zero = torch.zeros(1, 3, 3, requires_grad=True)
    from_matrix(zero).sum().backward()
    assert torch.isfinite(from_matrix(zero)).all()
    assert torch.isfinite(zero.grad).all()


@pytest.mark.parametrize(
    "values", [(0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (2.0, 2.0, 2.0), (6.0, 3.0, 1.0), (15.0, 10.0, 8.0)]
)
def test_the_spread_of_a_fisher_distribution_is_its_mean_error(values: tuple[float, float, float]) -> None:
    rotations = from_quaternion(torch.tensor(np.random.default_rng(0).normal(size=(300_000, 4))))
    turn = from_6d(torch.randn(1, 6, dtype=torch.float64))[0]
    parameters = turn @ torch.diag(torch.tensor(values, dtype=torch.float64))
    chance = torch.softmax((rotations * parameters).sum((1, 2)), 0)
    half_cosine = ((1 + (rotations * turn).sum((1, 2))) / 4).clamp(0, 1).sqrt()
    expected = math.degrees((chance * 2 * torch.acos(half_cosine)).sum().item())
    found = expected_error_deg(parameters[None], turn[None]).item()
    assert found == pytest.approx(expected, rel=0.08)


@pytest.mark.parametrize("size_px", [64, 80, 112])
def test_cells_of_a_heatmap_are_where_the_backbone_puts_them(size_px: int) -> None:
    """Five 3x3 convolutions of stride 2 that pass on their middle alone: which pixel does a cell see?"""
    layer = torch.nn.Conv2d(1, 1, 3, 2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0, 0, 0], [0, 1.0, 0], [0, 0, 0]]))
    columns = torch.arange(size_px, dtype=torch.float32).expand(1, 1, size_px, size_px)
    seen = columns
    with torch.no_grad():
        for _ in range(5):
            seen = layer(seen)
    places = cell_places(seen.shape[3], 32.0, size_px, seen)
    torch.testing.assert_close((places + 1) * size_px / 2, seen[0, 0, 0] + 0.5)
    finer = cell_places(8 * seen.shape[3], 4.0, size_px, seen)
    torch.testing.assert_close(finer.reshape(-1, 8).mean(1), places)


def test_a_point_is_the_mean_of_its_heatmap() -> None:
    head = load("keypoints_heatmap", {"narrow": 8})
    maps = torch.full((1, 68, 32, 32), -30.0)
    maps[0, :, 10, 20] = maps[0, :, 10, 21] = 30.0  # two cells of 4 px: x between them
    points, log_scale = head._points(maps, 80)
    x, y = (points[0, 0] + 1) * 40
    assert x.item() == pytest.approx(21 * 4 - 15.5, abs=1e-3)
    assert y.item() == pytest.approx(10.5 * 4 - 15.5, abs=1e-3)
    expected_px = math.sqrt((2.0**2) / 2 + 4**2 / 12)  # 2 px to both sides along x alone, and within a cell
    assert math.exp(log_scale[0, 0].item()) * 40 == pytest.approx(expected_px, rel=1e-3)


def test_attention_weighs_and_keeps_the_shape() -> None:
    maps = torch.randn(2, CHANNELS, 4, 5)
    out = Attention(CHANNELS)(maps)
    assert out.shape == maps.shape
    assert (out.abs() <= maps.abs()).all()


@pytest.mark.parametrize(
    "name, options, says",
    [
        ("hopenet", {"full_range": "most"}, "'most' is not one of none, yaw, all"),
        ("euler", {"order": "xyz"}, "no order of angles 'xyz'; there are: azimuth, 300w-lp"),
        ("sixd", {"rotation_loss": "geodesik"}, "did you mean 'geodesic'"),
        ("svd", {"loss": {"rotatoin": 1}}, r"task\.loss\.rotatoin.*did you mean 'rotation'"),
        ("quaternion", {"hiden": 3}, "hiden"),
    ],
)
def test_wrong_options_are_told(name: str, options: dict[str, object], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        load(name, options)
