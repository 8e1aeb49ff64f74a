"""int8: which nodes are rounded, that the first reads bytes, and what each layer costs."""

from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="export needs torch: pip install 'headwise[train]'")
pytest.importorskip("onnxscript")
from torch import Tensor, nn  # noqa: E402

from headwise.deployment.export import export_onnx, run_file  # noqa: E402
from headwise.deployment.quantize import (  # noqa: E402
    nodes_to_round,
    normalised_pixels,
    quantize,
    rounded_layers,
    without_rounding,
)
from headwise.deployment.sensitivity import as_rows, quantize_with_care, sweep  # noqa: E402
from headwise.runtimes import _onnx_graph  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SIZE = 16


class Net(nn.Module):
    """Two convolutions with a sum, made larger, a hidden layer, an output of two unlike numbers."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = shift
        self.first, self.second = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1)
        self.hidden, self.out = nn.Linear(8, 16), nn.Linear(16, 2)

    def forward(self, pictures: Tensor) -> tuple[Tensor]:
        x = pictures.permute(0, 3, 1, 2).float() * (1 / 64) - self.shift
        x = torch.relu(self.first(x))
        x = torch.relu(x + self.second(x))
        x = nn.functional.interpolate(x, scale_factor=2.0)
        y: Tensor = self.out(torch.relu(self.hidden(x.mean((2, 3)))))
        return (y * torch.tensor([1.0, 100.0]) + 3.0,)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    rng = np.random.default_rng(0)
    tints = rng.uniform(0, 255, (24, 1, 1, 3)) + rng.normal(0, 40, (24, SIZE, SIZE, 3))
    return np.clip(tints, 0, 255).astype(np.uint8)


def exported(folder: Path, images: np.ndarray, shift: float = 2.0) -> Path:
    torch.manual_seed(0)
    path = folder / f"plain{shift}.onnx"
    export_onnx(
        Net(shift).eval(), torch.from_numpy(images[:2]), "pictures", ["y"], {0: "n"}, path, images[:4]
    )
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory, images) -> Path:
    return exported(tmp_path_factory.mktemp("int8"), images)


def operators(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(str(path)).graph.node]


def off(plain: Path, other: Path | bytes, images: np.ndarray) -> float:
    given = str(other) if isinstance(other, Path) else other
    expected, found = run_file(str(plain), images)["y"], run_file(given, images)["y"]
    return float((np.abs(expected - found) / expected.std(0)).mean())


def test_layers_and_what_lies_between_them_are_rounded_and_no_decoding(plain: Path) -> None:
    graph = onnx.load(str(plain)).graph
    kinds = {node.name: node.op_type for node in graph.node}
    rounded = [kinds[name] for name in nodes_to_round(graph)]
    assert sorted(rounded) == ["Add", "Conv", "Conv", "Gemm", "Relu", "Relu", "Relu", "Resize"]
    assert operators(plain).count("Gemm") == 2, "the layer that writes the outputs stays"
    assert operators(plain).count("Add") == 2, "so does what comes after it"
    assert len(rounded_layers(plain)) == 3


def test_the_first_convolution_reads_the_pictures_own_bytes(plain: Path, tmp_path: Path, images) -> None:
    pixels = normalised_pixels(onnx.load(str(plain)).graph)
    assert pixels is not None
    assert (pixels.scale, pixels.zero_point) == (1 / 64, 128)
    quantize(plain, tmp_path / "int8.onnx", images)
    assert "Cast" not in operators(tmp_path / "int8.onnx"), "no float picture is made"
    assert 0 < off(plain, tmp_path / "int8.onnx", images) < 0.2


def test_a_normalisation_between_two_bytes_is_kept(tmp_path: Path, images) -> None:
    path = exported(tmp_path, images, shift=2.0 + 1 / 128)
    assert normalised_pixels(onnx.load(str(path)).graph) is None
    quantize(path, tmp_path / "int8.onnx", images)
    assert "Cast" in operators(tmp_path / "int8.onnx")
    assert off(path, tmp_path / "int8.onnx", images) < 0.2


def test_a_layer_without_rounding_is_the_float_layer(plain: Path, tmp_path: Path, images) -> None:
    int8 = tmp_path / "int8.onnx"
    quantize(plain, int8, images)
    model, float_model = onnx.load(str(int8)), onnx.load(str(plain))
    for name in rounded_layers(plain):
        model = without_rounding(model, float_model, name)
    assert off(plain, model.SerializeToString(), images) < off(plain, int8, images) / 2
    with pytest.raises(ValueError, match="no node 'nowhere'"):
        without_rounding(model, float_model, "nowhere")


def test_what_costs_most_is_kept_in_float(plain: Path, tmp_path: Path, images) -> None:
    def difference(a, b) -> float:
        return float(np.abs(a["y"] - b["y"])[:, 1].mean())

    quantize(plain, tmp_path / "all.onnx", images)
    found = sweep(plain, tmp_path / "all.onnx", images, difference)
    assert [one.layer for one in found.layers] == rounded_layers(plain)
    careful = quantize_with_care(plain, tmp_path / "careful.onnx", images, images, difference)
    assert careful == found
    assert 1 <= len(found.kept) <= 2
    kept = off(plain, tmp_path / "careful.onnx", images)
    assert kept < off(plain, tmp_path / "all.onnx", images)
    rows = as_rows(found)
    assert rows[0][0] in found.kept
    assert rows[0][3] == "yes"


def test_a_file_without_any_rounding_is_nearer_to_the_float_file(plain: Path, tmp_path: Path, images) -> None:
    int8 = tmp_path / "int8.onnx"
    quantize(plain, int8, images)
    unrounded = _onnx_graph.without_rounding(onnx.load(str(int8)))
    kinds = {node.op_type for node in unrounded.graph.node}
    assert not kinds & {"QuantizeLinear", "DequantizeLinear"}
    assert off(plain, unrounded.SerializeToString(), images) < 0.9 * off(plain, int8, images)


@pytest.mark.filterwarnings("ignore")  # NNCF's own
def test_nncf_rounds_the_same_layers(plain: Path, tmp_path: Path, images) -> None:
    pytest.importorskip("nncf", reason="needs NNCF: pip install 'headwise[nncf]'")
    from headwise.deployment.quantize_nncf import quantize_with_nncf

    quantize_with_nncf(plain, tmp_path / "nncf.onnx", images)
    assert off(plain, tmp_path / "nncf.onnx", images) < 0.4
    model = onnx.load(str(tmp_path / "nncf.onnx"))
    weights = [tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.INT8]
    big = [onnx.numpy_helper.to_array(tensor) for tensor in weights if len(tensor.dims) > 1]
    assert len(big) == len(rounded_layers(plain))
    assert max(np.abs(values).max() for values in big) <= 64, "7 bits"
