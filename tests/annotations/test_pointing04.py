"""Pointing'04: angles in file names, faces in text files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headwise.annotations import pointing04
from headwise.errors import InputError
from official_folders import picture as gray
from official_folders import tarred, write_picture, write_pointing04


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pointing04(tmp_path, 1, 0, -90, 0)
    write_pointing04(tmp_path, 1, 5, -30, 45)
    write_pointing04(tmp_path, 2, 60, 15, -75, series=2)
    write_picture(tmp_path / "Front/person01146+0+0.jpg", gray())
    return tmp_path


def test_tilt_comes_before_pan_and_both_have_our_signs(folder: Path) -> None:
    faces = pointing04.open_set(folder)
    face = faces.face("Person01/person01105-30+45.jpg")
    assert face.angles_deg[:2] == (45, -30)
    assert not face.roll_known
    assert face.rotation.facing[0] < 0, "pan + is the left of the picture"
    assert face.rotation.facing[1] > 0, "tilt - looks down"
    azimuth, elevation = face.rotation.azimuth_elevation_deg
    assert (float(azimuth), float(elevation)) == pytest.approx((45, -30))
    assert face.rotation.matrix[1, 0] == pytest.approx(0), "roll 0"


def test_the_box_is_centre_and_size(folder: Path) -> None:
    face = pointing04.open_set(folder).face("Person02/person02260+15-75.jpg")
    assert tuple(face.box) == (152, 94, 232, 194)


def test_front_is_left_aside_and_people_are_groups(folder: Path) -> None:
    faces = pointing04.open_set(folder)
    assert [faces.group_of(name) for name in faces.names] == ["Person01", "Person01", "Person02"]


def test_the_archive_reads_as_its_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    archive = tarred(folder, tmp_path_factory.mktemp("a") / "HeadPoseImageDatabase.tar.gz")
    faces, unpacked = pointing04.open_set(archive), pointing04.open_set(folder)
    assert faces.names == unpacked.names
    for name in faces.names:
        np.testing.assert_array_equal(faces.picture(name), unpacked.picture(name))


def test_counts_and_damage(folder: Path) -> None:
    (folder / "Person01/person01105-30+45.txt").write_text("person01105-30+45.jpg\nFace\n192\n144\n")
    (folder / "Person01/person01100-90+0.jpg").unlink()
    checked = pointing04.check(folder, lambda _done, _total: None)
    assert {part.name: part.found for part in checked.parts if part.found} == {"Person01": 1, "Person02": 1}
    assert len(checked.broken) == 1
    assert "needs the word Face and x, y, width, height" in checked.broken[0]
    assert checked.lacking == ("Person01/person01100-90+0.jpg",)


def test_a_name_without_angles_is_an_error() -> None:
    with pytest.raises(InputError, match="no name of Pointing'04"):
        pointing04.angles_of("Person01/face.jpg")


def test_the_published_counts_add_up() -> None:
    assert sum(pointing04.FACTS.parts.values()) == pointing04.FACTS.items == 2790


def test_real_labels_agree(shared_dir: Path) -> None:
    """Names and boxes of a copy whose angles were read independently."""
    from headwise.annotations.labels_csv import COLUMNS, read_labels

    for row in read_labels(shared_dir / "data/real/pointing04", COLUMNS):
        name = row["file"].removeprefix("images/")
        yaw, pitch, roll = pointing04.angles_of(name)
        assert (yaw, pitch) == (float(row["yaw_deg"]), float(row["pitch_deg"])), name
        assert np.isnan(roll)
