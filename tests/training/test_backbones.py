"""Backbones: maps at 1/32, the papers' sizes, and timm's with a torchvision that does not fit."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from headwise import plugins  # noqa: E402
from headwise.errors import MissingExtra, SettingsError  # noqa: E402
from headwise.training import torchvision_import  # noqa: E402

TINY = {
    "mobilenetv3": {"width": 0.125, "size": "small"},
    "mobilenetv4": {"width": 0.125},
    "resnet": {"width": 0.125},
}


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("size_px", [64, 80])
def test_maps_are_a_32nd_of_the_crop(name: str, size_px: int) -> None:
    backbone = plugins.load("training.backbones", name, **TINY[name]).eval()
    with torch.no_grad():
        side = -(-size_px // 32)
        assert backbone(torch.zeros(1, 3, size_px, size_px)).shape == (1, backbone.channels, side, side)


@pytest.mark.parametrize(
    "name, options, millions",
    [  # torchvision's counts of the same networks without their last, fully connected layers
        ("resnet", {"layers": 18}, 11.177),
        ("resnet", {"layers": 34}, 21.285),
        ("resnet", {"layers": 50}, 23.508),
        ("mobilenetv3", {"size": "large"}, 2.972),
        ("mobilenetv3", {"size": "small"}, 0.927),
    ],
)
def test_networks_are_as_large_as_the_papers(name: str, options: dict[str, object], millions: float) -> None:
    with torch.device("meta"):
        backbone = plugins.load("training.backbones", name, **options)
    count = sum(parameter.numel() for parameter in backbone.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.001)


@pytest.mark.parametrize(
    "name, options, says",
    [
        ("resnet", {"layers": 20}, "no ResNet of 20 layers; there are: 18, 34, 50, 101, 152"),
        ("mobilenetv3", {"size": "tiny"}, "no MobileNetV3 'tiny'; there are: large, small"),
    ],
)
def test_wrong_options_are_told(name: str, options: dict[str, object], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        plugins.load("training.backbones", name, **options)


def test_without_timm_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(MissingExtra, match=r"pip install 'headwise\[timm\]'"):
        plugins.load("training.backbones", "timm", model="resnet18")


@pytest.fixture
def only_this_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose torchvision is the one that is imported."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "torchvision").mkdir()
    return tmp_path / "torchvision/__init__.py"


def test_a_torchvision_whose_operators_do_not_load_is_mended(
    only_this_torchvision: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_this_torchvision.write_text(
        "import torch\nfrom torchvision import part\n"
        "@torch.library.register_fake('torchvision::nms')\ndef fake(dets, scores, threshold): ...\n"
    )
    only_this_torchvision.with_name("part.py").write_text("")
    try:
        found = torchvision_import.imported_torchvision()
    finally:
        for name in ("torchvision", "torchvision.part"):
            sys.modules.pop(name, None)
    assert found.part is not None
    assert torch.ops.torchvision.nms is not None


def test_a_torchvision_that_is_well_is_left_alone(
    only_this_torchvision: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_this_torchvision.write_text("well = True\n")
    monkeypatch.setattr(torchvision_import, "declared_operators", lambda: pytest.fail("nothing to mend"))
    try:
        assert torchvision_import.imported_torchvision().well
    finally:
        sys.modules.pop("torchvision", None)


def test_another_failure_of_torchvision_keeps_its_own_words(only_this_torchvision: Path) -> None:
    only_this_torchvision.write_text("raise RuntimeError('no such driver')\n")
    with pytest.raises(RuntimeError, match="no such driver"):
        torchvision_import.imported_torchvision()


def test_timm_by_name() -> None:
    pytest.importorskip("timm", exc_type=ImportError)
    backbone = plugins.load("training.backbones", "timm", model="resnet18")
    assert backbone.channels == 512
    with pytest.raises(SettingsError, match="no model of timm 'resnet1'; near it: resnet1"):
        plugins.load("training.backbones", "timm", model="resnet1")
    with pytest.raises(SettingsError, match="gives no maps"):
        plugins.load("training.backbones", "timm", model="vit_tiny_patch16_224")
