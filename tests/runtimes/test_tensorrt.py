"""The TensorRT plug-in without TensorRT: what is refused, the command line, the whole way with a stand-in."""

import importlib.util
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from fake_tensorrt import TOO_OLD, FakeCuda, FakeTensorrt  # noqa: E402
from headwise import plugins  # noqa: E402
from headwise.errors import MissingExtra, ModelError, SettingsError  # noqa: E402
from headwise.runtimes import Model  # noqa: E402
from headwise.runtimes._onnx_file import open_file  # noqa: E402
from headwise.runtimes.tensorrt import fitting, profile, trtexec_line  # noqa: E402


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> tuple[FakeTensorrt, FakeCuda]:
    trt, cuda = FakeTensorrt(), FakeCuda()
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", cuda)
    return trt, cuda


def load(model: object, **options: object) -> Model:
    loaded: Model = plugins.load("runtimes", "tensorrt", model=model, **options)
    return loaded


def test_an_engine_is_built_kept_and_run(
    tiny_pose_model: Path, tmp_path: Path, packages: tuple[FakeTensorrt, FakeCuda]
) -> None:
    trt, cuda = packages
    model = load(tiny_pose_model, cache=tmp_path, fp16=True)
    assert trt.flags == ["fp16"]
    assert trt.profile == ("crops", (1, 32, 32, 3), (1, 32, 32, 3), (32, 32, 32, 3))
    crops = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    expected = plugins.load("runtimes", "onnxruntime", model=tiny_pose_model)(crops=crops)
    for name, value in model(crops=crops).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    names = sorted(path.name for path in tmp_path.iterdir())
    key = open_file(tiny_pose_model).key
    assert names == [
        "tensorrt-10.3.0-Orin-Nano.timing",
        f"tiny-pose-{key}-fp16.tensorrt-10.3.0-Orin-Nano.engine",
    ]
    again = load(tiny_pose_model, cache=tmp_path, fp16=True)
    assert trt.built == 1
    np.testing.assert_array_equal(again(crops=crops)["keypoints"], expected["keypoints"])
    load(tiny_pose_model, cache=tmp_path)
    assert (trt.built, trt.caches) == (2, [b"timings"])
    again(crops=crops[:1])
    assert len(cuda.blocks) == 2 * (1 + len(expected)), "memory is used again"
    del model, again
    assert not cuda.blocks, "and given back"


def test_what_the_engine_is_not_for_is_refused(
    tiny_pose_model: Path, tmp_path: Path, packages: tuple[FakeTensorrt, FakeCuda]
) -> None:
    model = load(tiny_pose_model, cache=tmp_path)
    with pytest.raises(ModelError, match=r"sizes \{0: \(1, 32\)\}.*got \(33, 32, 32, 3\)"):
        model(crops=np.zeros((33, 32, 32, 3), np.uint8))
    with pytest.raises(ModelError, match=r"takes crops uint8\[n, 32, 32, 3\]"):
        model(crops=np.zeros((1, 16, 16, 3), np.uint8))
    engine = next(tmp_path.glob("*.engine"))
    engine.write_bytes(b"")
    with pytest.raises(ModelError, match=r"cannot read this engine; delete it"):
        load(tiny_pose_model, cache=tmp_path)


def test_refusals_of_tensorrt_and_of_the_gpu_are_one_line(
    tiny_pose_model: Path, tmp_path: Path, packages: tuple[FakeTensorrt, FakeCuda]
) -> None:
    trt, cuda = packages
    trt.refusal = "no importer for Range"
    with pytest.raises(ModelError, match=r"cannot read this model \(no importer for Range\)$"):
        load(tiny_pose_model, cache=tmp_path)
    cuda.state = TOO_OLD
    with pytest.raises(ModelError, match="the GPU cannot be used: cudaGetDeviceProperties says 'too old'"):
        load(tiny_pose_model, cache=tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="TensorRT is installed")
def test_without_the_packages_the_extra_is_named(tiny_pose_model: Path) -> None:
    with pytest.raises(
        MissingExtra, match=r"runtime tensorrt needs tensorrt.*pip install 'headwise\[tensorrt\]'"
    ):
        load(tiny_pose_model)
    with pytest.raises(SettingsError, match="threads"):
        load(tiny_pose_model, threads=-1)


def test_trtexec_gets_the_same_profile(tiny_pose_model: Path, tiny_detector_model: Path) -> None:
    words = shlex.split(trtexec_line(tiny_pose_model, fp16=True))
    assert words == [
        "trtexec",
        f"--onnx={tiny_pose_model}",
        "--minShapes=crops:1x32x32x3",
        "--optShapes=crops:1x32x32x3",
        "--maxShapes=crops:32x32x32x3",
        "--fp16",
        f"--timingCacheFile={tiny_pose_model.with_suffix('.timing')}",
        f"--saveEngine={tiny_pose_model.with_suffix('.engine')}",
    ]
    assert "--maxShapes=image:1x1280x1280x3" in shlex.split(trtexec_line(tiny_detector_model))


def test_a_free_axis_without_sizes_is_refused(tiny_pose_model: Path, tmp_path: Path) -> None:
    model = onnx.load(str(tiny_pose_model))
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_param = "colours"
    onnx.save(model, str(tmp_path / "free.onnx"))
    with pytest.raises(ModelError, match=r"axis 3 of .* is free"):
        profile(open_file(tmp_path / "free.onnx"))


def test_bytes_are_made_float_first(tmp_path: Path, tiny_pose_model: Path) -> None:
    model = onnx.load(str(tiny_pose_model))
    cast = next(node for node in model.graph.node if node.op_type == "Cast")
    cast.input[0] = "planes"
    model.graph.node.insert(
        0, onnx.helper.make_node("Transpose", ["crops"], ["planes"], perm=[0, 1, 2, 3], name="turn")
    )
    onnx.save(model, str(tmp_path / "turned.onnx"))
    made = fitting(open_file(tmp_path / "turned.onnx"))
    assert [node.op_type for node in onnx.load_from_string(made).graph.node[:2]] == ["Cast", "Transpose"]
    crops = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    ours, theirs = (
        plugins.load("runtimes", "onnxruntime", model=given)(crops=crops) for given in (made, tiny_pose_model)
    )
    np.testing.assert_array_equal(ours["keypoints"], theirs["keypoints"])
