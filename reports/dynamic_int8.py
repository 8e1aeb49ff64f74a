"""What PyTorch's dynamic int8 of the linear layers brings a pose run: bytes, milliseconds, degrees.

usage: python reports/dynamic_int8.py RUN SHARDS
"""

import io
import statistics
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from headwise.deployment.export import angles_deg
from headwise.training.trained import inputs, read_run

INPUTS, CALLS = 256, 200


def saved_mb(module: nn.Module) -> float:
    """Of its weights, as PyTorch stores them."""
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    return len(file.getvalue()) / 1e6


def median_ms(module: nn.Module, crop: torch.Tensor) -> float:
    """Of one call."""
    durations = []
    for _ in range(CALLS):
        started = time.perf_counter()
        module(crop)
        durations.append(time.perf_counter() - started)
    return 1e3 * statistics.median(durations)


@torch.inference_mode()
def main(run: Path, shards: Path) -> None:
    """Print the comparison."""
    torch.set_num_threads(1)
    trained = read_run(run, best=False)
    plain = trained.deployable.module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small = torch.ao.quantization.quantize_dynamic(plain, {nn.Linear}, dtype=torch.qint8)
    size_px = int(trained.deployable.example.shape[1])
    crops = torch.from_numpy(inputs(trained.task, shards, INPUTS, size_px, held_out=True))
    linear = sum(p.numel() for m in plain.modules() if isinstance(m, nn.Linear) for p in m.parameters())
    print(f"{linear:,} of {sum(p.numel() for p in plain.parameters()):,} parameters are in linear layers")
    before, after = (
        np.concatenate([module(part)[0].numpy() for part in crops.split(32)]) for module in (plain, small)
    )
    apart_deg = angles_deg(before, after)
    print(f"rotation apart, mean and most: {apart_deg.mean():.3f}, {apart_deg.max():.2f} deg")
    for _ in range(3):  # in turns, so that what else the machine does is the same for both
        for name, module in (("float32", plain), ("dynamic int8", small)):
            print(f"{name:13s} {saved_mb(module):.2f} MB {median_ms(module, crops[:1]):.2f} ms")


main(Path(sys.argv[1]), Path(sys.argv[2]))
