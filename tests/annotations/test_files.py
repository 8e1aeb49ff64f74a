"""Folders, zips and tars as one thing, whole and damaged; labels.csv in each."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headwise.annotations import labels_csv
from headwise.annotations.files import open_files
from headwise.errors import InputError
from labelled_folders import HEADER, write_csv
from official_folders import picture, tarred, write_picture, zipped


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_picture(tmp_path / "set/a/one.png", picture(7))
    write_picture(tmp_path / "set/two.png", picture(9))
    write_csv(
        tmp_path / "set", HEADER, [("a/one.png", 1, 2, 3, 4, 5, 60, 60), ("two.png", 1, 2, "", 4, 5, 60, 60)]
    )
    return tmp_path / "set"


@pytest.mark.parametrize("form", ["folder", "set.zip", "set.tar", "set.tar.gz"])
def test_every_form_has_the_same_names_and_bytes(folder: Path, tmp_path: Path, form: str) -> None:
    packed = {"folder": lambda _folder, _path: folder}.get(form, zipped if form.endswith("zip") else tarred)
    files = open_files(packed(folder, tmp_path / form))
    assert files.names == ("a/one.png", "labels.csv", "two.png")
    for name in files.names:
        assert files.read(name) == (folder / name).read_bytes()
    with pytest.raises(InputError, match=r"three\.png"):
        files.read("three.png")
    faces = labels_csv.open_set(files.path)
    assert [faces.face(name).roll_known for name in faces.names] == [True, False]
    assert faces.picture("two.png")[0, 0].tolist() == [9, 9, 9]


def test_a_cut_off_archive_says_so(folder: Path, tmp_path: Path) -> None:
    for archive in (zipped(folder, tmp_path / "s.zip"), tarred(folder, tmp_path / "s.tar.gz")):
        archive.write_bytes(archive.read_bytes()[:-200])
        with pytest.raises(InputError, match=r"damaged or cut off|neither a folder nor a zip or tar"):
            open_files(archive)
    plain = tarred(folder, tmp_path / "s.tar")
    files = open_files(plain)
    os.truncate(plain, 1600)
    with pytest.raises(InputError, match=r"two\.png is cut off"):
        files.read("two.png")


def test_a_damaged_member_is_named(folder: Path, tmp_path: Path) -> None:
    archive = zipped(folder, tmp_path / "s.zip")
    content = bytearray(archive.read_bytes())
    content[60:90] = bytes(30)
    archive.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"a/one\.png is damaged"):
        open_files(archive).read("a/one.png")


def test_something_else_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match="neither a folder nor a zip or tar archive"):
        open_files(tmp_path / "notes.txt")


def test_another_process_opens_a_zip_anew(folder: Path, tmp_path: Path) -> None:
    """Forked workers must not share the parent's position in the file."""
    files = open_files(zipped(folder, tmp_path / "s.zip"))
    files.read("two.png")
    opened = files._open[1]
    files._open = (os.getpid() + 1, opened)
    files.read("two.png")
    assert files._open[1] is not opened


def test_a_picture_listed_twice_is_told(folder: Path) -> None:
    write_csv(folder, HEADER, [("two.png", 1, 2, 3, 4, 5, 60, 60)] * 2)
    with pytest.raises(InputError, match=r"labels\.csv: line 3: two\.png is listed twice"):
        labels_csv.open_set(folder)


def test_a_row_that_is_not_understood_names_its_line(folder: Path) -> None:
    write_csv(folder, HEADER, [("two.png", "x", 2, 3, 4, 5, 60, 60)])
    with pytest.raises(InputError, match="line 2: yaw_deg needs a finite number, got 'x'"):
        labels_csv.open_set(folder)
