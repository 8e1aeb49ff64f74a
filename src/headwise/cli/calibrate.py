"""``headwise calibrate``: pictures of a chessboard in, a camera file for ``--intrinsics`` out."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwise.cli._inputs import counted, interrupts_held, report
from headwise.errors import HeadwiseError, InputError, OutputError
from headwise.native_noise import native_noise_silenced

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headwise.calibration import Board, Calibration
    from headwise.cli._progress import Progress
    from headwise.sources import Source

FRAMES_PER_S = 2.0
"""Of a video: a hand moves the board little within half a second."""
LEAST_COVERAGE = 0.5
"""Share of the picture below which the lens's corners are a guess."""


def command(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...", help="Pictures or a video of the board, folders, a camera's number."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Camera file (.json) to write, for --intrinsics.")],
    board: Annotated[str, typer.Option(metavar="9x6", help="Inner corners: columns x rows.")] = "9x6",
    square_mm: Annotated[float, typer.Option(help="Side of one square, millimetres.")] = 25.0,
    max_fps: Annotated[
        float, typer.Option(help="Frames of a video that are looked at, a second.")
    ] = FRAMES_PER_S,
) -> None:
    """A camera's focal length, middle and lens from pictures of a chessboard."""
    from headwise.calibration import Board, calibrate, most_different, write_camera
    from headwise.cli._progress import show_progress
    from headwise.sources import open_sources
    from headwise.thinning import Thinning

    chessboard = Board.from_text(board, square_mm)
    Thinning(max_fps)
    _check_writable(out)
    with native_noise_silenced(), show_progress() as progress:
        views = _views(open_sources(inputs, stdin=sys.stdin, max_fps=max_fps), chessboard, progress)
        size_px = _common_size(views)
        corners = [view for _, size, view in views if size == size_px]
        corners = [corners[i] for i in most_different(corners)]
        found = calibrate(corners, chessboard, *size_px)
        with interrupts_held():
            write_camera(out, found)
    _tell(found, len(corners), out)


def _check_writable(out: Path) -> None:
    """Told before any work."""
    if out.suffix.lower() != ".json":
        raise OutputError(f"{out}: a camera file is JSON; end its name in .json")
    if not out.parent.is_dir():
        raise OutputError(f"{out}: cannot be written: there is no folder {out.parent}")


def _views(
    sources: Iterable[Source], board: Board, progress: Progress
) -> list[tuple[str, tuple[int, int], NDArray[np.float64]]]:
    """Name, size (width, height) and corners of every picture with the whole board in it.

    A source that fails is told and left; Ctrl-C ends the looking, and what was found counts.
    """
    from headwise.calibration import find_corners

    views = []
    looked = 0
    try:
        for source in sources:
            try:
                with source:
                    for frame in progress.frames(source):
                        looked += 1
                        corners = find_corners(frame.image, board)
                        if corners is not None:
                            views.append((source.name, frame.image.shape[1::-1], corners))
                        elif not source.is_stream:
                            report(InputError(f"{source.name}: no whole board of these corners in it"))
            except HeadwiseError as error:
                report(error, source.name)
    except KeyboardInterrupt:
        print("interrupted: calibrating with what was seen until now", file=sys.stderr)
    print(f"the board was found in {len(views)} of {counted(looked, 'picture')}", file=sys.stderr)
    return views


def _common_size(views: list[tuple[str, tuple[int, int], NDArray[np.float64]]]) -> tuple[int, int]:
    """The size most pictures have; the others are told and left out."""
    if not views:
        return 1, 1  # no view is too few of them, which `calibrate` says
    common = Counter(size for _, size, _ in views).most_common(1)[0][0]
    for name, size, _ in views:
        if size != common:
            report(
                InputError(f"{name}: left out: {size[0]}x{size[1]} pixels, most have {common[0]}x{common[1]}")
            )
    return common


def _tell(found: Calibration, views: int, out: Path) -> None:
    from math import atan, degrees

    camera = found.camera
    fov_deg = [
        degrees(2 * atan(side / 2 / focal))
        for side, focal in ((camera.width_px, camera.fx), (camera.height_px, camera.fy))
    ]
    lens = ", ".join(f"{value:+.4f}" for value in camera.distortion)
    print(f"{out}: {camera.width_px} x {camera.height_px} pixels")
    print(f"  focal length  {camera.fx:.1f} ± {found.focal_spread_px[0]:.1f}, {camera.fy:.1f} pixels")
    print(f"  field of view {fov_deg[0]:.1f} x {fov_deg[1]:.1f} degrees")
    print(f"  middle        {camera.cx:.1f}, {camera.cy:.1f}")
    print(f"  lens k1 k2 p1 p2 k3  {lens}")
    print(f"  error         {found.error_px:.2f} pixels over {len(found.used)} of {views} views")
    print(
        f"  board seen at {found.distances_m.min():.2f} to {found.distances_m.max():.2f} m: "
        "check one with a tape"
    )
    if found.coverage < LEAST_COVERAGE:
        print(
            f"headwise: the board covered {found.coverage:.0%} of the picture only: "
            "hold it in the corners too, or the lens there is a guess",
            file=sys.stderr,
        )
