"""The detector: decode round trip, assignment, ignored heads, losses, learning eight pictures, the exported
file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'headwise[train]'")

from headwise.boxes import non_maximum_suppression  # noqa: E402
from headwise.training.heads import detector  # noqa: E402
from headwise.training.losses import detection  # noqa: E402
from headwise.training.losses.detection import HeadTargets  # noqa: E402
from headwise.training.tasks import detector as task  # noqa: E402

SMALL = {
    "network": {"stem": 16, "channels": [24, 32, 48, 48], "blocks": [1, 1, 1, 0], "pyramid_channels": 24}
}
SIZE = 128


def targets(boxes: list[list[float]], ignored: list[bool]) -> HeadTargets:
    count = len(boxes)
    square = torch.tensor(boxes, dtype=torch.float32).reshape(1, count, 4)
    middle = (square[..., :2] + square[..., 2:]) / 2
    states = torch.tensor(ignored, dtype=torch.bool).reshape(1, count)
    points = middle[:, :, None].expand(1, count, 5, 2).contiguous()
    return HeadTargets(square, points, torch.ones(1, count, 5, dtype=torch.bool), ~states, states)


def network(seed: int = 0) -> detector.DetectorNetwork:
    torch.manual_seed(seed)
    return task.create(SMALL).network()


def pictures(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Gray noise with one bright disc each, and the discs' boxes."""
    rng = np.random.default_rng(0)
    images = rng.integers(60, 120, (count, SIZE, SIZE, 3), dtype=np.uint8)
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    boxes = np.zeros((count, 1, 4), np.float32)
    for i in range(count):
        radius = rng.uniform(8, 40)
        x, y = rng.uniform(radius, SIZE - radius, 2)
        images[i][(rows - y) ** 2 + (columns - x) ** 2 < radius**2] += 100
        boxes[i, 0] = (x - radius, y - radius, x + radius, y + radius)
    return torch.from_numpy(images), torch.from_numpy(boxes)


@pytest.mark.parametrize("stride", [8, 16, 32, 64])
def test_boxes_survive_encoding(stride: int) -> None:
    cells = detector.cell_centers(4, 6, stride, torch.device("cpu"))
    assert cells[:, 7].tolist() == [1.5 * stride, 1.5 * stride]  # second row, second column
    boxes = torch.cat([cells - 7.0, cells + torch.tensor([[3.0], [40.0]])])[None]
    strides = torch.full_like(cells[0], stride)
    decoded = detector.decode_boxes(*detector.encode_boxes(boxes, cells, strides), cells, strides)
    torch.testing.assert_close(decoded, boxes, atol=1e-3, rtol=1e-5)


def test_each_head_gets_cells_near_its_middle_on_the_level_of_its_size() -> None:
    raw = network().eval()(torch.zeros(1, SIZE, SIZE, 3, dtype=torch.uint8))
    answer = detection.assign(raw, targets([[10, 10, 42, 42], [60, 50, 124, 114]], [False, False]))
    for index, (middle, stride) in enumerate((((26, 26), 8), ((92, 82), 16))):
        cells = torch.nonzero(answer.head[0] == index)[:, 0]
        assert len(cells) >= 1
        best = cells[answer.quality[0, cells].argmax()]
        assert raw.strides[best] == stride
        assert (raw.centers[best] - torch.tensor(middle)).abs().max() <= 1.5 * stride
    assert not answer.free.any()


def test_a_head_smaller_than_a_cell_still_gets_one() -> None:
    raw = network().eval()(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))
    for x in (8.0, 10.0, 12.0):
        answer = detection.assign(raw, targets([[x - 3, x - 3, x + 3, x + 3]], [False]))
        assert (answer.head >= 0).any()


def test_ignored_heads_are_neither_right_nor_wrong() -> None:
    raw = network().eval()(torch.zeros(1, SIZE, SIZE, 3, dtype=torch.uint8))
    where = [20.0, 20.0, 100.0, 100.0]
    answer = detection.assign(raw, targets([where], [True]))
    assert (answer.head == -1).all()
    inside = ((raw.centers > 20) & (raw.centers < 100)).all(1)
    assert answer.free[0, inside].all()
    loud = raw._replace(logits=torch.where(inside, 5.0, -9.0)[None])
    forgiven = detection.detection_loss(loud, targets([where], [True]))
    blamed = detection.detection_loss(loud, targets([], []))
    assert float(forgiven.score) < 0.1 < float(blamed.score)


def test_losses_are_zero_at_the_truth_and_finite_without_heads() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [5, 5, 6, 30]])
    torch.testing.assert_close(detection.distance_iou_loss(boxes, boxes), torch.zeros(2), atol=1e-6, rtol=0)
    assert float(detection.distance_iou_loss(boxes[:1], boxes[:1] + 100)) > 1
    assert float(detection.quality_focal_loss(torch.tensor(20.0), torch.tensor(1.0))) < 1e-6
    net = network()
    loss = detection.detection_loss(net(torch.zeros(2, 64, 64, 3, dtype=torch.uint8)), empty(2))
    (loss.score + loss.box + loss.points).backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)
    assert float(loss.box.detach()) == 0


def empty(pictures: int) -> HeadTargets:
    none = torch.zeros(pictures, 16, dtype=torch.bool)
    return HeadTargets(
        torch.zeros(pictures, 16, 4),
        torch.zeros(pictures, 16, 5, 2),
        none[..., None].expand(-1, -1, 5),
        none,
        none,
    )


def test_hidden_points_cost_nothing() -> None:
    raw = network().eval()(torch.zeros(1, SIZE, SIZE, 3, dtype=torch.uint8))
    seen = targets([[10, 10, 74, 74]], [False])
    hidden = HeadTargets(seen.boxes, seen.points, ~seen.points_visible, seen.present, seen.ignored)
    with torch.no_grad():
        assert float(detection.detection_loss(raw, seen).points) > 0
        assert float(detection.detection_loss(raw, hidden).points) == 0


@pytest.mark.filterwarnings("ignore::FutureWarning")  # from inside torch's exporter
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_learns_eight_pictures_and_exports_what_it_learned(tmp_path: Path) -> None:
    net = network(1).train()
    images, boxes = pictures(8)
    labels = HeadTargets(
        boxes,
        (boxes[..., :2] / 2 + boxes[..., 2:] / 2)[:, :, None].expand(-1, -1, 5, -1).contiguous(),
        torch.ones(8, 1, 5, dtype=torch.bool),
        torch.ones(8, 1, dtype=torch.bool),
        torch.zeros(8, 1, dtype=torch.bool),
    )
    optimiser = torch.optim.AdamW(net.parameters(), 5e-3)
    for _ in range(120):
        loss = detection.detection_loss(net(images), labels)
        optimiser.zero_grad()
        (loss.score + 2 * loss.box + loss.points).backward()
        optimiser.step()
    net.eval()
    with torch.no_grad():
        raw = net(images)
    for picture in range(8):
        best = int(raw.logits[picture].argmax())
        overlap = detection.intersection_over_union(raw.boxes[picture, best], boxes[picture, 0])
        assert float(overlap) > 0.6
        scores = raw.logits[picture].sigmoid().numpy()
        sure = np.flatnonzero(scores > 0.5)
        kept = non_maximum_suppression(raw.boxes[picture].numpy()[sure], scores[sure], 0.4)
        assert len(kept) == 1
    check_export(net, images, tmp_path)


def check_export(net: detector.DetectorNetwork, images: torch.Tensor, folder: Path) -> None:
    """The file gives the same boxes at two sizes it was not exported at."""
    pytest.importorskip("onnx", reason="export needs onnx: pip install 'headwise[deploy]'")
    onnxruntime = pytest.importorskip("onnxruntime")
    from headwise.deployment.export import export_onnx

    exported = task.create(SMALL).deployable(net)
    path = folder / "detector.onnx"
    export_onnx(
        exported.module,
        exported.example,
        exported.input_name,
        exported.output_names,
        exported.dynamic_axes,
        path,
        images[2:3].numpy(),
    )
    session = onnxruntime.InferenceSession(path.read_bytes())
    for picture in (images[:1], images[1:2, :96, :64].repeat(1, 1, 3, 1).contiguous()):
        outputs = session.run(None, {"image": picture.numpy()})
        with torch.no_grad():
            expected = exported.module(picture)
        for got, wanted in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(got, wanted.numpy(), atol=2e-2, rtol=1e-3)
