"""`headwise export`: a trained run becomes a model file, a model file what another engine loads."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwise.errors import InputError, SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headwise.deployment.sensitivity import Sweep
    from headwise.model_card import ModelCard
    from headwise.training.settings import Card
    from headwise.training.trained import Trained

GOLDEN = 64  # held-out inputs on which the file must agree with the trained network
JUDGED = 256  # held-out inputs on which a smaller file must agree with the float32 one
CALIBRATION = 256  # training inputs that set the ranges of int8 activations
SWEPT = 96  # held-out inputs on which each layer's share of what int8 costs is measured


class Format(StrEnum):
    """Kinds of model file."""

    ONNX = "onnx"
    HALF = "half"
    INT8 = "int8"
    INT8_SYMMETRIC = "int8-symmetric"
    NCNN = "ncnn"
    OPENVINO = "openvino"
    TENSORRT = "tensorrt"
    TVM = "tvm"


OF_ONE_SIZE = (Format.NCNN, Format.TVM)
"""Engines whose files hold one size of picture."""
ENGINES = (*OF_ONE_SIZE, Format.OPENVINO, Format.TENSORRT)


class Weights(StrEnum):
    """Which checkpoint of a run."""

    LAST = "last"
    BEST = "best"


def command(
    run: Annotated[
        Path,
        typer.Argument(help="Folder of a run of `headwise train`; for an engine a model's name or file."),
    ],
    out: Annotated[Path, typer.Option(help="The model file to write; for an engine a folder.")],
    data: Annotated[
        Path | None, typer.Option(help="The run's shards: inputs for the checks and for calibration.")
    ] = None,
    to: Annotated[
        Format,
        typer.Option(
            help="ONNX in float32, float16 weights, int8 or int8 for TensorRT; or an engine's files."
        ),
    ] = Format.ONNX,
    size: Annotated[
        tuple[int, int],
        typer.Option(metavar="WIDTH HEIGHT", help="Detector for an engine: the pictures' size."),
    ] = (640, 480),
    checkpoint: Annotated[
        Weights, typer.Option(help="The run's last weights, or those of its best validation.")
    ] = Weights.LAST,
    scores: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Measured numbers for the card, by benchmark.")
    ] = None,
    card: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Take the table `card` from here, not from the run."),
    ] = None,
    set_threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Detector: lowest score reported; else the last validation's."),
    ] = None,
    set_crop_scale: Annotated[
        float | None,
        typer.Option(min=0.5, max=3, help="Pose: side of the crop in box sides; else the training's."),
    ] = None,
    force: Annotated[bool, typer.Option(help="Write a smaller file that differs more than allowed.")] = False,
) -> None:
    """Write a run's model file, its card inside, after checking that its numbers are the network's.

    Or, with --to ncnn, openvino, tensorrt or tvm, the files that such an engine loads, from a model file.
    """
    if to in ENGINES:
        write_for_engine(to, run, out, size)
        return
    if data is None:
        raise SettingsError(f"--to {to.value} needs the run's shards: --data FOLDER")
    from headwise.deployment.agreement import require
    from headwise.deployment.export import export_onnx
    from headwise.deployment.latency import median_ms
    from headwise.deployment.release import place
    from headwise.model_card import write_card
    from headwise.training.trained import inputs, read_run

    trained = read_run(run, best=checkpoint is Weights.BEST)
    ready, kind = trained.deployable, trained.settings.task["name"]
    threshold = threshold_of(trained, set_threshold) if kind == "detector" else None
    measured = {"held_out_renders": trained.scores, **read_scores(scores)}
    size_px = int(ready.example.shape[1])
    with tempfile.TemporaryDirectory() as folder:
        plain, made = Path(folder) / "plain.onnx", Path(folder) / "made.onnx"
        export_onnx(
            ready.module,
            ready.example,
            ready.input_name,
            ready.output_names,
            ready.dynamic_axes,
            plain,
            inputs(trained.task, data, GOLDEN, size_px, held_out=True),
        )
        judged = inputs(trained.task, data, JUDGED, size_px, held_out=True)
        if to in (Format.INT8, Format.INT8_SYMMETRIC):
            calibration = inputs(trained.task, data, CALIBRATION, size_px, held_out=False)
            symmetric = to is Format.INT8_SYMMETRIC
            round_to_int8(plain, made, kind, calibration, judged[:SWEPT], symmetric=symmetric)
        else:
            store(to, plain, made)
        if to is not Format.ONNX:
            differences = differences_of(plain, made, judged, threshold)
            typer.echo(", ".join(f"{name} {value:.3g}" for name, value in differences.items()))
            if not force:
                require(differences)
            measured["against_float32"] = differences
        settings = run_facts(trained, to) | ({} if threshold is None else {"threshold": threshold})
        made_card = card_of(trained, card_table(trained, card), settings, measured, set_crop_scale)
        write_card(made, made_card)
        before_ms, after_ms = median_ms(plain, judged[:1]), median_ms(made, judged[:1])
        place(made, out, made_card)
    shape = "x".join(map(str, judged.shape[1:3]))
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.2f} MB, sources: {len(made_card.sources)}")
    typer.echo(
        f"{after_ms:.2f} ms for one input of {shape} px on one core; the float32 file {before_ms:.2f} ms"
    )


def write_for_engine(engine: Format, model: Path, folder: Path, size: tuple[int, int]) -> None:
    """Files of an engine from a model file or the package's model of that name."""
    from headwise import plugins, weights

    if model.is_dir():
        raise SettingsError(f"{model} is a folder: export it to ONNX, then that file --to {engine.value}")
    runtime = plugins.import_optional(f"headwise.runtimes.{engine.value}")
    file = plugins.import_optional("headwise.runtimes._onnx_file").open_file(weights.find(model))
    sides = _sides(file.shape[1:3], size) if engine in OF_ONE_SIZE else ()
    folder.mkdir(parents=True, exist_ok=True)
    for path in runtime.write(file, folder, *sides):
        typer.echo(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


def _sides(free_or_fixed: Sequence[int | str], size: tuple[int, int]) -> tuple[int, int]:
    """Height and width: the file's own, or where it takes any those of `size`, width first."""
    height, width = free_or_fixed
    if isinstance(height, int) and isinstance(width, int):
        return height, width
    from headwise.detectors.headwise import STRIDE_PX

    width, height = size
    if width < STRIDE_PX or height < STRIDE_PX or width % STRIDE_PX or height % STRIDE_PX:
        raise SettingsError(
            f"a detector's pictures have sides in multiples of {STRIDE_PX}, got {width}x{height}"
        )
    return height, width


def threshold_of(trained: Trained, wanted: float | None) -> float:
    """The detector's: as asked for, else the one the last validation chose."""
    threshold = trained.scores.get("threshold", 1.0) if wanted is None else wanted
    if threshold >= 1:
        raise SettingsError("the run's validation found no threshold for the detector; give --set-threshold")
    return threshold


def read_scores(path: Path | None) -> dict[str, Any]:
    """The caller's JSON object; nothing without a file."""
    if path is None:
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as wrong:
        raise InputError(f"cannot read the scores {path}: {wrong.strerror}") from wrong
    except ValueError as wrong:
        raise InputError(f"{path} is no JSON: {wrong}") from wrong
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold a JSON object, benchmark -> numbers; it holds {values!r:.40}")
    return values


def store(to: Format, plain: Path, made: Path) -> None:
    """`made` in float32 or with halved weights."""
    from headwise.deployment.halve import store_halved

    if to is Format.HALF:
        store_halved(plain, made)
    else:
        made.write_bytes(plain.read_bytes())


def round_to_int8(
    plain: Path,
    made: Path,
    kind: str,
    calibration: NDArray[np.uint8],
    judged: NDArray[np.uint8],
    *,
    symmetric: bool,
) -> Sweep:
    """`made` in int8; returns what each layer costs on the judged inputs.

    What stays float is stored in half, but not in a symmetric file: TensorRT must find the weights themselves
    in front of their rounding.
    """
    from headwise.deployment import sensitivity
    from headwise.deployment.halve import store_halved

    pose, detector = sensitivity.rotation_difference_deg, sensitivity.score_difference
    measure = detector if kind == "detector" else pose
    found = sensitivity.quantize_with_care(plain, made, calibration, judged, measure, symmetric=symmetric)
    if not symmetric:
        store_halved(made, made)
    return found


def differences_of(
    plain: Path, made: Path, images: NDArray[np.uint8], threshold: float | None
) -> dict[str, float]:
    """Of the two files, by the measures of their kind."""
    from headwise.deployment.agreement import detector_differences, pose_differences
    from headwise.deployment.export import run_file

    before, after = run_file(str(plain), images), run_file(str(made), images)
    if threshold is None:
        return pose_differences(before, after, images.shape[1])
    return detector_differences(before, after, threshold)


def card_table(trained: Trained, path: Path | None) -> Card:
    """The table [card] of the run, or of the named file."""
    from headwise.training.settings import read_settings

    return trained.settings.card if path is None else read_settings(path).card


def run_facts(trained: Trained, to: Format) -> dict[str, Any]:
    """What the file is and how it was trained."""
    run = trained.settings.model_dump(mode="json", exclude={"card"})
    return {"format": to.value, "trained_samples": trained.samples, "run": run}


def card_of(
    trained: Trained,
    table: Card,
    settings: Mapping[str, Any],
    scores: Mapping[str, Any],
    crop_scale: float | None = None,
) -> ModelCard:
    """The card, from the run and the table [card]; `crop_scale` in place of the training's."""
    from headwise.crops import CropRule
    from headwise.model_card import ModelCard, Source

    kind, ready = trained.settings.task["name"], trained.deployable
    crop = trained.settings.task.get("crop", {}) | ({} if crop_scale is None else {"scale": crop_scale})
    shape = [ready.dynamic_axes.get(axis, size) for axis, size in enumerate(ready.example.shape)]
    return ModelCard(
        name=trained.settings.name,
        kind=kind,
        version=table.version,
        created=datetime.now(UTC).date().isoformat(),
        licence=table.licence,
        sources=tuple(Source(**source.model_dump()) for source in table.sources),
        crop=CropRule(**crop) if kind == "pose" else None,
        input={"layout": "NHWC", "dtype": "uint8", "colours": "RGB", "shape": shape},
        settings=dict(settings),
        scores=dict(scores),
        notes=table.notes,
    )
