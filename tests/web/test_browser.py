"""The page's networks, crops and poses in a real Chromium are Python's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headwise
from headwise import Box, FrameResult, Rotation, weights
from headwise.crops import CropRule, cut
from headwise.errors import HeadwiseError
from headwise.model_card import read_card
from headwise.pictures import read_picture
from web import build as web_build
from web import chromium, question

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
HEADS = {  # where the heads of the example pictures are: left, top, right, bottom
    "portrait": [(230, 210, 394, 370)],
    "profile": [(195, 192, 300, 294)],
    "family": [
        (564, 274, 676, 382),
        (340, 249, 450, 358),
        (137, 281, 245, 380),
        (273, 138, 334, 199),
        (784, 190, 855, 251),
        (527, 113, 580, 166),
    ],
}
ODD_BOXES = [  # enlarged, pixel for pixel, a little smaller, beyond the edges, blocks of 2, 3, 4 and 5 pixels
    (300.3, 250.1, 330.9, 281.2),
    (200, 200, 297.39, 297.39),
    (200.4, 150.2, 305.7, 268.9),
    (-60, -40, 90.5, 110),
    (500, 380, 700, 560),
    (100.7, 60.1, 320.2, 280.9),
    (50, 20.5, 400, 390.3),
    (20.6, 10.1, 450, 460.7),
    (10.2, -30, 560.8, 500),
]
NETWORK_TOLERANCE_DEG = 0.2  # each engine adds floats in its own order, and an int8 network rounds between
POSE_TOLERANCE_DEG = 0.5  # the detector's network does so too, and another box is another crop
LEVELS = 1  # a pixel may lie on the edge of rounding


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for pages, on a machine that can build and open them."""
    try:
        chromium.executable()
        web_build.fetch()
    except (chromium.NoChromiumError, web_build.FetchError) as missing:
        pytest.skip(str(missing))
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def pictures() -> dict[str, np.ndarray]:
    return {name: read_picture(EXAMPLES / f"{name}.jpg") for name in HEADS}


@pytest.fixture(scope="module")
def rule() -> CropRule:
    rule = read_card(weights.find("pose")).crop
    assert rule is not None
    return rule


@pytest.fixture(scope="module")
def crops(pictures: dict[str, np.ndarray], rule: CropRule) -> np.ndarray:
    """The eight heads of the example pictures as Python cuts them."""
    return np.stack([cut(pictures[name], Box(*box), rule)[0] for name in HEADS for box in HEADS[name]])


@pytest.fixture(scope="module")
def answer(pages: Path, pictures: dict[str, np.ndarray], crops: np.ndarray) -> Any:
    """One visit to the page answers several tests: a browser takes seconds to start."""
    odd = [Box(*box) for box in ODD_BOXES]
    asked = [question.picture(pictures[name], odd) for name in ("portrait", "family")]
    said = {"crops": question.to_base64(crops), "pictures": asked, "calls": 3}
    return chromium.ask(said, web_build.build(pages / "bundled"))


def test_the_pose_network_says_the_same_of_the_same_crops(answer: Any, crops: np.ndarray) -> None:
    here = Rotation.project(weights.open_model("pose", "pose")(crops=crops)["rotation"].astype(np.float64))
    there = Rotation.project(np.reshape(answer["rotations"], (len(crops), 3, 3)))
    apart_deg = there.angle_to_deg(here)
    assert apart_deg.max() <= NETWORK_TOLERANCE_DEG, apart_deg


def test_crops_are_the_same_pixels(answer: Any, pictures: dict[str, np.ndarray], rule: CropRule) -> None:
    for name, seen in zip(("portrait", "family"), answer["pictures"], strict=True):
        there = question.from_base64(seen["crops"], len(ODD_BOXES), rule.size_px, rule.size_px, 3)
        for box, crop in zip(ODD_BOXES, there, strict=True):
            off = np.abs(cut(pictures[name], Box(*box), rule)[0].astype(int) - crop)
            assert off.max() <= LEVELS, (name, box, off.max())
            assert np.mean(off > 0) < 0.01, (name, box, np.mean(off > 0))


def test_the_portrait_is_the_same_from_pixels_to_angles(answer: Any, pictures: dict[str, np.ndarray]) -> None:
    (here,) = headwise.open()(pictures["portrait"]).faces
    (there,) = answer["pictures"][0]["result"]["faces"]
    assert list(there["box"].values()) == pytest.approx(tuple(here.box), abs=1.5)
    assert there["score"] == pytest.approx(here.score, abs=0.02)
    for angle in ("yaw_deg", "pitch_deg", "roll_deg"):
        assert there["pose"][angle] == pytest.approx(getattr(here.pose, angle), abs=POSE_TOLERANCE_DEG), angle


def test_the_milliseconds_are_told(answer: Any) -> None:
    assert set(answer["speed"]) == {"detector_ms", "crop_ms", "pose_ms"}
    assert all(times["median"] >= times["fastest"] > 0 for times in answer["speed"].values())
    assert answer["pictures"][0]["result"]["pose_ms"] > 0


def test_all_around_the_networks_is_the_same(
    pages: Path, tiny_detector_model: Path, tiny_pose_model: Path
) -> None:
    """With networks that round nothing: scaling, padding, suppression, second looks, camera, angles."""
    image = np.full((667, 1001, 3), 30, np.uint8)  # is scaled by no whole factor and padded
    image[100:180, 40:120, 0] = 255  # red
    image[380:520, 700:790, 1] = 250  # green, not square: the points lie elsewhere
    image[384:516, 704:796, 2] = 240  # blue, the same head
    models = {"detector": tiny_detector_model, "pose": tiny_pose_model}
    dist = web_build.build(pages / "tiny", models)
    blank = np.zeros((1, 40, 3), np.uint8)
    seen = chromium.ask({"pictures": [question.picture(image), question.picture(blank)]}, dist)["pictures"]
    here = headwise.open(model=tiny_pose_model, detector=tiny_detector_model)(image)
    there = FrameResult.from_json(json.dumps(seen[0]["result"]))
    assert seen[1]["result"]["faces"] == []
    assert there.camera == here.camera
    assert there.model == here.model
    assert len(there.faces) == len(here.faces) == 2
    for a, b, plain in zip(there.faces, here.faces, seen[0]["result"]["faces"], strict=True):
        assert a.score == pytest.approx(b.score)
        np.testing.assert_allclose(tuple(a.box), tuple(b.box), atol=0.05)
        np.testing.assert_allclose(a.keypoints, b.keypoints, atol=0.05)
        np.testing.assert_allclose(a.keypoint_spread_px, b.keypoint_spread_px, rtol=1e-3)
        assert a.pose.rotation.angle_to_deg(b.pose.rotation) < 0.01
        assert a.pose.spread_deg == pytest.approx(b.pose.spread_deg)
        for angle in ("yaw_deg", "pitch_deg", "roll_deg"):
            assert plain["pose"][angle] == pytest.approx(getattr(b.pose, angle), abs=0.01), angle


def test_a_page_that_fails_says_why(pages: Path) -> None:
    asked = {"pictures": [{"width": 2, "height": 2, "rgba": "AAAA"}]}
    with pytest.raises(HeadwiseError, match="the page in Chromium failed: ") as caught:
        chromium.ask(asked, web_build.build(pages / "failing"))
    assert "\n" not in str(caught.value)
