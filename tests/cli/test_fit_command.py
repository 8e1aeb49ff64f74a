"""`headwise fit` from outside, with the released networks, on a drawn picture and a video made of it."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from headwise.camera import Camera
from headwise.cli import app
from headwise.fitting import meshes
from headwise.pictures import read_picture
from headwise.results import FrameResult
from sources.videos import write_video

FAMILY = Path(__file__).resolve().parents[2] / "examples/family.jpg"


def fit(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["fit", *map(str, arguments)])


@pytest.fixture(autouse=True)
def small_textures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meshes, "TEXTURE_PX", 128)


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of the family, cut out."""
    path = tmp_path_factory.mktemp("portrait") / "portrait.png"
    result = fit(FAMILY, "--out", path.with_suffix(".jsonl"))
    assert result.exit_code == 0, result.output
    faces = FrameResult.from_json(path.with_suffix(".jsonl").read_text()).faces
    box = max(faces, key=lambda face: face.box.side).box.scaled(2.2)
    left, top = max(round(box.left), 0), max(round(box.top), 0)
    picture = read_picture(FAMILY)[top : round(box.bottom), left : round(box.right)]
    cv2.imwrite(str(path), picture[:, :, ::-1])
    return path


def test_a_picture_has_rows_a_mesh_and_a_check(portrait: Path, tmp_path: Path) -> None:
    out, mesh, overlay = (tmp_path / name for name in ("out.jsonl", "head.obj", "check.png"))
    result = fit(portrait, "--out", out, "--mesh", mesh, "--overlay", overlay, "--fov", 30)
    assert result.exit_code == 0, result.output
    line = json.loads(out.read_text())
    pose = line["faces"][0]["pose"]
    assert 0.2 < pose["position_m"][2] < 3
    assert 0 < pose["position_spread_m"][2] < 0.2 * pose["position_m"][2]
    assert line["fits"][0]["distance_from_eyes_m"] > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "check.png", "head.mtl", "head.obj", "head.png", "out.jsonl"
    ]  # fmt: skip
    before, after = read_picture(portrait).astype(int), read_picture(overlay).astype(int)
    assert np.abs(before - after).mean() > 5


def test_without_a_camera_the_spread_is_wide(portrait: Path, tmp_path: Path) -> None:
    spreads = []
    camera = tmp_path / "camera.json"
    height, width = read_picture(portrait).shape[:2]
    exact = Camera.from_fov(width, height, 60)
    camera.write_text(
        json.dumps(
            {"fx": exact.fx, "fy": exact.fy, "cx": exact.cx, "cy": exact.cy, "width": width, "height": height}
        )
    )
    for options in ([], ["--fov", 60], ["--intrinsics", camera]):
        out = tmp_path / "out.jsonl"
        assert fit(portrait, "--out", out, *options).exit_code == 0
        pose = json.loads(out.read_text())["faces"][0]["pose"]
        spreads.append(pose["position_spread_m"][2] / pose["position_m"][2])
    assert spreads[0] > 0.35 > 0.2 > spreads[1] == pytest.approx(spreads[2])


def test_a_video_gives_one_better_mesh(portrait: Path, tmp_path: Path) -> None:
    pytest.importorskip("trimesh")
    picture = cv2.resize(read_picture(portrait), (240, 240))
    images = [np.roll(picture, 2 * i, axis=1) for i in range(10)]
    video = write_video(tmp_path / "clip.mp4", images=images, size_px=(240, 240), fps=25)
    mesh, overlay = tmp_path / "head.glb", tmp_path / "check.mp4"
    result = fit(video, "--out", tmp_path / "out.csv", "--mesh", mesh, "--overlay", overlay)
    assert result.exit_code == 0, result.output
    assert mesh.read_bytes()[:4] == b"glTF"
    assert overlay.stat().st_size > 1000
    assert not list(tmp_path.glob("head-*.glb"))
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 11


def test_bad_inputs_never_stop_the_others(portrait: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("x")
    cv2.imwrite(str(tmp_path / "nobody.png"), np.zeros((64, 64, 3), np.uint8))
    inputs = [tmp_path / "text.jpg", tmp_path / "missing.jpg", tmp_path / "nobody.png", portrait]
    pytest.importorskip("trimesh")
    result = fit(*inputs, "--out", tmp_path / "out.csv", "--mesh", tmp_path / "meshes")
    assert result.exit_code == 0, result.output
    assert [line.split(": ")[0] for line in result.stderr.splitlines()[:-1]] == ["headwise"] * 2
    assert "4 inputs, 2 failed" in result.stderr
    assert [path.name for path in (tmp_path / "meshes").iterdir()] == ["portrait.glb"]


def test_ctrl_c_leaves_the_mesh_of_what_was_seen(
    portrait: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headwise.sources import picture

    def interrupted(self):
        yield from frames(self)
        raise KeyboardInterrupt

    frames = picture.PictureSource.__iter__
    monkeypatch.setattr(picture.PictureSource, "__iter__", interrupted)
    result = fit(portrait, "--out", tmp_path / "out.csv", "--mesh", tmp_path / "head.obj")
    assert result.exit_code != 0
    assert (tmp_path / "head.obj").is_file()
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "options, why",
    [
        (["--mesh", "head.stl"], "meshes are written as .glb and .obj"),
        (["--mesh", "nowhere/head.obj"], "there is no folder"),
        (["--overlay", "check.jpg"], "overlays are written as .png and .mp4"),
        (["--fov", "50", "--intrinsics", "camera.json"], "give one of them"),
        (["--intrinsics", "camera.json"], "no camera file camera.json"),
    ],
)
def test_wrong_options_are_told_before_any_work(
    portrait: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = fit(portrait, *options)
    assert result.exit_code != 0
    assert why in str(result.exception)
    assert "\n" not in str(result.exception)
    assert list(tmp_path.iterdir()) == []
