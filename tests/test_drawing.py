import numpy as np
import pytest

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.conventions import EulerOrder
from headwise.drawing import BLUE, COVERED, GREEN, RED, VISIBLE, Layers, draw
from headwise.results import Face, FrameResult, HeadPose
from headwise.rotation import Rotation

NOTHING = Layers(box=False, cube=False, points=False, axes=False, labels=False)
AXES = Layers(box=False, cube=False, points=False, labels=False)
WIDTH, HEIGHT = 640, 480
CENTRE = np.array([320.0, 240.0])


def face(box: Box | None = None, position_m: tuple[float, float, float] | None = None, **pose: float) -> Face:
    angles = {"yaw_deg": 0.0, "pitch_deg": 0.0, "roll_deg": 0.0}
    spread_deg = pose.pop("spread_deg", None)
    rotation = Rotation.from_euler(EulerOrder.AZIMUTH, **angles | pose)
    position = None if position_m is None else np.array(position_m)
    box = box or Box.from_center(CENTRE, 120, 160)
    return Face(box, 0.9, pose=HeadPose(rotation, position, spread_deg))


def result(*faces: Face, width: int = WIDTH, height: int = HEIGHT) -> FrameResult:
    return FrameResult(tuple(faces), width, height, None, Camera.from_fov(width, height), "test")


def canvas(level: int = 128, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def place_of(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """(x, y): the mean place of a pure colour."""
    rows, columns = np.nonzero((image == colour).all(axis=2))
    assert rows.size, f"no pixel of {colour}"
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5])


@pytest.mark.parametrize("position_m", [None, (0.0, -0.03, 1.0)])
def test_a_frontal_face_has_red_to_its_left_green_below_and_blue_end_on(
    position_m: tuple[float, float, float] | None,
) -> None:
    drawn = draw(canvas(), result(face(position_m=position_m)), layers=AXES)
    red, green, blue = (place_of(drawn, colour) - CENTRE for colour in (RED, GREEN, BLUE))
    assert red[0] > 20
    assert abs(red[1]) < 5
    assert green[1] > 20
    assert abs(green[0]) < 5
    assert np.abs(blue).max() < 5


@pytest.mark.parametrize(
    ("pose", "axis", "sign"),
    [
        ({"yaw_deg": 40}, 0, -1),
        ({"yaw_deg": -40}, 0, 1),
        ({"pitch_deg": 40}, 1, -1),
        ({"pitch_deg": -40}, 1, 1),
    ],
)
def test_blue_points_where_the_nose_points(pose: dict[str, float], axis: int, sign: int) -> None:
    drawn = draw(canvas(), result(face(**pose)), layers=AXES)
    offset = place_of(drawn, BLUE) - CENTRE
    assert offset[axis] * sign > 15
    assert abs(offset[1 - axis]) < 5


def test_roll_turns_the_axes_clockwise() -> None:
    drawn = draw(canvas(), result(face(roll_deg=90)), layers=AXES)
    assert (place_of(drawn, RED) - CENTRE)[1] > 20
    assert (place_of(drawn, GREEN) - CENTRE)[0] < -20


def test_a_known_position_is_used() -> None:
    near = draw(canvas(), result(face(position_m=(0, 0, 0.6))), layers=AXES)
    far = draw(canvas(), result(face(position_m=(0, 0, 3.0))), layers=AXES)
    aside = draw(canvas(), result(face(position_m=(-0.5, 0, 2.0))), layers=AXES)
    assert (near != 128).sum() > 3 * (far != 128).sum()
    assert place_of(aside, GREEN)[0] < CENTRE[0] - 80


def test_the_picture_itself_stays_as_it_is() -> None:
    image = canvas()
    image.setflags(write=False)
    drawn = draw(image, result(face()))
    assert drawn is not image
    assert (image == 128).all()
    assert drawn.dtype == np.uint8
    assert drawn.shape == image.shape


def test_each_layer_can_be_left_out() -> None:
    keypoints = CENTRE + np.random.default_rng(0).normal(0, 30, (68, 2))
    it = result(Face(face().box, 0.9, keypoints, np.ones(68), face(spread_deg=8).pose, track=1))
    assert (draw(canvas(), it, layers=NOTHING) == 128).all()
    changed = {
        layer: (draw(canvas(), it, layers=Layers(**{**vars(NOTHING), layer: True})) != 128).any()
        for layer in vars(NOTHING)
    }
    assert all(changed.values()), changed


def test_points_are_coloured_by_visibility() -> None:
    points = Layers(box=False, cube=False, axes=False, labels=False)
    keypoints = np.array([[200.0, 240.0], [440.0, 240.0]])
    it = result(Face(Box(180, 140, 460, 340), 0.9, keypoints, np.array([0.0, 1.0])))
    drawn = draw(canvas(), it, layers=points)
    assert place_of(drawn, COVERED) == pytest.approx([200, 240], abs=0.5)
    assert place_of(drawn, VISIBLE) == pytest.approx([440, 240], abs=0.5)


def test_a_wider_spread_makes_a_wider_cone() -> None:
    sizes = [
        (draw(canvas(), result(face(spread_deg=spread)), layers=AXES) != 128).any(axis=2).sum()
        for spread in (1.0, 15.0, 40.0, 179.0)
    ]
    assert sizes == sorted(sizes)
    assert sizes[2] > 1.5 * sizes[0]


@pytest.mark.parametrize("level", [0, 255])
def test_lines_stand_out_on_black_and_white(level: int) -> None:
    drawn = draw(canvas(level), result(face(yaw_deg=20))).astype(int)
    contrast = np.abs(drawn.mean(axis=2) - level)
    assert (contrast > 100).sum() > 1000


def test_the_words_follow_the_order_of_the_angles() -> None:
    labels = Layers(box=False, cube=False, points=False, axes=False)
    tilted = result(face(yaw_deg=60, pitch_deg=30, roll_deg=20))
    first, second = (draw(canvas(), tilted, layers=labels, order=order) for order in EulerOrder)
    assert (first != second).any()


def test_labels_stay_inside_the_picture() -> None:
    labels = Layers(box=False, cube=False, points=False, axes=False)
    for box in (Box(-50, -50, 60, 60), Box(600, 440, 700, 560), Box(0, 0, 640, 480), Box(-90, 200, -5, 290)):
        drawn = draw(canvas(), result(face(box, yaw_deg=5)), layers=labels)
        rows, columns = np.nonzero((drawn != 128).any(axis=2))
        assert np.ptp(columns) > 60
        assert np.ptp(rows) > 10


def test_labels_of_neighbours_do_not_cover_each_other() -> None:
    labels = Layers(box=False, cube=False, points=False, axes=False)
    faces = [face(Box(left, 200, left + 60, 270)) for left in (250, 290, 330)]
    alone = sum((draw(canvas(), result(one), layers=labels) != 128).any(axis=2).sum() for one in faces)
    together = (draw(canvas(), result(*faces), layers=labels) != 128).any(axis=2).sum()
    assert together > 0.98 * alone


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (40, 40)])
def test_tiny_pictures(size: tuple[int, int]) -> None:
    faces = [
        face(Box(0, 0, 60, 60), spread_deg=5),
        face(Box(-1e5, -1e5, 1e5, 1e5)),
        face(Box(0, 0, 0.1, 0.1)),
    ]
    drawn = draw(canvas(128, *size), result(*faces, width=size[0], height=size[1]))
    assert drawn.shape == (size[1], size[0], 3)


@pytest.mark.parametrize(
    "position_m", [(0, 0, 0.0), (0, 0, -1.0), (0, 0, 0.08), (5, 0, 0.2), (0, 0, 1e6), (1e5, 0, 1.0)]
)
def test_heads_at_impossible_places_do_no_harm(position_m: tuple[float, float, float]) -> None:
    drawn = draw(canvas(), result(face(position_m=position_m, spread_deg=20, yaw_deg=33)))
    assert drawn.shape == (HEIGHT, WIDTH, 3)


def test_every_angle_can_be_drawn() -> None:
    for yaw_deg in range(-180, 181, 45):
        for pitch_deg in (-90, -45, 0, 45, 90):
            draw(canvas(), result(face(yaw_deg=yaw_deg, pitch_deg=pitch_deg, spread_deg=4)))


def test_a_face_without_a_pose_has_its_box() -> None:
    assert (draw(canvas(), result(Face(face().box, 0.5))) != 128).any()


def test_nothing_found_nothing_drawn() -> None:
    assert (draw(canvas(), result()) == 128).all()
