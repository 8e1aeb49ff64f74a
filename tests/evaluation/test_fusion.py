"""The fusion protocol: rotation, points and both, side by side."""

import json

import numpy as np
import pytest

from drawn_faces import draw_faces
from headwise.conventions import EulerOrder
from headwise.errors import InputError
from headwise.estimator import Estimate
from headwise.evaluation.outcome import Tools
from headwise.evaluation.protocols import fusion
from headwise.evaluation.report import as_markdown
from headwise.fitting.shape_model import load_shape_model
from headwise.pictures import read_picture
from headwise.results import HeadPose
from headwise.rotation import Rotation
from labelled_folders import HEADER, write_csv, write_picture

FACES = 6
OFF_DEG = 8.0


@pytest.fixture
def folder(tmp_path):
    faces = draw_faces(FACES, np.random.default_rng(0), yaw_deg=40)
    angles = faces.rotation.euler(EulerOrder.LP300W)
    rows = []
    for i in range(FACES):
        write_picture(tmp_path / f"{i}.png", i)
        rows.append([f"{i}.png", angles.yaw_deg[i], angles.pitch_deg[i], angles.roll_deg[i], 10, 10, 60, 60])
    write_csv(tmp_path, HEADER, rows)
    return tmp_path, faces


def tools(faces, points=True):
    """A network whose points are right and whose rotation is 8 deg off, in any direction."""
    rng = np.random.default_rng(1)
    shape = load_shape_model()
    off = rng.normal(size=(FACES, 3))
    off *= np.radians(OFF_DEG) / np.linalg.norm(off, axis=1, keepdims=True)
    head = shape.points(faces.identity, faces.expression)

    def estimate(images, boxes):
        i = int(images[0][0, 0, 0])
        px = 400 * (head[i] @ faces.rotation.matrix[i].T)[:, :2] + 40
        rotation = faces.rotation[i] @ Rotation.from_rotvec(off[i])
        said = (px, np.ones(68), np.full(68, 0.5), np.eye(3) * 0.006) if points else (None,) * 4
        return [Estimate(HeadPose(rotation, spread_deg=OFF_DEG), *said)]

    return Tools(read_picture, estimate=estimate)


def test_both_lie_between_the_rotation_and_the_points(folder):
    path, faces = folder
    report = fusion.create().run(path, tools(faces)).report
    means = {way: one["geodesic"]["mean"] for way, one in report["ways"]["models"].items()}
    assert means["points"] < means["both"] < means["rotation"]
    assert means["rotation"] == pytest.approx(OFF_DEG, abs=0.01)
    assert report["geodesic"]["mean"] == means["both"]
    assert report["unknown"] == {"both": 0, "rotation": 0, "points": 0}
    assert len(report["ways"]["differences"]) == 3


def test_report_is_strict_json_and_readable(folder):
    path, faces = folder
    report = fusion.create().run(path, tools(faces)).report
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert "both - rotation" in as_markdown(report)


def test_unreadable_pictures_are_missed(folder):
    path, faces = folder
    (path / "3.png").write_bytes(b"")
    report = fusion.create().run(path, tools(faces)).report
    assert (report["items"], report["missed"]) == (FACES, 1)
    assert "3.png" in report["unreadable"][0]


def test_a_network_without_points_is_named(folder):
    path, faces = folder
    with pytest.raises(InputError, match="no points"):
        fusion.create().run(path, tools(faces, points=False))
