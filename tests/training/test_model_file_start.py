"""A training that begins with a model file computes what the file does."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra 'train'")
pytest.importorskip("onnxscript")
from torch import nn  # noqa: E402

from headwise.deployment.export import angles_deg, export_onnx, run_file  # noqa: E402
from headwise.deployment.quantize import quantize  # noqa: E402
from headwise.errors import ModelError, SettingsError  # noqa: E402
from headwise.training.model_file_start import folded_layers, start_from_model_file  # noqa: E402
from headwise.training.tasks.pose import PoseNetwork, create  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SIZE = 64


def task(width: float = 0.25):
    return create(
        {"network": {"width": width, "last_channels": 128, "hidden": 32}, "crop": {"size_px": SIZE}}
    )


def made(seed: int) -> PoseNetwork:
    torch.manual_seed(seed)
    network = task().network()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    network.train()
    for batch in pictures(6, seed):
        network(batch)
    return network.eval()


def pictures(count: int, seed: int) -> list[torch.Tensor]:
    rng = np.random.default_rng(seed)
    tints = rng.uniform(0, 255, (count, 16, 1, 1, 3)) + rng.normal(0, 30, (count, 16, SIZE, SIZE, 3))
    return list(torch.from_numpy(np.clip(tints, 0, 255).astype(np.uint8)))


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("file") / "pose.onnx"
    ready = task().deployable(made(1))
    golden = pictures(1, 2)[0].numpy()
    export_onnx(
        ready.module, ready.example, ready.input_name, ready.output_names, ready.dynamic_axes, path, golden
    )
    return path


def rotations(network: PoseNetwork, images: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return task().deployable(network).module(images)[0].numpy()


def test_it_answers_as_the_file_does_and_its_norms_have_the_pictures_statistics(file: Path) -> None:
    network, images = made(7), pictures(5, 3)
    told = start_from_model_file(file, network, images)
    assert "batch norms were taken apart" in told
    expected = run_file(str(file), images[0].numpy())["rotation"]
    assert angles_deg(rotations(network.eval(), images[0]), expected).max() < 0.05
    network.train()
    with torch.no_grad():
        off = angles_deg(
            network(torch.cat(images)).rotation.numpy(),
            np.concatenate([run_file(str(file), batch.numpy())["rotation"] for batch in images]),
        )
    assert off.mean() < 1, "in training mode the statistics of the batch are nearly those that were stored"


def test_kernels_before_norms_keep_the_size_of_a_fresh_network(file: Path) -> None:
    network = made(7)
    before = network.backbone.body[3][0].weight.detach().flatten(1).norm(dim=1).clone()
    start_from_model_file(file, network, pictures(2, 3))
    torch.testing.assert_close(network.backbone.body[3][0].weight.detach().flatten(1).norm(dim=1), before)


def test_int8_is_undone(file: Path, tmp_path: Path) -> None:
    images = pictures(3, 4)
    quantize(file, tmp_path / "int8.onnx", torch.cat(images).numpy())
    plain, rounded = folded_layers(file), folded_layers(tmp_path / "int8.onnx")
    assert plain.keys() == rounded.keys()
    for name, layer in plain.items():
        step = np.abs(layer.weight).max() / 127
        np.testing.assert_allclose(rounded[name].weight, layer.weight, atol=step)
    network = made(7)
    start_from_model_file(tmp_path / "int8.onnx", network, images)
    expected = run_file(str(file), images[0].numpy())["rotation"]
    assert angles_deg(rotations(network.eval(), images[0]), expected).mean() < 3


def test_another_network_is_refused_in_one_line(file: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="give the network of this run the same sizes"):
        start_from_model_file(file, task(width=0.5).network(), pictures(1, 0))
    sixd = create({"network": {"head": "sixd", "width": 0.25, "last_channels": 128, "hidden": 32}})
    with pytest.raises(SettingsError, match=r"is of another network; it lacks head\.layers"):
        start_from_model_file(file, sixd.network(), pictures(1, 0))
    (tmp_path / "no.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"no\.onnx is no ONNX file"):
        folded_layers(tmp_path / "no.onnx")
