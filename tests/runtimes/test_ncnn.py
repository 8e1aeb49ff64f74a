"""The ncnn plug-in: the numbers of ONNX Runtime, row by row, and pairs of files that are kept."""

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("ncnn", reason="needs ncnn: pip install 'headwise[ncnn]'")
pytest.importorskip("pnnx", reason="needs pnnx: pip install 'headwise[ncnn]'")
onnx = pytest.importorskip("onnx")

from headwise import plugins, weights  # noqa: E402
from headwise.errors import ModelError, SettingsError  # noqa: E402
from headwise.pictures import read_picture  # noqa: E402
from headwise.rotation import Rotation  # noqa: E402
from headwise.runtimes import Model, ncnn  # noqa: E402
from headwise.runtimes._onnx_graph import without_rounding  # noqa: E402

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(model: object, **options: object) -> Model:
    loaded: Model = plugins.load("runtimes", "ncnn", model=model, **options)
    return loaded


POSE = weights.find("pose")


def crops(count: int) -> np.ndarray:
    """Smooth colours, nothing like a head: the network is the same function everywhere."""
    coarse = np.random.default_rng(0).uniform(0, 255, (count, 4, 4, 3)).astype(np.float32)
    return np.array([cv2.resize(c, (112, 112)) for c in coarse], np.uint8).reshape(count, 112, 112, 3)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the pose network is translated already."""
    folder = tmp_path_factory.mktemp("pairs")
    load(POSE, cache=folder)
    return folder


def test_says_what_the_file_says_in_float(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(path.suffix for path in cache.iterdir()) == [".bin", ".param"]
    monkeypatch.delattr(ncnn, "write")  # the pair of the folder is taken, and pnnx is not needed
    ours = load(POSE, cache=cache)
    unrounded = without_rounding(onnx.load(str(POSE))).SerializeToString()
    theirs: Model = plugins.load("runtimes", "onnxruntime", model=unrounded)
    assert ours.card == theirs.card
    said, expected = ours(crops=crops(3)), theirs(crops=crops(3))
    assert list(said) == list(expected)
    for name, value in expected.items():
        assert said[name].dtype == value.dtype
        np.testing.assert_allclose(said[name], value, rtol=5e-3, atol=2e-2, err_msg=name)


def test_the_packages_networks_say_in_float_what_they_say_in_int8(tmp_path: Path) -> None:
    picture = np.ascontiguousarray(read_picture(EXAMPLES / "portrait.jpg"))
    ours, theirs = (
        weights.open_model("detector", "detector"),
        load(weights.find("detector"), cache=tmp_path),
    )
    said, expected = theirs(image=picture[None]), ours(image=picture[None])
    best = int(expected["scores"].argmax())
    assert said["scores"].shape == expected["scores"].shape
    np.testing.assert_allclose(said["scores"][best], expected["scores"][best], atol=0.05)
    np.testing.assert_allclose(said["boxes"][best], expected["boxes"][best], atol=4)
    np.testing.assert_allclose(said["points"][best], expected["points"][best], atol=5)
    left, top, right, bottom = expected["boxes"][best].astype(int)
    crop = cv2.resize(picture[top - 10 : bottom + 10, left - 10 : right + 10], (112, 112))[None]
    poses = [
        Rotation.project(network(crops=crop)["rotation"].astype(float))
        for network in (weights.open_model("pose", "pose"), load(weights.find("pose"), cache=tmp_path))
    ]
    assert poses[0].angle_to_deg(poses[1])[0] < 2.5


def test_a_folder_that_cannot_be_written_costs_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        model = load(POSE, cache=tmp_path / "file")
    assert "is not kept" in caplog.text
    assert model(crops=crops(1))["rotation"].shape == (1, 3, 3)


def test_what_cannot_be_translated_is_said_in_one_line(tiny_pose_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"tiny-pose\.onnx: ncnn has no .*torch\.lt") as caught:
        load(tiny_pose_model, cache=tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir()), "nothing half made is left"


def test_no_rows_and_wrong_options_are_refused(cache: Path) -> None:
    with pytest.raises(ModelError, match="one row or more"):
        load(POSE, cache=cache)(crops=crops(0))
    with pytest.raises(SettingsError, match="threads"):
        load(POSE, threads=-1)
