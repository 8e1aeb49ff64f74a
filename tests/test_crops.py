import numpy as np
import pytest

from headwise.boxes import Box
from headwise.crops import CropRule, cut
from headwise.errors import InputError, SettingsError


def test_the_square_is_scale_times_the_longer_side_about_the_centre():
    warp = CropRule(scale=1.5, size_px=120).warp(Box.from_center((100, 80), 40, 60))
    np.testing.assert_allclose(
        warp.points([(100, 80), (55, 35), (145, 125)]), [(60, 60), (0, 0), (120, 120)], atol=1e-9
    )
    assert warp.rotation_deg == 0
    assert not warp.mirrors


def test_a_crop_of_its_own_size_is_the_pixels_themselves():
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    crop, warp = cut(image, Box(100, 50, 200, 150), CropRule(scale=1, size_px=100))
    np.testing.assert_array_equal(crop, image[50:150, 100:200])
    np.testing.assert_allclose(warp.points((100, 50)), (0, 0), atol=1e-12)


@pytest.mark.parametrize("box", [Box(-50, -50, 20, 30), Box(900, 900, 950, 960), Box(0, 0, 0.1, 0.1)])
def test_boxes_at_and_beyond_the_edge_repeat_it(box):
    image = np.full((48, 64, 3), 77, dtype=np.uint8)
    crop, _ = cut(image, box, CropRule())
    assert crop.shape == (112, 112, 3)
    assert (crop == 77).all()


def test_boxes_as_large_as_a_poster():
    image = np.random.default_rng(0).integers(0, 256, (3000, 4000, 3), dtype=np.uint8)
    crop, _ = cut(image, Box(0, 0, 4000, 3000), CropRule())
    assert abs(crop[40:70, 30:80].astype(float).mean() - 127.5) < 2


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 3)),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((0, 9, 3), np.uint8),
    ],
)
def test_only_rgb_pictures_are_cut(image):
    with pytest.raises(InputError, match="uint8 array"):
        cut(image, Box(0, 0, 5, 5), CropRule())


@pytest.mark.parametrize("values", [(0, 112), (-1, 112), (float("inf"), 112), (1.3, 0)])
def test_rules_that_cannot_be(values):
    with pytest.raises(SettingsError, match="crop rule"):
        CropRule(*values)
