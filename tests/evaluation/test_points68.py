"""The points68 protocol: an npz of points in, scores out."""

import json
from pathlib import Path

import numpy as np
import pytest

from headwise.conventions import EulerOrder
from headwise.errors import InputError
from headwise.evaluation.outcome import Tools
from headwise.evaluation.protocols import points68
from headwise.evaluation.report import as_markdown
from headwise.pictures import read_picture
from headwise.rotation import Rotation
from headwise.weights import mean_points_m

ANGLES = np.array([[0, 0, 0], [30, -10, 5], [-60, 15, -20], [20, 120, 0], [70, -20, 10]], float)
"""The fourth is outside the protocol."""


def drawn(angles=ANGLES):
    """(n, 68, 2): the mean head before a camera far away."""
    yaw, pitch, roll = angles.T
    rotation = Rotation.from_euler(EulerOrder.LP300W, yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll)
    return 1500 * (mean_points_m() @ rotation.matrix.transpose(0, 2, 1))[:, :, :2] + 225


def write(path: Path, **changes) -> Path:
    depth = np.full((len(ANGLES), 68, 1), 1e9)  # a third column is not to be read
    arrays = {
        "ids": np.array([f"image{i}" for i in range(len(ANGLES))]),
        "yaw_pitch_roll_deg": ANGLES.astype(np.float32),
        "points68_px": np.concatenate([drawn(), depth], axis=2).astype(np.float32),
        "points68_reannotated_px": drawn() + 1.0,
    } | changes
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def run(path: Path):
    return points68.create().run(path, Tools(read_picture))


def test_points_of_known_poses_give_them_back(tmp_path):
    outcome = run(write(tmp_path / "faces.npz"))
    report = outcome.report
    assert (report["items"], report["excluded"], report["missed"]) == (4, 1, 0)
    assert report["mae"]["mean"] < 1.5  # the shape model's mean is not quite the mean head
    assert report["reannotated"]["mae"]["mean"] < 1.5
    assert (report["list"], report["order"]) == ("faces", "300w-lp")
    assert list(outcome.poses.index) == [0, 1, 2, 3]


def test_a_wrong_label_is_an_error_and_a_suspect(tmp_path):
    angles = ANGLES.copy()
    angles[1, 0] = -30
    report = run(write(tmp_path / "faces.npz", yaw_pitch_roll_deg=angles)).report
    assert [one["id"] for one in report["suspects"]] == ["image1"]
    assert abs(report["suspects"][0]["points_deg"][0] - 30) < 3
    assert report["suspects"][0]["label_deg"] == [-30.0, -10.0, 5.0]
    assert report["mae"]["yaw"] > 10


def test_points_without_a_pose_are_missed_and_cost(tmp_path):
    points = drawn()
    points[2] = np.nan
    report = run(write(tmp_path / "faces.npz", points68_px=points, points68_reannotated_px=None)).report
    assert report["missed"] == 1
    assert report["mae_with_missed"]["yaw"] > 15  # of four one lacks 60 deg
    assert report["reannotated"] is None


def test_report_is_strict_json_and_readable(tmp_path):
    report = run(write(tmp_path / "faces.npz")).report
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    text = as_markdown(report)
    assert "points68" in text
    assert "re-annotated" in text


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"ids": None}, "no ids"),
        ({"points68_px": np.zeros((5, 5, 2))}, r"needs shape \(5, 68, 2 or 3\)"),
        ({"yaw_pitch_roll_deg": np.full((5, 3), np.nan)}, "finite degrees"),
        ({"yaw_pitch_roll_deg": np.full((5, 3), 150.0)}, "outside the protocol"),
    ],
)
def test_unusable_files_are_named(tmp_path, changes, said):
    with pytest.raises(InputError, match=said):
        run(write(tmp_path / "faces.npz", **changes))


def test_what_is_no_npz_is_named(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"no")
    for path in (tmp_path / "a.npz", tmp_path / "none.npz", tmp_path):
        with pytest.raises(InputError, match="cannot be read as an npz"):
            run(path)


@pytest.mark.slow
def test_the_bar_on_the_points_of_aflw2000(shared_dir):
    report = run(shared_dir / "data/points/aflw2000_points.npz").report
    assert (report["items"], report["excluded"]) == (980, 17)
    assert report["mae"]["mean"] <= 2.0
    assert report["reannotated"]["mae"]["mean"] <= 3.5
