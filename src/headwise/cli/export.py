"""`headwise export`: a trained run becomes a model file."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headwise.model_card import ModelCard
    from headwise.training.loop import Task
    from headwise.training.settings import RunSettings

GOLDEN = 64  # inputs on which the file must agree with the trained network
CALIBRATION = 512  # inputs that set the ranges of int8 activations


class Format(StrEnum):
    """Kinds of model file."""

    ONNX = "onnx"
    HALF = "half"
    INT8 = "int8"


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a run of `headwise train`.")],
    data: Annotated[Path, typer.Option(help="Shards: inputs for the check and for calibration.")],
    out: Annotated[Path, typer.Option(help="The model file to write.")],
    to: Annotated[Format, typer.Option(help="float32, float16 weights, or int8 convolutions.")] = Format.ONNX,
) -> None:
    """Write a run's model file, its card inside, after checking that its numbers are the network's."""
    from headwise.deployment.export import angles_deg, export_onnx, run_file
    from headwise.model_card import write_card
    from headwise.training.checkpoint import load_checkpoint
    from headwise.training.loop import CHECKPOINT
    from headwise.training.settings import RunSettings, checked

    state = load_checkpoint(run / CHECKPOINT)
    settings = checked(RunSettings, state["settings"])
    task = task_of(settings)
    network = task.network()
    network.load_state_dict(state["average"]["network"])
    ready = task.deployable(network.eval())
    golden = inputs(task, data, GOLDEN, held_out=True, size_px=ready.example.shape[1])
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        parity = export_onnx(
            ready.module,
            ready.example,
            ready.input_name,
            ready.output_names,
            ready.dynamic_axes,
            plain,
            golden,
        )
        shrink(to, plain, out, lambda: inputs(task, data, CALIBRATION, False, ready.example.shape[1]))
        before, after = run_file(str(plain), golden), run_file(str(out), golden)
    if "rotation" in before:
        parity = float(angles_deg(before["rotation"], after["rotation"]).mean())
    write_card(out, card_of(settings, state["position"]["samples"], list(ready.example.shape[1:])))
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.2f} MB, {parity:.3f} deg from the trained network")


def task_of(settings: RunSettings) -> Task:
    """The task a run trained."""
    from headwise import plugins

    options = {key: value for key, value in settings.task.items() if key != "name"}
    task: Task = plugins.find("training.tasks", settings.task["name"])(options)
    return task


def shrink(to: Format, plain: Path, out: Path, calibration: Any) -> None:
    """`out` in the wanted format; `calibration` fetches inputs when int8 needs them."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if to is Format.ONNX:
        out.write_bytes(plain.read_bytes())
        return
    from headwise.deployment.halve import store_halved
    from headwise.deployment.quantize import quantize

    if to is Format.INT8:
        quantize(plain, out, calibration())
    store_halved(out if to is Format.INT8 else plain, out)


def inputs(task: Task, data: Path, count: int, held_out: bool, size_px: int) -> NDArray[np.uint8]:
    """Up to `count` network inputs (n, H, W, 3), augmented the same way each time."""
    import numpy as np

    source = task.data(data, held_out)
    source.refresh()
    taken = np.linspace(0, len(source) - 1, min(count, len(source))).astype(int).tolist()
    samples = [source.sample(i, size_px, np.random.default_rng(i)) for i in taken]
    name = next(name for name, value in samples[0].items() if getattr(value, "dtype", None) == np.uint8)
    return np.stack([sample[name] for sample in samples])


def card_of(settings: RunSettings, samples: int, shape: list[int]) -> ModelCard:
    """The card, from the run's settings."""
    from headwise.crops import CropRule
    from headwise.model_card import ModelCard, Source

    kind = settings.task["name"]
    crop = settings.task.get("crop", {})
    return ModelCard(
        name=settings.name,
        kind=kind,
        version=settings.card.version,
        created=datetime.now(UTC).date().isoformat(),
        licence=settings.card.licence,
        sources=tuple(Source(**source.model_dump()) for source in settings.card.sources),
        crop=CropRule(**crop) if kind == "pose" else None,
        input={"layout": "NHWC", "dtype": "uint8", "colours": "RGB", "shape": shape},
        settings=settings.model_dump(mode="json") | {"trained_samples": samples},
        notes=settings.card.notes,
    )
