"""BIWI: pose.txt, .cal, run-length depth, masks, frame and box lists, in the official layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headwise.annotations import biwi
from headwise.boxes import Box
from headwise.conventions import EulerOrder
from headwise.errors import InputError
from headwise.rotation import Rotation
from official_folders import encode_depth, tarred, write_biwi


def turned(**angles_deg: float) -> np.ndarray:
    angles = {"yaw_deg": 0.0, "pitch_deg": 0.0, "roll_deg": 0.0, **angles_deg}
    return Rotation.from_euler(EulerOrder.LP300W, **angles).matrix


def hopenet_angles_deg(matrix: np.ndarray) -> tuple[float, float, float]:
    """Yaw, pitch, roll as Hopenet's loader reads pose.txt: of the transpose."""
    R = matrix.T
    roll = -np.arctan2(R[1][0], R[0][0])
    yaw = -np.arctan2(-R[2][0], np.sqrt(R[2][1] ** 2 + R[2][2] ** 2))
    pitch = np.arctan2(R[2][1], R[2][2])
    return tuple(np.degrees([yaw, pitch, roll]))


@pytest.mark.parametrize(
    "angles, axis, words",
    [
        ({"yaw_deg": 30}, 0, "yaw + turns the nose to the left of the picture"),
        ({"pitch_deg": 30}, 1, "pitch + looks up"),
    ],
)
def test_where_a_head_in_the_middle_looks(tmp_path: Path, angles, axis, words) -> None:
    name = write_biwi(tmp_path, "01", 3, turned(**angles))
    face = biwi.open_set(tmp_path).face(name)
    assert face.rotation.facing[axis] == pytest.approx(-0.5, abs=2e-3), words
    assert face.roll_known


def test_angles_are_those_that_published_loaders_read(tmp_path: Path) -> None:
    matrix = turned(yaw_deg=35, pitch_deg=-20, roll_deg=12)
    name = write_biwi(tmp_path, "01", 3, matrix)
    assert biwi.open_set(tmp_path).face(name).angles_deg == pytest.approx(
        hopenet_angles_deg(matrix), abs=1e-3
    )


def test_the_rotation_is_relative_to_the_ray_through_the_head(tmp_path: Path) -> None:
    """A head to the right of the middle that faces the lens shows its face straight on."""
    toward_the_lens = Rotation.from_euler(
        EulerOrder.AZIMUTH, yaw_deg=np.degrees(np.arctan(0.3)), pitch_deg=0, roll_deg=0
    )
    name = write_biwi(tmp_path, "01", 3, toward_the_lens.matrix, (300.0, 0.0, 1000.0))
    face = biwi.open_set(tmp_path).face(name)
    assert float(face.rotation.angle_to_deg(Rotation.identity())) < 0.1
    assert face.angles_deg[0] == pytest.approx(16.7, abs=0.05), "the published angle is the camera's"


def test_the_colour_camera_stands_to_the_right_so_heads_move_left(tmp_path: Path) -> None:
    names = write_biwi(tmp_path, "01", 3, np.eye(3)), write_biwi(tmp_path, "02", 3, np.eye(3), t="-24 0 0")
    straight, moved = (biwi.open_set(tmp_path).face(name) for name in names)
    assert straight.box.center == pytest.approx((320, 240.5))
    assert moved.box.center == pytest.approx((320 - 24 * 517.679 / 1000, 240.5))
    assert straight.box.width == pytest.approx(0.14 * 517.679)


def test_the_rotation_of_the_calibration_turns_the_head(tmp_path: Path) -> None:
    rows = "\n".join(" ".join(map(str, row)) for row in turned(roll_deg=5.0))
    name = write_biwi(tmp_path, "01", 3, np.eye(3), R=rows)
    face = biwi.open_set(tmp_path).face(name)
    assert float(face.rotation.euler(EulerOrder.LP300W).roll_deg) == pytest.approx(5, abs=1e-3)
    assert face.angles_deg[2] == pytest.approx(0), "the published angle is the depth camera's"


@pytest.mark.parametrize("seed", range(5))
def test_depth_comes_back_as_it_was_packed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    depth = rng.integers(400, 3000, (48, 64)).astype(np.int16)
    depth[rng.random(depth.shape) < 0.6] = 0
    depth[0], depth[-1] = 0, seed % 2 * 700
    np.testing.assert_array_equal(biwi.decode_depth(encode_depth(depth), "d"), depth)


@pytest.mark.parametrize("kept", [0, 7, 8, 12, 30, -1])
def test_cut_off_depth_is_an_error(kept: int) -> None:
    packed = encode_depth(np.full((4, 8), 900, np.int16))
    with pytest.raises(InputError, match=r"frame\.bin: "):
        biwi.decode_depth(packed[:kept], "frame.bin")


def test_depth_with_impossible_runs_is_an_error() -> None:
    packed = bytearray(encode_depth(np.full((4, 8), 900, np.int16)))
    packed[8:12] = (-3).to_bytes(4, "little", signed=True)
    with pytest.raises(InputError, match="damaged"):
        biwi.decode_depth(bytes(packed), "d")
    with pytest.raises(InputError, match=r"pixels; is it a _depth\.bin"):
        biwi.decode_depth(b"\xff" * 64, "d")


def test_the_mask_of_the_depth_camera_is_carried_into_the_picture(tmp_path: Path) -> None:
    """Rows 210..270, columns 300..340 of the depth camera at one metre, seen through the other lens."""
    name = write_biwi(tmp_path, "01", 3, np.eye(3), t="-24 0 0")
    mask = biwi.open_set(tmp_path).mask(name)
    rows, columns = np.nonzero(mask)
    ratio = 517.679 / 575.816
    assert mask.shape == (480, 640)
    assert rows.min() == pytest.approx(240.5 - 30 * ratio, abs=1.5)
    assert rows.max() == pytest.approx(240.5 + 30 * ratio, abs=1.5)
    assert columns.min() == pytest.approx(320 - 20 * ratio - 12.4, abs=1.5)
    inner = mask[rows.min() + 2 : rows.max() - 1, columns.min() + 2 : columns.max() - 1]
    assert (inner == 255).all(), "no holes between projected pixels"


def test_a_set_without_masks_has_none(tmp_path: Path) -> None:
    import shutil

    name = write_biwi(tmp_path, "01", 3, np.eye(3))
    shutil.rmtree(tmp_path / "head_pose_masks")
    assert biwi.open_set(tmp_path).mask(name) is None


def test_damage_is_named(tmp_path: Path) -> None:
    for frame in range(3, 8):
        write_biwi(tmp_path, "01", frame, np.eye(3))
    root = tmp_path / "hpdb/01"
    (root / "frame_00003_pose.txt").write_text("1 0 0\n0 1 0\n")
    (root / "frame_00004_pose.txt").write_text("1 0 0\n0 1 0\n0 0 2\n\n0 0 900\n")
    (root / "frame_00005_rgb.png").unlink()
    (root / "frame_00006_depth.bin").write_bytes(b"\0" * 9)
    (root / "frame_00007_depth.bin").unlink()
    checked = biwi.check(tmp_path, lambda _done, _total: None)
    assert [message.split(":")[0][-19:] for message in checked.broken] == [
        "frame_00003_rgb.png", "frame_00004_rgb.png", "frame_00006_rgb.png", "frame_00007_rgb.png",
    ]  # fmt: skip
    assert "12 finite numbers; got 6" in checked.broken[0]
    assert "recording 24" in checked.lacking
    assert "hpdb/01/frame_00005_rgb.png" in checked.lacking
    assert "hpdb/01/frame_00007_depth.bin" in checked.lacking


def test_damaged_depth_is_named_even_without_masks(tmp_path: Path) -> None:
    import shutil

    for frame in (3, 4):
        write_biwi(tmp_path, "01", frame, np.eye(3))
    shutil.rmtree(tmp_path / "head_pose_masks")
    (tmp_path / "hpdb/01/frame_00004_depth.bin").write_bytes(b"\0" * 9)
    checked = biwi.check(tmp_path, lambda _done, _total: None)
    assert checked.broken_names == ("hpdb/01/frame_00004_rgb.png",)
    assert "0x0 pixels" in checked.broken[0]


def test_the_split_separates_people() -> None:
    assert len(biwi.TEST_SEQUENCES) == 8
    assert not set(biwi.TEST_SEQUENCES) & {one for pair in biwi.RECORDED_TWICE for one in pair}


def test_published_lists_are_read(tmp_path: Path) -> None:
    frames = tmp_path / "frames.txt"
    frames.write_text("01/frame_00003_rgb\nhpdb/02/frame_00010_rgb.png\n\n05/frame_00001\n")
    assert biwi.read_frames(frames) == ("01/frame_00003", "02/frame_00010", "05/frame_00001")
    boxes = tmp_path / "biwi_ann.txt"
    row = "kinect_head_pose_db/01/frame_00003_rgb.png;10;20;110;140;"
    for header in ("image;tl_x;tl_y;br_x;br_y;", "@;image;tl_x;tl_y;br_x;br_y"):
        boxes.write_text(f"{header}\n{row}\n")
        assert biwi.read_boxes(boxes) == {"01/frame_00003": Box(10, 20, 110, 140)}
    boxes.write_text("image;tl_x;tl_y;br_x;br_y\n01/frame_00003_rgb.png;10;20;5;140\n")
    with pytest.raises(InputError, match="line 2: box needs right > left"):
        biwi.read_boxes(boxes)
    frames.write_text("01/frame_00003\nsomething\n")
    with pytest.raises(InputError, match="line 2: no frame"):
        biwi.read_frames(frames)


def test_a_plain_tar_reads_as_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "unpacked"
    name = write_biwi(folder, "04", 3, turned(yaw_deg=30))
    faces = biwi.open_set(tarred(folder, tmp_path / "hpdb.tar"))
    assert faces.names == (name,)
    assert faces.face(name).angles_deg[0] == pytest.approx(30, abs=1e-3)
    assert faces.picture(name).shape == (480, 640, 3)
    assert faces.group_of(name) == "04"


def test_a_large_compressed_tar_asks_to_be_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from headwise.annotations import files

    folder = tmp_path / "unpacked"
    write_biwi(folder, "04", 3, np.eye(3))
    archive = tarred(folder, tmp_path / "kinect_head_pose_db.tgz")
    assert len(biwi.open_set(archive).names) == 1
    monkeypatch.setattr(files, "LARGEST_COMPRESSED_TAR", 10)
    with pytest.raises(InputError, match=r"unpack it \(tar -xf kinect_head_pose_db.tgz\)"):
        biwi.open_set(archive)
