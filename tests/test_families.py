"""Each family's own TOML, at a tiny size: train, export, run; with half and int8 files of two of them."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'headwise[train]'")
pytest.importorskip("lightning_fabric")
pytest.importorskip("onnxscript")

from fake_shards import write_shard  # noqa: E402
from headwise import open as open_pipeline  # noqa: E402
from headwise.cli import app, export  # noqa: E402
from headwise.model_card import read_card  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CONFIGS = Path(__file__).parents[1] / "configs"
FAMILIES = sorted(path.stem for path in CONFIGS.glob("*.toml") if "docs/families.md" in path.read_text())
WITH_POINTS = {"keypoints_heatmap", "keypoints_regression"}
TINY = (
    "schedule.samples=16",
    "schedule.batch=8",
    "schedule.stages=[{size_px = 64, share = 1.0}]",
    "task.crop.size_px=64",
    "task.network.width=0.125",
    "loader.threads=1",
    "loader.workers=0",
    "log.validation_samples=8",
)


def call(*arguments: object) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module", autouse=True)
def few_inputs() -> Iterator[None]:
    """So few inputs judge nothing, but every step is taken."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GOLDEN", "JUDGED", "CALIBRATION"):
            patch.setattr(export, name, 8)
        yield


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_shard(folder / "shard-00000.npz", 32)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def settings_of(family: str) -> list[str]:
    """`--set` for a network that is small, and quick to export."""
    own = tomllib.loads((CONFIGS / f"{family}.toml").read_text())["task"]["network"]["backbone"]
    small = TINY if own != "mobilenetv4" else (*TINY, "task.network.backbone=resnet")
    return [word for change in small for word in ("--set", change)]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_from_its_toml_to_a_pose(
    family: str, shards: Path, runs: Path, tiny_detector_model: Path
) -> None:
    run, model, out = runs / family, runs / f"{family}.onnx", runs / f"{family}.jsonl"
    call("train", CONFIGS / f"{family}.toml", "--data", shards, "--out", run, *settings_of(family))
    call("export", run, "--data", shards, "--out", model, "--to", "onnx")
    picture = runs / "picture.png"
    cv2.imwrite(str(picture), blob())
    call("run", picture, "--model", model, "--detector", tiny_detector_model, "--out", out)
    (head, *_) = json.loads(out.read_text().splitlines()[0])["faces"]
    assert np.isfinite([head["pose"][name] for name in ("yaw_deg", "pitch_deg", "roll_deg")]).all()
    assert 0 < head["pose"]["spread_deg"] <= 180
    assert (head["keypoints"] is not None) == (family in WITH_POINTS)
    assert (head["pose"]["face_hidden"] is not None) == (family in WITH_POINTS)
    scores = read_card(model).scores["held_out_renders"]
    assert 0 < scores["geodesic_mean_deg"] <= 180
    assert ("points_nme" in scores) == (family in WITH_POINTS)


@pytest.mark.parametrize("family", ["sixd", "keypoints_heatmap"])
@pytest.mark.parametrize("to", ["half", "int8"])
def test_smaller_files_of_a_family(
    family: str, to: str, shards: Path, runs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from headwise.deployment import export as exporter

    def remembered(*arguments: Any) -> float:  # of the test above; exporting again takes seconds
        shutil.copyfile(runs / f"{family}.onnx", arguments[5])
        return 0.0

    monkeypatch.setattr(exporter, "export_onnx", remembered)
    out = tmp_path / "small.onnx"
    call("export", runs / family, "--data", shards, "--out", out, "--to", to, "--force")
    card = read_card(out)
    assert card.settings["format"] == to
    assert ("points_share" in card.scores["against_float32"]) == (family in WITH_POINTS)


def test_a_network_without_points_follows_heads_through_a_video(
    runs: Path, tiny_detector_model: Path
) -> None:
    take = open_pipeline(model=runs / "sixd.onnx", detector=tiny_detector_model).stream()
    tracks = []
    for frame in range(3):
        result = take(blob(x=60 + 2 * frame), frame / 25)
        assert result.faces[0].keypoints is None
        assert result.faces[0].pose is not None
        assert result.faces[0].pose.position_m is None
        tracks.append(result.faces[0].track)
    assert len(set(tracks)) == 1


def blob(x: int = 60) -> np.ndarray:
    """What the tiny detector takes for a head."""
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[40:80, x - 20 : x + 20] = 255
    return picture
