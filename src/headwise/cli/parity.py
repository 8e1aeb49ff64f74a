"""`headwise parity`: how far a model's answers are from another file's or runtime's, on heads in pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headwise.errors import HeadwiseError, InputError, ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headwise.crops import CropRule

MOST_CROPS = 256


def command(
    pictures: Annotated[list[str], typer.Argument(help="Pictures with heads, or folders of them.")],
    model: Annotated[str, typer.Option(help="Pose model that is right: a name or an ONNX file.")] = "pose",
    other: Annotated[
        list[str] | None,
        typer.Option(help="Pose model to compare with it. May repeat; without it the same file."),
    ] = None,
    runtime: Annotated[
        list[str] | None, typer.Option(help="Runtime to try. May repeat; onnxruntime without it.")
    ] = None,
    limit: Annotated[
        float | None, typer.Option(min=0, help="Exit code 2 where a mean difference is larger, degrees.")
    ] = None,
) -> None:
    """Compare pose models, or runtimes, on the heads of pictures: what int8 or an engine changes."""
    from headwise.evaluation.report import markdown_table
    from headwise.weights import open_model

    right = open_model(model, "pose")
    if right.card.crop is None:
        raise ModelError(f"the card of {right.card.name} names no crop")
    crops = crops_of(pictures, right.card.crop)
    expected, rows, too_far = right(crops=crops), [], False
    for file in other or [model]:
        for name in runtime or ["onnxruntime"]:
            try:
                found = open_model(file, "pose", runtime=name)
                if found.card.crop != right.card.crop:
                    raise ModelError(f"{file} wants other crops than {model}: {found.card.crop}")
                mean_deg, worst_deg, points_px = differences(expected, found(crops=crops))
            except HeadwiseError as wrong:
                rows.append((file, name, "", "", "", str(wrong)))
                too_far = too_far or limit is not None
                continue
            over = limit is not None and not mean_deg <= limit
            too_far = too_far or over
            told = "too far" if over else ""
            rows.append((file, name, f"{mean_deg:.3f}", f"{worst_deg:.3f}", f"{points_px:.2f}", told))
    print(f"{len(crops)} heads; against {model} in onnxruntime\n")
    print(markdown_table(("model", "runtime", "mean deg", "most deg", "points px", ""), rows))
    if too_far:
        raise typer.Exit(2)


def crops_of(pictures: list[str], rule: CropRule) -> NDArray[np.uint8]:
    """(n, S, S, 3) of the heads that the package's detector finds. InputError if there is none."""
    import numpy as np

    from headwise import plugins
    from headwise.crops import cut
    from headwise.sources import open_sources

    detector = plugins.load("detectors", "headwise")
    crops: list[NDArray[np.uint8]] = []
    for source in open_sources(pictures):
        with source as frames:
            for frame in frames:
                crops += [cut(frame.image, found.box, rule)[0] for found in detector(frame.image)]
                if len(crops) >= MOST_CROPS:
                    return np.stack(crops[:MOST_CROPS])
    if not crops:
        raise InputError("no head was found in these pictures: there is nothing to compare")
    return np.stack(crops)


def differences(
    expected: dict[str, NDArray[np.float32]], found: dict[str, NDArray[np.float32]]
) -> tuple[float, float, float]:
    """Mean and largest degrees between the rotations; mean distance of the points, pixels of the crop."""
    import numpy as np

    from headwise.rotation import Rotation

    first, second = (Rotation.project(said["rotation"].astype(np.float64)) for said in (expected, found))
    off_deg = first.angle_to_deg(second)
    apart_px = np.nan
    if "keypoints" in expected and "keypoints" in found:
        apart_px = np.linalg.norm(expected["keypoints"] - found["keypoints"], axis=2).mean()
    return float(off_deg.mean()), float(off_deg.max()), float(apart_px)
