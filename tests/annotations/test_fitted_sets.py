"""300W-LP and AFLW2000-3D: real .mat files in the official layout, signs in words, damage by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")

from headwise.annotations import aflw2000, w300lp
from headwise.annotations.sets import is_held_out
from headwise.conventions import FLIP_68
from headwise.errors import InputError
from official_folders import SIDE_PX, points68, write_300w_lp, write_aflw2000, zipped


def no_progress(done: int, total: int) -> None:
    assert 0 < done <= total


@pytest.mark.parametrize(
    "angles_deg, axis, sign, words",
    [
        ((40, 0, 0), 0, -1, "yaw + turns the nose to the left of the picture"),
        ((0, 30, 0), 1, -1, "pitch + looks up"),
        ((-40, 0, 0), 0, 1, "yaw - turns the nose to the right"),
    ],
)
def test_where_an_aflw2000_face_looks(tmp_path: Path, angles_deg, axis, sign, words) -> None:
    name = write_aflw2000(tmp_path, 2, angles_deg)
    facing = aflw2000.open_set(tmp_path).face(name).rotation.facing
    assert np.sign(facing[axis]) == sign, words
    assert abs(facing[axis]) == pytest.approx(np.sin(np.radians(max(map(abs, angles_deg)))), abs=1e-6)


def test_roll_plus_tilts_the_head_clockwise_on_the_screen(tmp_path: Path) -> None:
    name = write_aflw2000(tmp_path, 2, (0, 0, 20))
    crown = aflw2000.open_set(tmp_path).face(name).rotation.matrix @ [0, -1, 0]
    assert crown[0] > 0.3, "the top of the head moves to the right"


def test_aflw2000_points_are_in_our_pixels_and_depth_grows_away_from_the_lens(tmp_path: Path) -> None:
    name = write_aflw2000(tmp_path, 2, (10, 5, 0))
    faces = aflw2000.open_set(tmp_path)
    face = faces.face(name)
    np.testing.assert_allclose(face.points_px, points68() - 0.5, atol=1e-5)
    assert tuple(face.box) == pytest.approx((*(face.points_px.min(0)), *(face.points_px.max(0))))
    assert face.points_depth_px.mean() == pytest.approx(0, abs=1e-5)
    assert face.points_depth_px[0] > face.points_depth_px[67], "their z grows toward the viewer"
    assert faces.picture(name).shape == (SIDE_PX, SIDE_PX, 3)
    assert face.angles_deg == pytest.approx((10, 5, 0), abs=1e-5)


def test_a_zip_reads_as_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "unpacked"
    names = [write_aflw2000(folder, number, (number, 0, 0)) for number in (2, 4)]
    faces = aflw2000.open_set(zipped(folder, tmp_path / "AFLW2000-3D.zip"))
    assert faces.names == tuple(names)
    assert faces.face(names[1]).angles_deg[0] == pytest.approx(4)
    assert int(faces.picture(names[1])[0, 0, 0]) == pytest.approx(4, abs=2)


def test_damage_is_named_item_by_item(tmp_path: Path) -> None:
    for number in range(2, 8):
        write_aflw2000(tmp_path, number, (0, 0, 0))
    root = tmp_path / "AFLW2000"
    (root / "image00003.jpg").write_bytes((root / "image00003.jpg").read_bytes()[:200])
    (root / "image00004.mat").write_bytes((root / "image00004.mat").read_bytes()[:150])
    (root / "image00005.mat").unlink()
    (root / "image00006.jpg").unlink()
    (root / "image00007.mat").write_bytes(b"")
    checked = aflw2000.check(tmp_path, no_progress)
    assert [message.split(":")[0] for message in checked.broken] == [
        "AFLW2000/image00003.jpg", "AFLW2000/image00004.jpg", "AFLW2000/image00005.jpg",
        "AFLW2000/image00007.jpg",
    ]  # fmt: skip
    assert checked.lacking == ("AFLW2000/image00006.jpg",)
    assert (checked.found, checked.usable, checked.complete) == (5, True, False)


def test_a_mat_without_the_label_says_what_it_holds(tmp_path: Path) -> None:
    import scipy.io

    name = write_aflw2000(tmp_path, 2, (0, 0, 0))
    scipy.io.savemat(tmp_path / name.replace(".jpg", ".mat"), {"roi": np.zeros(4)})
    with pytest.raises(InputError, match=r"image00002\.mat: no pt3d_68 in it; there are: roi"):
        aflw2000.open_set(tmp_path).face(name)


def test_a_complete_set_is_said_to_be_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    for number in (2, 4):
        write_aflw2000(tmp_path, number, (0, 0, 0))
    monkeypatch.setattr(aflw2000, "FACTS", replace(aflw2000.FACTS, items=2))
    assert aflw2000.check(tmp_path, no_progress).complete
    archive = zipped(tmp_path / "AFLW2000", tmp_path / "repacked.zip")
    assert aflw2000.check(archive, no_progress).as_published is False
    assert aflw2000.check(tmp_path, no_progress).as_published is None


@pytest.fixture
def lp(tmp_path: Path) -> Path:
    landmarks = points68(150, 120, 150, 160)
    for k in (0, 1):
        write_300w_lp(tmp_path, "AFW", f"AFW_134212_1_{k}", (20 * k, 0, 5), landmarks + k)
        write_300w_lp(tmp_path, "AFW_Flip", f"AFW_134212_1_{k}", (-20 * k - 1, 0, -5))
    write_300w_lp(tmp_path, "AFW", "AFW_134212_2_0", (0, 0, 0), landmarks)
    write_300w_lp(tmp_path, "LFPW", "LFPW_image_train_0001_3", (60, 0, 0), landmarks)
    write_300w_lp(tmp_path, "LFPW", "LFPW_image_train_0002_0", (0, 0, 0), landmarks)
    return tmp_path


def test_points_of_300w_lp_are_the_projected_ones_of_the_landmarks_folder(lp: Path) -> None:
    face = w300lp.open_set(lp).face("300W_LP/AFW/AFW_134212_1_1.jpg")
    np.testing.assert_allclose(face.points_px, points68(150, 120, 150, 160) + 1 - 0.5)
    assert face.rotation.facing[0] < 0, "yaw + turns the nose to the left of the picture"
    assert face.points_depth_px is None


def test_a_flip_has_mirrored_points_and_its_own_angles(lp: Path) -> None:
    faces = w300lp.open_set(lp)
    plain = faces.face("300W_LP/AFW/AFW_134212_1_1.jpg")
    flip = faces.face("300W_LP/AFW_Flip/AFW_134212_1_1.jpg")
    np.testing.assert_allclose(flip.points_px[FLIP_68][:, 0], 450 - plain.points_px[:, 0])
    np.testing.assert_allclose(flip.points_px[FLIP_68][:, 1], plain.points_px[:, 1])
    assert flip.angles_deg == pytest.approx((-21, 0, -5), abs=1e-5), "not minus those of the original"
    assert flip.rotation.facing[0] > 0, "the nose is at the right of the mirrored picture"


def test_copies_flips_and_faces_of_a_photograph_stay_together(lp: Path) -> None:
    faces = w300lp.open_set(lp)
    groups = {name: faces.group_of(name) for name in faces.names}
    assert {g for name, g in groups.items() if "134212" in name} == {"AFW/AFW_134212"}
    assert sorted(g for name, g in groups.items() if "LFPW" in name) == [
        "LFPW/LFPW_image_train_0001", "LFPW/LFPW_image_train_0002",
    ]  # fmt: skip
    assert w300lp.group_of("x/IBUG/IBUG_image_003_1_12.jpg") == "IBUG/IBUG_image_003"
    assert w300lp.group_of("x/IBUG_Flip/IBUG_Flip_image_003_1_12.jpg") == "IBUG/IBUG_image_003"


def test_the_published_counts_of_300w_lp_add_up() -> None:
    assert sum(w300lp.FACTS.parts.values()) == w300lp.FACTS.items == 122_450


def test_300w_lp_without_its_landmarks_cannot_be_used(lp: Path) -> None:
    import shutil

    shutil.rmtree(lp / "300W_LP/landmarks")
    checked = w300lp.check(lp, no_progress)
    assert not checked.usable
    assert checked.lacking[-1].startswith("landmarks/")
    assert len(checked.broken) == 7


def test_parts_of_300w_lp_are_counted_against_what_is_published(lp: Path) -> None:
    checked = w300lp.check(lp, no_progress)
    counts = {part.name: (part.found, part.expected) for part in checked.parts}
    assert counts["AFW"] == (3, 5207)
    assert counts["HELEN_Flip"] == (0, 37676)
    assert not checked.broken


def test_the_held_out_share_is_about_what_was_asked_for_and_always_the_same() -> None:
    held_out = [group for group in map(str, range(5000)) if is_held_out(group, 0.1)]
    assert 430 < len(held_out) < 570
    assert held_out[:3] == [group for group in map(str, range(5000)) if is_held_out(group, 0.1)][:3]
    assert not any(is_held_out(str(group), 0.0) for group in range(100))


def test_a_wrong_folder_is_told_where_the_set_is_to_be_had(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is it AFLW2000-3D\? http"):
        aflw2000.open_set(tmp_path)
    with pytest.raises(InputError, match="no such folder or archive"):
        w300lp.open_set(tmp_path / "nothing")
