"""The points5 protocol: what counts as found, and the counts."""

import json
from pathlib import Path

import numpy as np
import pytest

from headwise.boxes import Box
from headwise.errors import InputError
from headwise.evaluation.outcome import Tools
from headwise.evaluation.protocols import points5
from headwise.evaluation.report import as_markdown
from headwise.pictures import read_picture
from headwise.results import Detection
from labelled_folders import write_csv, write_picture

FACE = [(30, 30), (50, 30), (40, 40), (32, 50), (48, 50)]
HIT = Box(20, 20, 60, 60)
ELSEWHERE = Box(60, 60, 79, 79)


def write_faces(folder: Path, classes: list[int]) -> Path:
    rows = []
    for index, pose_class in enumerate(classes):
        write_picture(folder / f"{index}.png", index)
        rows.append([f"{index}.png", *(c for point in FACE for c in point), pose_class])
    write_csv(folder, points5.COLUMNS, rows)
    return folder


def run(folder: Path, found: list[list[tuple[Box, float]]], threshold: float = 0.5):
    def detect(image):
        return [Detection(box, score) for box, score in found[int(image[0, 0, 0])]]

    return points5.create().run(folder, Tools(read_picture, detect=detect, detector_threshold=threshold))


@pytest.mark.parametrize(
    "box, held",
    [
        (HIT, True),
        (Box(30, 30, 50, 50), True),  # borders count as inside
        (Box(31, 20, 60, 60), True),  # four of five
        (Box(33, 20, 60, 60), False),  # three of five
        (Box(0, 0, 90, 90), True),  # 4.5 extents of 20 px wide
        (Box(0, 0, 90.1, 90), False),
        (Box(20, 0, 60, 500), True),  # height is not asked for, as the peers' rule does not
    ],
)
def test_what_counts_as_found(box: Box, held: bool) -> None:
    assert points5.holds(box, np.array(FACE, float)) is held


def test_recall_profiles_and_extra_boxes(tmp_path: Path) -> None:
    found = [[(HIT, 0.9)], [(HIT, 0.8), (HIT, 0.7), (ELSEWHERE, 0.6)], [(ELSEWHERE, 0.9)], []]
    report = run(write_faces(tmp_path, [3, 1, 5, 2]), found).report
    assert report["recall"] == 0.5
    assert report["recall_profile"] == 0.5
    assert report["false_per_image"] == 0.75  # 0, 2, 1, 0
    assert (report["items"], report["profiles"], report["missed"]) == (4, 2, 2)


def test_curve_counts_only_scores_of_at_least_the_threshold(tmp_path: Path) -> None:
    report = run(write_faces(tmp_path, [1]), [[(HIT, 0.4), (ELSEWHERE, 0.2)]], threshold=0.5).report
    curve = {one["threshold"]: (one["recall"], one["false_per_image"]) for one in report["by_threshold"]}
    assert report["recall"] == 0
    assert (curve[0.2], curve[0.25], curve[0.4], curve[0.45]) == ((1, 1), (1, 0), (1, 0), (0, 0))


def test_unreadable_pictures_are_named_and_not_found(tmp_path: Path) -> None:
    write_faces(tmp_path, [1, 3])
    (tmp_path / "1.png").write_bytes(b"")
    report = run(tmp_path, [[(HIT, 0.9)], []]).report
    assert (report["recall"], report["missed"], report["items"]) == (0.5, 1, 2)
    assert "1.png" in report["unreadable"][0]


def test_report_is_strict_json_and_readable(tmp_path: Path) -> None:
    report = run(write_faces(tmp_path, [3]), [[(HIT, 0.9)]]).report
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["recall_profile"] is None  # there are none
    assert {"recall", "recall_profile", "false_per_image", "items", "by_threshold", "list_sha256"} <= set(
        report
    )
    assert "extra boxes" in as_markdown(report)


def test_missed_faces_are_the_worst_items(tmp_path: Path) -> None:
    found = [[(HIT, 0.9)], [(HIT, 0.9), (ELSEWHERE, 0.9)], []]
    assert [item.path.name for item in run(write_faces(tmp_path, [3, 3, 3]), found).worst] == [
        "2.png",
        "1.png",
    ]


def test_missing_columns_are_named(tmp_path: Path) -> None:
    write_csv(tmp_path, ["file", "pose_class"], [["a.png", 1]])
    with pytest.raises(InputError, match="columns left_eye_x, left_eye_y"):
        run(tmp_path, [])


def test_real_list_has_its_known_size(shared_dir: Path) -> None:
    folder = shared_dir / "data/real/faces_5pt"
    report = points5.create().run(
        folder, Tools(lambda _path: np.zeros((2, 2, 3), np.uint8), detect=lambda _image: [])
    )
    assert (report.report["items"], report.report["profiles"]) == (800, 150)
