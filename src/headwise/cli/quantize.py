"""`headwise quantize`: a float32 model file becomes an int8 one, with what each layer costs."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from headwise.cli import export
from headwise.cli.export import Format, differences_of, round_to_int8
from headwise.errors import ModelError, SettingsError


def command(
    model: Annotated[Path, typer.Argument(help="float32 model file of `headwise export`.")],
    data: Annotated[Path, typer.Option(help="The shards it was trained on: calibration and checks.")],
    out: Annotated[Path, typer.Option(help="The int8 model file to write.")],
    symmetric: Annotated[bool, typer.Option(help="Without zero points: what TensorRT takes.")] = False,
    nncf: Annotated[bool, typer.Option(help="By OpenVINO's quantiser, without the sweep.")] = False,
    force: Annotated[bool, typer.Option(help="Write a file that differs more than allowed.")] = False,
) -> None:
    """int8 weights and activations; layers that lose much stay in float. Says what was lost and gained."""
    from headwise import plugins
    from headwise.deployment.agreement import require
    from headwise.deployment.latency import median_ms
    from headwise.deployment.release import place
    from headwise.deployment.sensitivity import as_rows
    from headwise.evaluation.report import markdown_table
    from headwise.model_card import read_card, write_card
    from headwise.training.trained import inputs, task_of

    if nncf and symmetric:
        raise SettingsError("--symmetric is for TensorRT, --nncf for OpenVINO: give one of them")
    if not model.is_file():
        raise ModelError(f"no model file {model}; `headwise export RUN --to onnx` writes one")
    card = read_card(model)
    if card.settings.get("format") != Format.ONNX.value:
        raise ModelError(
            f"{model} is {card.settings.get('format')}; int8 is made of a float32 file (--to onnx)"
        )
    task = task_of(card)
    size_px = task.deployable(task.network()).example.shape[1]
    judged = inputs(task, data, export.JUDGED, size_px, held_out=True)
    calibration = inputs(task, data, export.CALIBRATION, size_px, held_out=False)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made.onnx"
        if nncf:
            plugins.import_optional("headwise.deployment.quantize_nncf").quantize_with_nncf(
                model, made, calibration
            )
        else:
            swept = judged[: export.SWEPT]
            found = round_to_int8(model, made, card.kind, calibration, swept, symmetric=symmetric)
            unit = "thousandths of score" if card.kind == "detector" else "deg"
            typer.echo(
                f"all layers in int8: {found.all_rounded:.3f} {unit} from float32; one kept in float:\n"
            )
            typer.echo(markdown_table(("layer", unit, "saves", "kept"), as_rows(found)))
        threshold = card.settings.get("threshold")
        differences = differences_of(model, made, judged, threshold)
        typer.echo("\n" + ", ".join(f"{name} {value:.3g}" for name, value in differences.items()))
        if not force:
            require(differences)
        form = Format.INT8_SYMMETRIC if symmetric else Format.INT8
        new_card = replace(
            card,
            settings=card.settings | {"format": form.value},
            scores=card.scores | {"against_float32": differences},
        )
        write_card(made, new_card)
        before_ms, after_ms = median_ms(model, judged[:1]), median_ms(made, judged[:1])
        before_mb = model.stat().st_size / 1e6
        place(made, out, new_card)
    typer.echo(
        f"{out}: {out.stat().st_size / 1e6:.2f} MB ({before_mb:.2f}), {after_ms:.2f} ms ({before_ms:.2f})"
    )
