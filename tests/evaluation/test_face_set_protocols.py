"""The protocols of published sets, on small folders in their layout and models that know the answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")

from headwise import plugins
from headwise.boxes import Box
from headwise.conventions import EulerOrder
from headwise.errors import InputError, SettingsError
from headwise.evaluation.outcome import Prediction, Tools
from headwise.evaluation.report import as_markdown
from headwise.pictures import read_picture
from headwise.results import Detection
from headwise.rotation import Rotation
from official_folders import (
    points68,
    write_300w_lp,
    write_aflw2000,
    write_biwi,
    write_pointing04,
    zipped,
)


def answering(yaw: float = 0, pitch: float = 0, roll: float = 0, order=EulerOrder.LP300W, **more) -> Tools:
    """Tools whose model always says the same; seen collects the boxes it was given."""
    seen: list[Box] = more.pop("seen", [])
    one = Rotation.from_euler(order, yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll).matrix

    def predict(images, boxes) -> Prediction:
        seen.extend(boxes)
        return Prediction(Rotation(np.stack([one] * len(images))), np.full(len(images), 5.0))

    return Tools(read=read_picture, predict=predict, **more)


def run(name: str, folder: Path, tools: Tools, **options):
    return plugins.load("evaluation.protocols", name, **options).run(folder, tools)


def test_aflw2000_leaves_out_what_every_table_leaves_out(tmp_path: Path) -> None:
    for number, angles in enumerate([(10, 0, 0), (99.5, 0, 0), (0, -120, 0), (98, 0, 0)], start=2):
        write_aflw2000(tmp_path, number, angles)
    report = run("aflw2000", tmp_path, answering(yaw=13)).report
    assert (report["listed"], report["excluded"], report["items"]) == (4, 2, 2)
    assert report["mae"]["yaw"] == pytest.approx((3 + 85) / 2, abs=1e-3)
    assert report["protocol"] == "aflw2000"
    assert report["order"] == "300w-lp"
    assert "MAE" in as_markdown(report)


def test_a_zip_scores_as_its_folder_and_shows_its_worst_pictures(tmp_path: Path) -> None:
    for number in range(2, 6):
        write_aflw2000(tmp_path / "a", number, (number, 0, 0))
    folder = run("aflw2000", tmp_path / "a", answering())
    archive = run("aflw2000", zipped(tmp_path / "a", tmp_path / "a.zip"), answering())
    for key in ("mae", "list_sha256", "labels_sha256", "items"):
        assert folder.report[key] == archive.report[key]
    assert [item.path.name for item in archive.worst] == [f"image0000{n}.jpg" for n in (5, 4, 3, 2)]
    assert archive.worst[0].image is not None
    assert archive.worst[0].image.shape == (64, 64, 3)


def test_labels_that_differ_are_seen_in_the_fingerprint(tmp_path: Path) -> None:
    write_aflw2000(tmp_path / "a", 2, (10, 0, 0))
    write_aflw2000(tmp_path / "b", 2, (10.01, 0, 0))
    first, second = (run("aflw2000", tmp_path / one, answering()).report for one in "ab")
    assert first["list_sha256"] == second["list_sha256"]
    assert first["labels_sha256"] != second["labels_sha256"]


def test_a_broken_label_stops_the_run_a_broken_picture_is_missed(tmp_path: Path) -> None:
    for number in (2, 3, 4):
        write_aflw2000(tmp_path, number, (0, 0, 0))
    (tmp_path / "AFLW2000/image00003.jpg").write_bytes(b"no picture")
    outcome = run("aflw2000", tmp_path, answering())
    assert (outcome.report["items"], outcome.report["missed"]) == (3, 1)
    assert "image00003.jpg" in outcome.report["unreadable"][0]
    assert len(outcome.worst) == 2
    (tmp_path / "AFLW2000/image00004.mat").write_bytes(b"no label")
    with pytest.raises(InputError, match=r"image00004\.mat: no MATLAB file"):
        run("aflw2000", tmp_path, answering())


def test_pointing04_scores_the_facing_direction_of_tilts_up_to_60(tmp_path: Path) -> None:
    for number, (tilt, pan) in enumerate([(-90, 0), (-60, 15), (0, -90), (90, 0)]):
        write_pointing04(tmp_path, 1 + number // 2, number, tilt, pan)
    report = run("pointing04", tmp_path, answering(order=EulerOrder.AZIMUTH, roll=40)).report
    assert (report["listed"], report["items"], report["people"]) == (4, 2, 2)
    assert report["mae"] == {"yaw": 52.5, "pitch": 30, "roll": None, "mean": 41.25}
    assert report["order"] == "azimuth"
    assert report["geodesic"]["mean"] is None


def test_300w_lp_is_scored_on_the_photographs_that_training_leaves_out(tmp_path: Path) -> None:
    for number in range(20):
        for k in (0, 1):
            stem = f"LFPW_image_train_{number:04}_{k}"
            write_300w_lp(tmp_path, "LFPW", stem, (10 * k, 5, 0), points68(150, 120, 150, 160))
            write_300w_lp(tmp_path, "LFPW_Flip", stem, (-10 * k, 5, 0))
    report = run("w300lp", tmp_path, answering(), share=0.2).report
    heads = plugins.load("training.datasets", "w300lp", folder=tmp_path, share=0.2)
    assert report["items"] == 80 - len(heads) > 0
    assert report["photographs"] == report["items"] / 4
    with pytest.raises(SettingsError, match="share lies above 0"):
        run("w300lp", tmp_path, answering(), share=0)


@pytest.fixture
def biwi(tmp_path: Path) -> Path:
    """Recording 01 looks straight on, 04 to the left by 20 deg at 0.3 to the right, 16.7 deg off the axis."""
    turned = Rotation.from_euler(EulerOrder.LP300W, yaw_deg=20, pitch_deg=0, roll_deg=0).matrix
    for frame in (3, 4):
        write_biwi(tmp_path, "01", frame, np.eye(3))
        write_biwi(tmp_path, "04", frame, turned, (300, 0, 1000))
    return tmp_path


def test_biwi_all_and_the_test_part(biwi: Path) -> None:
    everything = run("biwi", biwi, answering()).report
    assert (everything["items"], everything["recordings"], everything["split"]) == (4, ["01", "04"], "all")
    assert everything["mae"]["yaw"] == 10
    test = run("biwi", biwi, answering(), split="test").report
    assert (test["items"], test["recordings"]) == (2, ["04"])
    assert test["mae"]["yaw"] == 20
    assert test["aligned"]["mae"]["yaw"] == 0, "a constant turn is taken out and told"


def test_biwi_angles_as_published_or_as_the_crop_shows_them(biwi: Path) -> None:
    ray = run("biwi", biwi, answering(), split="test", angles="ray").report
    assert ray["mae"]["yaw"] == pytest.approx(20 - np.degrees(np.arctan(0.3)), abs=1e-3)
    assert ray["angles"] == "ray"


def test_biwi_frames_without_a_face_are_told_apart(biwi: Path) -> None:
    """The detector finds the head in the middle alone."""
    seen: list[Box] = []
    tools = answering(
        yaw=2,
        seen=seen,
        detect=lambda _image: [Detection(Box(290, 210, 355, 275), 0.9)],
        detector_threshold=0.5,
    )
    report = run("biwi", biwi, tools, boxes="detected").report
    assert (report["items"], report["missed"]) == (4, 2)
    assert set(seen) == {Box(290, 210, 355, 275)}
    assert report["mae"]["yaw"] == 2
    assert report["mae_with_missed"]["yaw"] == 11


def test_biwi_takes_published_frames_and_boxes(biwi: Path, tmp_path: Path) -> None:
    frames, boxes = tmp_path / "frames.txt", tmp_path / "boxes.txt"
    frames.write_text("04/frame_00004\n01/frame_00003\n")
    boxes.write_text("image;tl_x;tl_y;br_x;br_y\nhpdb/01/frame_00003_rgb.png;100;110;200;230\n")
    seen: list[Box] = []
    listed = run("biwi", biwi, answering(), frames=str(frames)).report
    assert (listed["items"], listed["excluded"], listed["frames"]) == (2, 2, "frames.txt")
    boxed = run("biwi", biwi, answering(seen=seen), frames=str(frames), box_list=str(boxes)).report
    assert (boxed["items"], boxed["excluded"], boxed["box_list"]) == (1, 3, "boxes.txt")
    assert seen == [Box(100, 110, 200, 230)]
    frames.write_text("01/frame_00003\n02/frame_00001\n")
    with pytest.raises(InputError, match=r"02/frame_00001 and 0 more are not in the folder or split"):
        run("biwi", biwi, answering(), frames=str(frames))


@pytest.mark.parametrize("name", ["aflw2000", "biwi", "pointing04", "w300lp"])
def test_wrong_options_and_folders_are_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}: no boxes 'drawn'; there are: given, detected"):
        plugins.load("evaluation.protocols", name, boxes="drawn")
    with pytest.raises(InputError, match="http"):
        run(name, tmp_path, answering())


def test_wrong_options_of_biwi_are_told() -> None:
    with pytest.raises(SettingsError, match="no split '70/30'; there are: all, test"):
        plugins.load("evaluation.protocols", "biwi", split="70/30")


def test_moved_boxes_are_scored_too(tmp_path: Path) -> None:
    write_aflw2000(tmp_path, 2, (10, 0, 0))
    report = run(
        "aflw2000", tmp_path, replace(answering(), progress=lambda _done, _total: None), perturb=True
    )
    assert report.report["perturbed"]["mean_cost"] == 0


def test_every_key_of_these_reports_is_documented(tmp_path: Path) -> None:
    import re

    docs = Path(__file__).parents[2] / "docs"
    known = set(re.findall(r"`(\w+)`", (docs / "evaluate.md").read_text() + (docs / "data.md").read_text()))
    write_aflw2000(tmp_path / "aflw2000", 2, (10, 0, 0))
    write_pointing04(tmp_path / "pointing04", 1, 3, 0, 0)
    write_biwi(tmp_path / "biwi", "01", 3, np.eye(3))
    write_300w_lp(tmp_path / "w300lp", "AFW", "AFW_1_1_0", (0, 0, 0), points68())
    for name, options in (("aflw2000", {}), ("pointing04", {}), ("biwi", {}), ("w300lp", {"share": 1.0})):
        assert set(run(name, tmp_path / name, answering(), **options).report) <= known, name
