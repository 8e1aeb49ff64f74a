"""Distances of heads whose size, place and points are exactly known."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.errors import InputError
from headwise.estimator import Estimate
from headwise.evaluation.outcome import Tools
from headwise.evaluation.protocols import position, shards
from headwise.evaluation.report import as_markdown
from headwise.pictures import read_picture
from headwise.results import HeadPose
from headwise.rotation import Rotation
from headwise.weights import mean_points_m

CAMERA = Camera(400, 400, 90, 70, 160, 160)
SIZES = (1.0, 1.0, 1.1, 0.9)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four mean heads of different sizes, the last of them seen from behind."""
    picture = cv2.imencode(".jpg", np.full((160, 160, 3), 90, np.uint8))[1].tobytes()
    rotations = [Rotation.from_rotvec([0, np.radians(yaw), 0]) for yaw in (0, 30, -20, 170)]
    places = np.array([[0.0, 0, 0.8], [0.1, 0, 0.7], [-0.05, 0.05, 0.9], [0, 0, 0.8]])
    points = np.stack([size * mean_points_m() for size in SIZES])
    pixels = [CAMERA.project(r @ p + t) for r, p, t in zip(rotations, points, places, strict=True)]
    np.savez(
        tmp_path / "shard-00000.npz",
        rotation_camera=np.stack([rotation.matrix for rotation in rotations]),
        translation_m=places,
        points68_m=points,
        points68_px=np.stack(pixels),
        intrinsics=np.tile([CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy], (4, 1)),
        box=np.array([tuple(Box.from_points(one)) for one in pixels]),
        face_hidden=np.array([False, False, False, True]),
        image_offset=np.arange(5) * len(picture),
    )
    (tmp_path / "shard-00000.bin").write_bytes(4 * picture)
    return tmp_path


def knowing(folder: Path, scale: float = 1.0) -> Tools:
    """A network that says the true rotation and points, these `scale` times as far from their middle."""
    with np.load(folder / "shard-00000.npz") as arrays:
        pixels = arrays["points68_px"]
    truth = shards.read_shards(folder, 4)[0].truth
    middle = pixels.mean(axis=1, keepdims=True)
    answers = iter(zip(truth, middle + scale * (pixels - middle), strict=True))

    def estimate(images, boxes) -> list[Estimate]:
        rotation, points = next(answers)
        return [Estimate(HeadPose(rotation, spread_deg=2.0), points, np.ones(68), np.full(68, 0.3))]

    return Tools(read=read_picture, estimate=estimate)


def test_a_larger_head_seems_nearer_and_the_split_says_so(folder: Path) -> None:
    report = position.create(items=4).run(folder, knowing(folder)).report
    place = report["position"]
    assert place["faces"] == 3
    mean_head = place["ways"]["mean_head"]
    assert mean_head["items"] == 3
    assert mean_head["median"] == pytest.approx(0, abs=0.1), "two of three have the mean size"
    assert mean_head["p90"] > 5, "the large one seems a tenth nearer"
    assert mean_head["across_mm"] == pytest.approx(0, abs=0.5)
    assert place["split"]["rest"]["median"] < 2
    assert place["split"]["population"]["p90"] > 5
    assert report["geodesic"]["mean"] < 3
    assert place["hidden"]["items"] == 1
    text = as_markdown(report)
    assert "distance error, %" in text
    assert "population" in text


def test_points_too_far_apart_are_the_rest_not_the_size(folder: Path) -> None:
    place = position.create(items=4).run(folder, knowing(folder, scale=1.2)).report["position"]
    assert place["ways"]["mean_head"]["bias"] == pytest.approx(-100 / 6, abs=3)
    assert place["split"]["rest"]["bias"] < -8


def test_what_cannot_be_scored(folder: Path, tmp_path: Path) -> None:
    silent = Tools(
        read=read_picture,
        estimate=lambda *_: [Estimate(HeadPose(Rotation.identity()), None, None)],
    )
    with pytest.raises(InputError, match="gives no points"):
        position.create(items=4).run(folder, silent)
    with pytest.raises(InputError, match="holds 4"):
        position.create(items=5).run(folder, silent)
    path = folder / "shard-00000.npz"
    with np.load(path) as arrays:
        kept = {name: arrays[name] for name in arrays if name != "translation_m"}
    np.savez(path, **kept)
    with pytest.raises(InputError, match="no translation_m"):
        position.create(items=4).run(folder, silent)
