"""One picture of the worst items of a run: what was expected in white, what came in colour."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.boxes import Box
from headwise.crops import CropRule
from headwise.errors import InputError
from headwise.evaluation.outcome import Read, WorstItem
from headwise.evaluation.report import save
from headwise.rotation import Rotation
from headwise.warp import Border, Warp

Image = NDArray[np.uint8]

COLUMNS, ROWS = 8, 4
TILE_PX, CAPTION_PX = 200, 18
AXIS_PX = 70
TRUTH_WIDTH_PX = 4
BLACK = (0, 0, 0)
WHITE, YELLOW, RED, GREEN, BLUE = (255, 255, 255), (255, 220, 0), (255, 60, 60), (60, 220, 60), (80, 130, 255)
AXIS_COLOURS = (RED, GREEN, BLUE)


def contact_sheet(items: Sequence[WorstItem], read: Read) -> Image:
    """The first COLUMNS x ROWS items, as RGB. Axes: x red, y green, facing blue; found boxes yellow."""
    tiles = [_captioned(item, read) for item in items[: COLUMNS * ROWS]]
    rows = max(1, -(-len(tiles) // COLUMNS))
    sheet = np.zeros((rows * (TILE_PX + CAPTION_PX), COLUMNS * TILE_PX, 3), np.uint8)
    for index, one in enumerate(tiles):
        top, left = (index // COLUMNS) * one.shape[0], (index % COLUMNS) * TILE_PX
        sheet[top : top + one.shape[0], left : left + TILE_PX] = one
    return sheet


def save_png(path: Path, image: Image) -> None:
    """Write an RGB picture. Raises OutputError."""
    save(path, cv2.imencode(".png", image[..., ::-1])[1].tobytes())


def picture_of(item: WorstItem, read: Read) -> Image:
    """Its RGB picture. Raises InputError when the file cannot be read."""
    return read(item.path) if item.image is None else item.image


def tile(item: WorstItem, read: Read) -> Image:
    """(TILE_PX, TILE_PX, 3) RGB: the item with its boxes and axes; black where the picture is lost."""
    try:
        picture = picture_of(item, read)
    except InputError:
        return np.zeros((TILE_PX, TILE_PX, 3), np.uint8)
    tile_from_image = CropRule(item.around, TILE_PX).warp(item.box)
    crop = tile_from_image.image(picture, TILE_PX, TILE_PX, Border.BLACK)
    _draw_boxes(crop, item, tile_from_image)
    for rotation, is_truth in ((item.truth, True), (item.found, False)):
        if rotation is not None:
            _draw_axes(crop, rotation, is_truth, item.facing_only)
    return crop


def _captioned(item: WorstItem, read: Read) -> Image:
    captioned = np.zeros((TILE_PX + CAPTION_PX, TILE_PX, 3), np.uint8)
    captioned[:TILE_PX] = tile(item, read)
    cv2.putText(
        captioned, item.caption[:34], (3, TILE_PX + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.36, WHITE, 1, cv2.LINE_AA
    )
    return captioned


def _draw_boxes(crop: Image, item: WorstItem, tile_from_image: Warp) -> None:
    for box, colour in ((item.box, WHITE), *((box, YELLOW) for box in item.found_boxes)):
        first, last = tile_from_image.points(_corners(box))
        cv2.rectangle(crop, _pixel(first), _pixel(last), colour, 1, cv2.LINE_AA)


def _draw_axes(crop: Image, rotation: Rotation, is_truth: bool, facing_only: bool) -> None:
    """The head's axes as a distant camera sees them; the third is drawn along the facing direction."""
    axes = np.stack([rotation.matrix[:, 0], rotation.matrix[:, 1], rotation.facing])
    centre = np.array([TILE_PX / 2, TILE_PX / 2])
    for axis, colour in zip(
        axes[2:] if facing_only else axes, (BLUE,) if facing_only else AXIS_COLOURS, strict=True
    ):
        start, end = _pixel(centre), _pixel(centre + AXIS_PX * axis[:2])
        if is_truth:
            cv2.line(crop, start, end, BLACK, TRUTH_WIDTH_PX + 2, cv2.LINE_AA)  # an edge on bright pictures
            cv2.line(crop, start, end, WHITE, TRUTH_WIDTH_PX, cv2.LINE_AA)
        else:
            cv2.line(crop, start, end, colour, 2, cv2.LINE_AA)


def _corners(box: Box) -> NDArray[np.float64]:
    return np.array([[box.left, box.top], [box.right, box.bottom]])


def _pixel(point: NDArray[np.float64]) -> tuple[int, int]:
    """OpenCV draws between pixel centres, which it counts as whole numbers."""
    x, y = np.clip(np.round(point - 0.5), -10_000, 10_000)
    return int(x), int(y)
