"""headwise data list and check: what they say, and their exit codes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("scipy")

from headwise import cli
from headwise.annotations import aflw2000, biwi, pointing04, w300lp
from headwise.errors import InputError, SettingsError
from official_folders import write_aflw2000


def run(*words: object):
    return CliRunner().invoke(cli.app, ["data", *map(str, words)])


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set of which three items are published, all there."""
    monkeypatch.setattr(aflw2000, "FACTS", replace(aflw2000.FACTS, items=3))
    for number in (2, 3, 4):
        write_aflw2000(tmp_path, number, (0, 0, 0))
    return tmp_path


def test_list_names_every_set_with_its_terms() -> None:
    result = run("list")
    assert result.exit_code == 0
    for facts in (aflw2000.FACTS, biwi.FACTS, pointing04.FACTS, w300lp.FACTS):
        for words in (facts.title, facts.licence, facts.address, facts.citation, f"{facts.items} items"):
            assert words in result.stdout


def test_a_complete_copy(three: Path) -> None:
    result = run("check", "aflw2000", three)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["all: 3", "items: 3 of 3", "AFLW2000-3D is complete"]


def test_an_incomplete_copy_says_what_and_where(three: Path) -> None:
    (three / "AFLW2000/image00003.mat").unlink()
    (three / "AFLW2000/image00004.jpg").unlink()
    result = run("check", "aflw2000", three, "--broken", three / "broken.txt")
    assert result.exit_code == 1
    assert "items: 2 of 3" in result.stdout
    assert "broken: AFLW2000/image00003.jpg: " in result.stdout
    assert "missing: AFLW2000/image00004.jpg" in result.stdout
    assert aflw2000.FACTS.address in result.stdout.splitlines()[-1]
    assert (three / "broken.txt").read_text() == "AFLW2000/image00003.jpg\n"


def test_a_copy_of_the_right_size_with_a_broken_item_is_incomplete(three: Path) -> None:
    (three / "AFLW2000/image00003.mat").write_bytes(b"")
    result = run("check", "aflw2000", three)
    assert result.exit_code == 1
    assert "items: 3 of 3" in result.stdout


def test_a_label_without_its_picture_makes_a_copy_incomplete(three: Path) -> None:
    (three / "AFLW2000/image00005.mat").write_bytes(b"")
    result = run("check", "aflw2000", three)
    assert result.exit_code == 1
    assert "missing: AFLW2000/image00005.jpg" in result.stdout


def test_a_copy_without_a_whole_item_is_unusable(three: Path) -> None:
    for label in three.rglob("*.mat"):
        label.write_bytes(b"")
    result = run("check", "aflw2000", three)
    assert result.exit_code == 2
    assert "is unusable; to be had at" in result.stdout


def test_many_broken_items_are_cut_short_on_the_screen_alone(three: Path) -> None:
    for number in range(10, 40):
        write_aflw2000(three, number, (0, 0, 0))
        (three / f"AFLW2000/image{number:05}.mat").write_bytes(b"")
    result = run("check", "aflw2000", three, "--broken", three / "broken.txt")
    assert "broken: ... and 10 more" in result.stdout
    assert len((three / "broken.txt").read_text().splitlines()) == 30


@pytest.mark.parametrize(
    "words, kind, message",
    [
        (("check", "aflw200", "."), SettingsError, "no data set 'aflw200'; did you mean 'aflw2000'"),
        (("check", "aflw2000"), SettingsError, "needs the name of a data set and the path"),
        (("czech",), SettingsError, "knows no 'czech'; there are: list, check"),
        (("check", "biwi", "nowhere"), InputError, "nowhere: no such folder or archive"),
    ],
)
def test_wrong_words_are_told(words: tuple, kind: type, message: str) -> None:
    result = run(*words)
    assert isinstance(result.exception, kind)
    assert message in str(result.exception)
