"""The bundled detector's way from a picture to boxes and back, with a network that sees bright blobs."""

from pathlib import Path

import numpy as np
import pytest

from headwise.detectors.headwise import create, fit
from headwise.errors import ModelError, SettingsError

RED, GREEN = (255, 0, 0), (0, 255, 0)


def picture(width: int, height: int, **blobs: tuple[int, int, int, int]) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    for colour, (left, top, right, bottom) in blobs.items():
        image[top:bottom, left:right] = {"red": RED, "green": GREEN}[colour]
    return image


def test_boxes_come_back_in_pixels_of_the_picture(tiny_detector_model: Path) -> None:
    detect = create(tiny_detector_model)
    image = picture(300, 200, red=(50, 60, 90, 100), green=(200, 20, 220, 40))
    found = sorted(detect(image), key=lambda d: d.box.left)
    np.testing.assert_allclose(
        [tuple(d.box) for d in found], [(50, 60, 90, 100), (200, 20, 220, 40)], atol=0.1
    )
    np.testing.assert_allclose(found[0].points5, [(70, 80)] * 5, atol=0.1)


@pytest.mark.parametrize("size", [(1500, 900), (901, 1499), (3000, 500)])
def test_a_large_picture_is_shrunk_and_boxes_are_not(
    tiny_detector_model: Path, size: tuple[int, int]
) -> None:
    found = create(tiny_detector_model)(picture(*size, red=(300, 200, 500, 400)))
    np.testing.assert_allclose(tuple(found[0].box), (300, 200, 500, 400), atol=6)


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (5000, 1), (31, 33), (640, 480)])
@pytest.mark.parametrize("value", [0, 128])
def test_blank_tiny_and_thin_pictures_hold_nothing(
    tiny_detector_model: Path, size: tuple[int, int], value: int
) -> None:
    assert create(tiny_detector_model)(np.full((size[1], size[0], 3), value, np.uint8)) == ()


def test_one_head_found_three_times_is_one_head(tiny_detector_model: Path) -> None:
    image = picture(100, 100)
    image[20:60, 20:60] = 255  # a blob in every colour
    assert len(create(tiny_detector_model)(image)) == 1


def test_threshold_leaves_faint_ones_out(tiny_detector_model: Path) -> None:
    image = picture(100, 100, red=(20, 20, 60, 60)) // 255 * 230
    assert len(create(tiny_detector_model, threshold=0.9)(image)) == 1
    assert len(create(tiny_detector_model, threshold=0.91)(image)) == 0


def test_a_picture_that_fits_is_not_copied() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    assert fit(image, 640)[0] is image


def test_padding_is_black_and_on_the_right_and_below() -> None:
    canvas, factors = fit(np.full((100, 1000, 3), 255, np.uint8), 640)
    assert canvas.shape == (64, 640, 3)
    assert canvas[:64].min() == 255
    canvas, factors = fit(np.full((150, 1000, 3), 255, np.uint8), 640)
    assert canvas.shape == (96, 640, 3)
    assert (canvas == 255).all()
    canvas, factors = fit(np.full((50, 70, 3), 255, np.uint8), 640)
    assert canvas.shape == (64, 96, 3)
    assert canvas[:50, :70].min() == 255
    assert canvas[50:].max() == canvas[:, 70:].max() == 0
    np.testing.assert_array_equal(factors, [1, 1])


@pytest.mark.parametrize("wrong", [{"threshold": 1.5}, {"iou": -0.1}, {"size_px": 8}])
def test_wrong_options_are_told(tiny_detector_model: Path, wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        create(tiny_detector_model, **wrong)


def test_a_pose_model_is_no_detector(tiny_pose_model: Path) -> None:
    with pytest.raises(ModelError, match="detector"):
        create(tiny_pose_model)
