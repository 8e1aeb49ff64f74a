"""`headwise synthesize` as a user calls it; what it renders is tested in tests/synthesis."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("moderngl", reason="synthesis needs the extra 'synth'")

from typer.testing import CliRunner

from headwise.cli import app
from headwise.errors import InputError, SettingsError

RUN = CliRunner()


def synthesize(*arguments: str):
    return RUN.invoke(app, ["synthesize", *arguments])


def test_a_mode_that_is_none_names_those_there_are(tmp_path: Path) -> None:
    result = synthesize("portraits", "--out", str(tmp_path), "--assets", str(tmp_path))
    assert isinstance(result.exception, SettingsError)
    assert "crops, scenes, backgrounds" in str(result.exception)


def test_missing_art_is_told_before_any_work(tmp_path: Path) -> None:
    result = synthesize("crops", "--out", str(tmp_path / "out"), "--assets", str(tmp_path))
    assert isinstance(result.exception, InputError)
    assert "geom.npz" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_finished_folder_is_left_as_it_is(tmp_path: Path, shared_dir: Path) -> None:
    assets = shared_dir / "heads"
    if not (assets / "assets" / "geom.npz").exists():
        pytest.skip("the head art is not at hand")
    arguments = ("backgrounds", "--out", str(tmp_path), "--assets", str(assets), "--pictures", "1")
    first = synthesize(*arguments, "--processes", "1")
    assert first.exit_code == 0, first.output
    shard = tmp_path / "shard-00000.npz"
    assert len(np.load(shard)["width"]) == 100
    before = shard.stat().st_mtime_ns
    again = synthesize(*arguments, "--processes", "1")
    assert "0 new pictures" in again.output
    assert shard.stat().st_mtime_ns == before
