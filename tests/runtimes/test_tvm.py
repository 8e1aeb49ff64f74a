"""The TVM plug-in: the numbers of ONNX Runtime, row by row, and libraries that are kept."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tvm", reason="needs Apache TVM: pip install 'headwise[tvm]'")
onnx = pytest.importorskip("onnx")

from headwise import plugins  # noqa: E402
from headwise.errors import ModelError, SettingsError  # noqa: E402
from headwise.runtimes import Model, tvm  # noqa: E402


def load(model: object, **options: object) -> Model:
    loaded: Model = plugins.load("runtimes", "tvm", model=model, **options)
    return loaded


def crops(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, tiny_pose_model: Path) -> Path:
    """A folder in which the tiny pose network is compiled already."""
    folder = tmp_path_factory.mktemp("libraries")
    load(tiny_pose_model, cache=folder)
    return folder


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Shapes that are compiled from now on."""
    shapes: list[object] = []
    compile_ = tvm._compile

    def counted(file: object, shape: object, target: Path) -> Path:
        shapes.append(shape)
        return compile_(file, shape, target)

    monkeypatch.setattr(tvm, "_compile", counted)
    return shapes


def test_says_what_onnx_runtime_says(tiny_pose_model: Path, cache: Path, compilations: list[object]) -> None:
    ours = load(tiny_pose_model, cache=cache)
    theirs: Model = plugins.load("runtimes", "onnxruntime", model=tiny_pose_model)
    assert ours.card == theirs.card
    said, expected = ours(crops=crops(3)), theirs(crops=crops(3))
    assert list(said) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(said[name], value, rtol=1e-4, atol=1e-3, err_msg=name)
    assert compilations == [], "the library of the folder was taken"
    (library,) = cache.iterdir()
    assert library.name.startswith("tiny-pose-")
    assert library.name.endswith("-1x32x32x3.so")


def test_another_file_of_the_same_name_gets_its_own_library(
    tiny_pose_model: Path, cache: Path, tmp_path: Path
) -> None:
    model = onnx.load(str(tiny_pose_model))
    model.doc_string = "another"
    onnx.save(model, str(tmp_path / tiny_pose_model.name))
    names = {
        tvm.library_name(tvm.open_file(path), (1, 32, 32, 3))
        for path in (tiny_pose_model, tmp_path / tiny_pose_model.name)
    }
    assert len(names) == 2


def test_a_folder_that_cannot_be_written_costs_a_line_in_the_log(
    tiny_pose_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        model = load(tiny_pose_model, cache=tmp_path / "file")
    assert "is not kept" in caplog.text
    assert model(crops=crops(1))["rotation"].shape == (1, 3, 3)


def test_what_tvm_cannot_compile_is_said_in_one_line(tiny_pose_model: Path, tmp_path: Path) -> None:
    model = onnx.load(str(tiny_pose_model))
    model.graph.node.insert(0, onnx.helper.make_node("StringNormalizer", ["words"], ["normal"]))
    model.graph.initializer.append(onnx.helper.make_tensor("words", onnx.TensorProto.STRING, [1], [b"a"]))
    model.graph.node.append(onnx.helper.make_node("Size", ["normal"], ["size"]))
    model.graph.node.append(onnx.helper.make_node("Cast", ["size"], ["size_float"], to=1))
    last = next(node for node in model.graph.node if "face_hidden" in node.output)
    last.op_type, last.input[1] = "Mul", "size_float"
    names = [node.output[0] for node in model.graph.node]
    model.graph.node.insert(names.index("face_hidden"), model.graph.node[-2])
    model.graph.node.insert(names.index("face_hidden") + 1, model.graph.node[-1])
    del model.graph.node[-2:]
    onnx.save(model, str(tmp_path / "words.onnx"))
    with pytest.raises(ModelError, match=r"words\.onnx: TVM cannot compile this model \(.+\)$") as caught:
        load(tmp_path / "words.onnx", cache=tmp_path)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["words.onnx"], "nothing half made is left"


def test_no_rows_and_wrong_options_are_refused(tiny_pose_model: Path, cache: Path) -> None:
    with pytest.raises(ModelError, match="one row or more"):
        load(tiny_pose_model, cache=cache)(crops=crops(0))
    with pytest.raises(SettingsError, match="threads"):
        load(tiny_pose_model, threads=-1)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not tell")
def test_the_callers_thread_is_bound_to_no_core(tiny_pose_model: Path, cache: Path) -> None:
    before = os.sched_getaffinity(0)
    load(tiny_pose_model, cache=cache)(crops=crops(1))
    assert os.sched_getaffinity(0) == before
