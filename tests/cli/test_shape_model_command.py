"""headwise shape-model: what it says of a model, and what it refuses."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from headwise import cli
from headwise.errors import InputError, ModelError, SettingsError


def run(*words: object):
    return CliRunner().invoke(cli.app, ["shape-model", *map(str, words)])


def test_show_says_what_is_in_the_packages_model() -> None:
    result = run("show")
    assert result.exit_code == 0, result.output
    assert "6464 vertices, 12500 triangles" in result.output
    assert "mm between the eyes" in result.output
    assert "identity: 50 modes" in result.output


@pytest.mark.parametrize(
    "words, said",
    [
        (("bild",), "knows no 'bild'; there are: build, check, show"),
        (("build",), "needs the folder of the head art"),
        (("check",), "needs the folder of the head art"),
        (("build", "art"), "needs --out"),
    ],
)
def test_what_is_missing_is_told(words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert isinstance(result.exception, SettingsError)
    assert said in str(result.exception)


def test_a_folder_without_art_is_told(tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="synthesis needs the extra 'synth'")
    result = run("build", tmp_path, "--out", tmp_path / "a.npz")
    assert isinstance(result.exception, InputError)
    assert "geom.npz" in str(result.exception)
    assert not (tmp_path / "a.npz").exists()


def test_a_file_that_is_no_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_text("hello")
    result = run("show", "--model", tmp_path / "a.npz")
    assert isinstance(result.exception, ModelError)
