"""The float32 file of an int8 detector file: its weights in a network of today's code, exported.

usage: python reports/detector_float.py INT8.onnx OUT.onnx

An export folds batch norms into kernels, of towers once for each level. Here a norm keeps what is left to it:
the shift, and of a tower the ratio of the level's kernel to the first level's. Version 1.2 was made so from
version 1 (`git show 0e3f709:src/headwise/models/detector.onnx`), then by `headwise quantize OUT.onnx --data`.
"""

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from headwise.deployment.export import export_onnx, run_file
from headwise.deployment.sensitivity import score_difference
from headwise.model_card import read_card, write_card
from headwise.runtimes._onnx_graph import constants, without_rounding
from headwise.training.heads.detector import DetectorNetwork
from headwise.training.trained import task_of

Floats = NDArray[np.float32]
KERNEL = re.compile(r"(?:ConvBnFusion_W_)?network\.(.+)\.weight")
LEVEL = re.compile(r"norms\.(\d+)\.bias")


def folded(path: Path) -> list[tuple[str, int, Floats, Floats | None]]:
    """Of every convolution its module's name, level, kernel and bias, in float32."""
    model = without_rounding(onnx.load(str(path)))
    known = constants(model)
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in known:  # stored in half
            known[node.output[0]] = known[node.input[0]].astype(np.float32)
    found = []
    for node in model.graph.node:
        if node.op_type == "Conv" and (kernel := KERNEL.match(node.input[1])):
            bias = node.input[2] if len(node.input) > 2 else ""
            level = LEVEL.search(bias)
            found.append((kernel[1], int(level[1]) if level else 0, known[node.input[1]], known.get(bias)))
    return sorted(found, key=lambda one: one[:2])


def fill(network: DetectorNetwork, layers: list[tuple[str, int, Floats, Floats | None]]) -> None:
    """Kernels into convolutions, shifts into the norms behind them. KeyError: of another network."""
    modules, first = dict(network.named_modules()), dict[str, Floats]()
    for name, level, kernel, bias in layers:
        convolution = modules[name]
        base = first.setdefault(name, kernel)
        convolution.weight.copy_(torch.from_numpy(base.copy()))
        if bias is None:
            continue
        if convolution.bias is not None:
            convolution.bias.copy_(torch.from_numpy(bias.copy()))
            continue
        parent, own = name.rsplit(".", 1)
        norm = modules[f"{parent}.{int(own) + 1}" if own.isdigit() else f"{parent}.norms.{level}"]
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        norm.weight.copy_(torch.from_numpy((kernel * base).sum((1, 2, 3)) / (base * base).sum((1, 2, 3))))
        norm.bias.copy_(torch.from_numpy(bias.copy()))


@torch.no_grad()
def main(int8: Path, out: Path) -> None:
    """Write `out`, and say how far the int8 file is from it."""
    card = read_card(int8)
    task = task_of(card)
    network = task.network().eval()
    fill(network, folded(int8))
    ready = task.deployable(network)
    noise = np.random.default_rng(0).integers(0, 256, (4, 256, 320, 3), np.uint8)
    export_onnx(
        ready.module, ready.example, ready.input_name, ready.output_names, ready.dynamic_axes, out, noise
    )
    write_card(out, replace(card, settings=card.settings | {"format": "onnx"}))
    apart = score_difference(run_file(str(out), noise), run_file(str(int8), noise))
    print(f"{out}: scores {apart:.2f} thousandths from {int8} on noise")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
