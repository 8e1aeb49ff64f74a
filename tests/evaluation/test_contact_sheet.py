"""The contact sheet shows what is asked for, and a picture that is gone does not stop it."""

from pathlib import Path

import numpy as np

from headwise.boxes import Box
from headwise.conventions import EulerOrder
from headwise.evaluation.contact_sheet import CAPTION_PX, COLUMNS, ROWS, TILE_PX, contact_sheet
from headwise.evaluation.outcome import WorstItem
from headwise.pictures import read_picture
from headwise.rotation import Rotation
from labelled_folders import BOX, write_picture


def one(path: Path, **options) -> WorstItem:
    return WorstItem(path, "caption", Box(*BOX), **options)


def test_it_holds_the_first_items_in_rows(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 9)
    sheet = contact_sheet([one(tmp_path / "a.png")] * (COLUMNS * ROWS + 5), read_picture)
    assert sheet.shape == (ROWS * (TILE_PX + CAPTION_PX), COLUMNS * TILE_PX, 3)


def test_a_yaw_to_the_image_left_is_drawn_to_the_left(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 0)
    found = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=60, pitch_deg=0, roll_deg=0)
    sheet = contact_sheet([one(tmp_path / "a.png", found=found, facing_only=True)], read_picture)
    blue = np.argwhere((sheet[:TILE_PX, :TILE_PX, 2] > 200) & (sheet[:TILE_PX, :TILE_PX, 0] < 120))
    assert blue[:, 1].mean() < TILE_PX / 2 - 10


def test_a_lost_picture_leaves_a_black_tile(tmp_path: Path) -> None:
    sheet = contact_sheet([one(tmp_path / "gone.png")], read_picture)
    assert sheet[:TILE_PX, :TILE_PX].max() == 0
