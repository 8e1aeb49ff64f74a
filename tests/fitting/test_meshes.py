"""Which heads get a file, and under which name."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.errors import OutputError
from headwise.fitting import meshes
from headwise.fitting.heads import FittedResult, observation_of_faces
from headwise.fitting.mesh import HeadMesh
from headwise.fitting.meshes import Meshes
from headwise.fitting.shape_model import load_shape_model
from headwise.fitting.solve import Unknown, fit_heads
from headwise.results import Face, FrameResult, HeadPose
from headwise.rotation import Rotation

SHAPE = load_shape_model()
CAMERA = Camera.from_fov(320, 240, 60)


@dataclass
class Input:
    name: str
    is_stream: bool


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, HeadMesh]:
    """Files by name, instead of on the disk."""
    found: dict[str, HeadMesh] = {}
    monkeypatch.setattr(meshes, "TEXTURE_PX", 96)
    monkeypatch.setattr(meshes, "write_mesh", lambda path, mesh: found.setdefault(Path(path).name, mesh))
    return found


def head(x_m: float, z_m: float, yaw_deg: float = 0.0, track: int | None = None) -> Face:
    rotation = Rotation.from_rotvec([0, np.radians(yaw_deg), 0])
    position = np.array([x_m, 0, z_m])
    points = CAMERA.project(rotation @ SHAPE.points_m + position)
    pose = HeadPose(rotation, position, spread_deg=4.0)
    return Face(Box.from_points(points), 0.9, points, np.ones(68), pose, track, np.full(68, 0.5))


def frame(*faces: Face) -> FittedResult:
    observation = observation_of_faces(faces, CAMERA)
    fits = fit_heads(observation, SHAPE) if faces else ()
    return FittedResult(tuple(faces), 320, 240, None, CAMERA, "seen", fits, observation)


def image(level: int = 120) -> np.ndarray:
    return np.full((240, 320, 3), level, np.uint8)


def test_the_largest_head_of_a_picture_gets_the_name(tmp_path, written):
    sink = Meshes(tmp_path / "head.obj", SHAPE)
    sink.start(Input("a.jpg", False))
    sink.write("a.jpg", 0, frame(head(-0.15, 0.6), head(0.1, 0.4), head(0.5, 2.5)), image())
    assert written == {}
    sink.close()
    assert list(written) == ["head.obj", "head-2.obj"], "the third is too small"
    assert written["head.obj"].vertices_m.shape == SHAPE.vertices_m.shape
    sink.close()
    assert len(written) == 2


def test_a_head_in_a_video_gets_one_mesh_from_its_best_frames(tmp_path, written):
    sink = Meshes(tmp_path / "head.obj", SHAPE)
    sink.start(Input("a.mp4", True))
    for i, yaw_deg in enumerate(np.linspace(-50, 50, 11)):
        briefly = [head(0.2, 0.6, track=9)] if i < meshes.FEWEST_FRAMES - 1 else []
        sink.write("a.mp4", i, frame(head(-0.1, 0.5, yaw_deg, track=1), *briefly), image())
    sink.close()
    assert list(written) == ["head.obj"]
    alone = Meshes(tmp_path / "head-one.obj", SHAPE)
    alone.start(Input("a.jpg", False))
    alone.write("a.jpg", 0, frame(head(-0.1, 0.5)), image())
    alone.close()
    assert written["head.obj"].seen > written["head-one.obj"].seen + 0.1


def test_a_frame_that_is_doubted_paints_nothing(tmp_path, written):
    """One frame is taken for the back of the head; the network doubts it."""
    sink = Meshes(tmp_path / "head.obj", SHAPE)
    sink.start(Input("a.mp4", True))
    for i in range(8):
        sink.write("a.mp4", i, frame(head(0, 0.5, 3 * i, track=1)), image(120))
    wrong = head(0, 0.5, 180, track=1)
    doubted = replace(wrong, pose=replace(wrong.pose, spread_deg=25.0), keypoint_spread_px=np.full(68, 20.0))
    sink.write("a.mp4", 8, frame(doubted), image(250))
    sink.close()
    assert written["head.obj"].texture.max() == 120


def test_a_head_without_a_track_belongs_to_nobody(tmp_path, written):
    sink = Meshes(tmp_path / "head.obj", SHAPE)
    sink.start(Input("a.mp4", True))
    for i in range(9):
        sink.write("a.mp4", i, frame(head(0, 0.5)), image())
    sink.close()
    assert written == {}


def test_several_inputs_go_into_a_folder(tmp_path, written):
    pytest.importorskip("trimesh")
    with pytest.raises(OutputError, match="several inputs need a folder"):
        Meshes(tmp_path / "head.glb", SHAPE, several=True)
    with Meshes(tmp_path / "new/meshes", SHAPE, several=True) as sink:
        for name in ("a/one.jpg", "b/one.jpg"):
            sink.start(Input(name, False))
            sink.write(name, 0, frame(head(0, 0.5)), image())
    assert list(written) == ["one.glb", "b_one.glb"]


def test_what_cannot_be_written_is_told_before_any_work(tmp_path):
    with pytest.raises(OutputError, match=r"meshes are written as .glb and .obj"):
        Meshes(tmp_path / "head.stl", SHAPE)
    with pytest.raises(OutputError, match="there is no folder"):
        Meshes(tmp_path / "nowhere/head.obj", SHAPE)
    with pytest.raises(OutputError, match="needs its image"):
        Meshes(tmp_path / "head.obj", SHAPE).write("a", 0, FrameResult((), 9, 9, None, CAMERA, "x"))


def test_unknown_heads_have_no_mesh(tmp_path, written):
    result = frame(head(0, 0.5))
    blind = FittedResult(result.faces, 320, 240, None, CAMERA, "x", (Unknown("no"),), result.observation)
    with Meshes(tmp_path / "head.obj", SHAPE) as sink:
        sink.start(Input("a.jpg", False))
        sink.write("a.jpg", 0, blind, image())
    assert written == {}
