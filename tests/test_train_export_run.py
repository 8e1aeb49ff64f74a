"""From shards through training and export to a pose on a picture; and Ctrl-C in between."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'headwise[train]'")
pytest.importorskip("lightning_fabric")
pytest.importorskip("onnxscript")

from fake_shards import write_shard  # noqa: E402
from headwise import open as open_pipeline  # noqa: E402
from headwise import weights  # noqa: E402
from headwise.cli import app, export  # noqa: E402
from headwise.errors import HeadwiseError, InputError, ModelError, SettingsError  # noqa: E402
from headwise.model_card import ModelCard, read_card  # noqa: E402
from headwise.training.checkpoint import load_checkpoint  # noqa: E402
from headwise.training.trained import read_run  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

COMMON = """
[schedule]
samples = {samples}
batch = 8
stages = [{{ size_px = 64, share = 1.0 }}]
[loader]
threads = 1
workers = {workers}
[log]
loss_minutes = 0.0001
validation_samples = 8
"""
POSE = """
name = "tiny-pose"
[task]
name = "pose"
[task.network]
width = 0.25
last_channels = 128
hidden = 32
[task.crop]
scale = 1.4
size_px = 64
"""
DETECTOR = """
name = "tiny-detector"
[task]
name = "detector"
[task.network]
stem = 16
channels = [16, 24, 32, 32]
blocks = [1, 1, 1, 0]
pyramid_channels = 16
[task.data]
crops = ""
scenes = ""
backgrounds = ""
"""
CARD = """
[card]
licence = "Apache-2.0"
[[card.sources]]
name = "dots"
licence = "CC0-1.0"
url = "https://example.org"
role = "drawn heads"
"""


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module", autouse=True)
def few_inputs() -> Iterator[None]:
    """So few inputs judge nothing, but every step is taken."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GOLDEN", "JUDGED", "CALIBRATION"):
            patch.setattr(export, name, 8)
        yield


@pytest.fixture
def exporter_remembers(pose_file: Path, detector_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exporting a second time gives the file of the first; it takes seconds."""
    from headwise.deployment import export as exporter

    def remembered(*arguments: Any) -> float:
        shutil.copyfile(pose_file if arguments[2] == "crops" else detector_file, arguments[5])
        return 0.0

    monkeypatch.setattr(exporter, "export_onnx", remembered)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_shard(folder / "shard-00000.npz", 40)
    return folder


def trained(folder: Path, shards: Path, text: str) -> Path:
    config = folder / "run.toml"
    config.write_text(text + COMMON.format(samples=24, workers=0) + CARD)
    done = call("train", config, "--data", shards, "--out", folder / "run")
    assert done.exit_code == 0, done.output
    return folder / "run"


@pytest.fixture(scope="module")
def pose_run(tmp_path_factory: pytest.TempPathFactory, shards: Path) -> Path:
    return trained(tmp_path_factory.mktemp("pose"), shards, POSE)


@pytest.fixture(scope="module")
def detector_run(tmp_path_factory: pytest.TempPathFactory, shards: Path) -> Path:
    text = DETECTOR.replace('crops = ""', f'crops = "{shards.name}"')
    return trained(tmp_path_factory.mktemp("detector"), shards.parent, text)


@pytest.fixture(scope="module")
def pose_file(pose_run: Path, shards: Path) -> Path:
    scores = pose_run / "scores.json"
    scores.write_text(json.dumps({"dots": {"mean_deg": 3.5}}))
    out = pose_run / "pose.onnx"
    done = call("export", pose_run, "--data", shards, "--out", out, "--scores", scores)
    assert done.exit_code == 0, done.output
    assert " ms for one input of 64x64 px" in done.output
    return out


@pytest.fixture(scope="module")
def detector_file(detector_run: Path, shards: Path) -> Path:
    out = detector_run / "detector.onnx"
    arguments = ("export", detector_run, "--data", shards.parent, "--out", out)
    with pytest.raises(SettingsError, match="found no threshold"):  # 24 samples teach nothing
        call(*arguments)
    done = call(*arguments, "--set-threshold", "0.001")
    assert done.exit_code == 0, done.output
    return out


def test_what_was_exported_runs_in_the_pipeline(pose_file: Path, detector_file: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (100, 150, 3), np.uint8)
    result = open_pipeline(model=pose_file, detector=detector_file)(picture)
    assert result.faces
    for face in result.faces:
        assert face.pose is not None
        assert np.isfinite([face.pose.yaw_deg, face.pose.pitch_deg, face.pose.roll_deg]).all()
        assert face.keypoints is not None
        assert face.keypoints.shape == (68, 2)


def test_the_card_says_where_the_weights_are_from(pose_file: Path, detector_file: Path) -> None:
    card = read_card(pose_file)
    assert (card.name, card.kind, card.licence) == ("tiny-pose", "pose", "Apache-2.0")
    assert [source.licence for source in card.sources] == ["CC0-1.0"]
    assert card.crop is not None
    assert (card.crop.scale, card.crop.size_px) == (1.4, 64)
    assert card.input["shape"] == ["n", 64, 64, 3]
    assert card.scores["dots"] == {"mean_deg": 3.5}
    assert 0 < card.scores["held_out_renders"]["geodesic_mean_deg"] <= 180
    assert card.settings["trained_samples"] == 24
    card = read_card(detector_file)
    assert card.input["shape"] == [1, "height", "width", 3]
    assert card.settings["threshold"] == 0.001
    assert "recall" in card.scores["held_out_renders"]


def test_the_best_weights_can_be_asked_for(pose_run: Path, tmp_path: Path) -> None:
    best, last = read_run(pose_run, best=True), read_run(pose_run)
    assert best.samples == last.samples == 24  # the run was validated once, at its end
    assert best.scores == last.scores
    assert best.scores.keys() >= {"geodesic_mean_deg"}
    with pytest.raises(InputError, match=r"no checkpoint .*best\.ckpt"):
        read_run(tmp_path, best=True)


@pytest.mark.usefixtures("exporter_remembers")
@pytest.mark.parametrize("kind", ["pose", "detector"])
def test_smaller_files_are_judged_and_noted_in_the_card(
    kind: str, pose_run: Path, detector_run: Path, shards: Path, tmp_path: Path
) -> None:
    run, data, more = {
        "pose": (pose_run, shards, ()),
        "detector": (detector_run, shards.parent, ("--set-threshold", "0.001")),
    }[kind]
    out = tmp_path / "int8.onnx"
    done = call("export", run, "--data", data, "--out", out, "--to", "int8", "--force", *more)
    assert done.exit_code == 0, done.output
    card = read_card(out)
    measure = {"pose": "rotation_deg", "detector": "unmatched_share"}[kind]
    assert card.scores["against_float32"][measure] >= 0
    assert card.settings["format"] == "int8"
    weights.open_model(out, kind)


@pytest.mark.parametrize("kind", ["pose", "detector"])
def test_a_float_file_alone_can_be_made_int8(
    kind: str, pose_file: Path, detector_file: Path, shards: Path, tmp_path: Path
) -> None:
    plain, data = {"pose": (pose_file, shards), "detector": (detector_file, shards.parent)}[kind]
    out = tmp_path / "int8.onnx"
    done = call("quantize", plain, "--data", data, "--out", out, "--force")
    assert done.exit_code == 0, done.output
    assert "all layers in int8" in done.output
    assert read_card(out).settings["format"] == "int8"
    weights.open_model(out, kind)


@pytest.mark.usefixtures("exporter_remembers")
def test_a_file_that_lost_too_much_is_not_written_unless_forced(
    pose_run: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headwise.deployment import agreement

    monkeypatch.setitem(agreement.LIMITS, "rotation_deg", 0.0)
    out = tmp_path / "half.onnx"
    arguments = ("export", pose_run, "--data", shards, "--out", out, "--to", "half")
    with pytest.raises(ModelError, match=r"rotation_deg is .* 0 is allowed"):
        call(*arguments)
    assert not out.exists()
    assert call(*arguments, "--force").exit_code == 0
    assert out.exists()


def test_a_release_is_noted_and_names_its_sources(
    pose_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headwise.deployment.release import place

    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    monkeypatch.setattr(weights, "MANIFEST", tmp_path / "manifest.json")
    nameless = ModelCard("x", "detector", "1", "2026-01-01", "Apache-2.0")
    with pytest.raises(ModelError, match="without sources"):
        place(pose_file, tmp_path / "odd.onnx", nameless)
    assert not list(tmp_path.iterdir())
    place(pose_file, tmp_path / "odd.onnx", read_card(pose_file))
    assert weights.find("odd") == tmp_path / "odd.onnx"
    assert json.loads((tmp_path / "manifest.json").read_text()).keys() == {"odd.onnx"}
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    "text, error, says",
    [(None, InputError, "cannot read"), ("{", InputError, "no JSON"), ("[1]", InputError, "JSON object")],
)
def test_wrong_scores_are_told(
    text: str | None, error: type[HeadwiseError], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "scores.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(error, match=says):
        export.read_scores(path)


def test_ctrl_c_and_kill_leave_a_checkpoint_that_resumes(shards: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(POSE + COMMON.format(samples=1_000_000, workers=1))
    words = ["train", str(config), "--data", str(shards), "--out", str(tmp_path / "run")]
    first = samples_when_stopped(words, tmp_path, signal.SIGINT)
    assert 0 < first < samples_when_stopped([*words, "--resume"], tmp_path, signal.SIGTERM)


def samples_when_stopped(words: list[str], folder: Path, number: int) -> int:
    """Train in a program of its own until it shows progress, then signal it and its workers."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from headwise.cli import main; main()", *words],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a group of its own, as a terminal makes it
    )
    assert process.stderr is not None
    for line in process.stderr:
        if " samples, " in line:
            break
    os.killpg(process.pid, number)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 130, rest
    assert "--resume" in rest
    assert "Traceback" not in rest
    samples: int = load_checkpoint(folder / "run/last.ckpt")["position"]["samples"]
    return samples
