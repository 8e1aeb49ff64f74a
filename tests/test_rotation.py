import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from headwise.conventions import EulerOrder
from headwise.errors import RotationError
from headwise.rotation import Rotation

scipy_transform = pytest.importorskip("scipy.spatial.transform")
Second = scipy_transform.Rotation

angles = st.floats(-400, 400)
rotvecs = arrays(np.float64, 3, elements=st.floats(-3, 3))
tiny = arrays(np.float64, 3, elements=st.floats(-1e-9, 1e-9))
orders = st.sampled_from(EulerOrder)


def second_from_euler(order, yaw_deg, pitch_deg, roll_deg):
    if order is EulerOrder.AZIMUTH:
        return Second.from_euler("YXZ", [yaw_deg, -pitch_deg, roll_deg], degrees=True)
    return Second.from_euler("XYZ", [-pitch_deg, yaw_deg, roll_deg], degrees=True)


@given(orders, angles, angles, angles)
def test_euler_agrees_with_scipy(order, yaw_deg, pitch_deg, roll_deg):
    ours = Rotation.from_euler(order, yaw_deg=yaw_deg, pitch_deg=pitch_deg, roll_deg=roll_deg)
    np.testing.assert_allclose(
        ours.matrix, second_from_euler(order, yaw_deg, pitch_deg, roll_deg).as_matrix(), atol=1e-12
    )


@given(orders, angles, angles, angles)
def test_euler_round_trip_is_the_same_rotation(order, yaw_deg, pitch_deg, roll_deg):
    rotation = Rotation.from_euler(order, yaw_deg=yaw_deg, pitch_deg=pitch_deg, roll_deg=roll_deg)
    again = Rotation.from_euler(order, **rotation.euler(order)._asdict())
    assert rotation.angle_to_deg(again) < 1e-5


@pytest.mark.parametrize("order", EulerOrder)
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("off_deg", [0, 1e-12, 1e-9, 1e-7, 1e-5, 1e-3])
def test_euler_at_and_near_the_singularity(order, sign, off_deg):
    middle = sign * (90 - off_deg)
    yaw_deg, pitch_deg = (30, middle) if order is EulerOrder.AZIMUTH else (middle, 30)
    rotation = Rotation.from_euler(order, yaw_deg=yaw_deg, pitch_deg=pitch_deg, roll_deg=50)
    euler = rotation.euler(order)
    assert rotation.angle_to_deg(Rotation.from_euler(order, **euler._asdict())) < 1e-4
    if off_deg == 0:
        assert euler.roll_deg == 0


def test_default_order_tells_the_back_of_the_head_from_the_face():
    back = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=170, pitch_deg=10, roll_deg=5)
    np.testing.assert_allclose(back.euler(), (170, 10, 5))


@given(rotvecs)
def test_rotvec_and_quaternion_agree_with_scipy(rotvec):
    rotation, second = Rotation.from_rotvec(rotvec), Second.from_rotvec(rotvec)
    np.testing.assert_allclose(rotation.matrix, second.as_matrix(), atol=1e-12)
    np.testing.assert_allclose(
        rotation.quaternion, second.as_quat(canonical=True, scalar_first=True), atol=1e-9
    )
    np.testing.assert_allclose(Rotation.from_rotvec(rotation.rotvec).matrix, rotation.matrix, atol=1e-9)


@given(tiny)
def test_rotvec_near_identity_loses_nothing(rotvec):
    np.testing.assert_allclose(Rotation.from_rotvec(rotvec).rotvec, rotvec, rtol=1e-6, atol=1e-16)


@pytest.mark.parametrize("below_pi", [0.0, 1e-12, 1e-8, 1e-4])
@pytest.mark.parametrize("axis", [(1, 0, 0), (0, -1, 0), (0.6, 0.0, -0.8), (0.48, 0.6, 0.64)])
def test_half_turns(axis, below_pi):
    rotation = Rotation.from_rotvec((np.pi - below_pi) * np.array(axis))
    assert rotation.angle_to_deg(Rotation.identity()) == pytest.approx(180 - np.degrees(below_pi), abs=1e-9)
    np.testing.assert_allclose(Rotation.from_rotvec(rotation.rotvec).matrix, rotation.matrix, atol=1e-12)
    np.testing.assert_allclose(
        Rotation.from_quaternion(rotation.quaternion).matrix, rotation.matrix, atol=1e-12
    )


@given(rotvecs, rotvecs, rotvecs)
def test_group_laws(a, b, c):
    a, b, c = map(Rotation.from_rotvec, (a, b, c))
    np.testing.assert_allclose(((a @ b) @ c).matrix, (a @ (b @ c)).matrix, atol=1e-12)
    np.testing.assert_allclose((a @ a.inverse()).matrix, np.eye(3), atol=1e-12)
    np.testing.assert_allclose((a @ b).inverse().matrix, (b.inverse() @ a.inverse()).matrix, atol=1e-12)
    np.testing.assert_allclose((a @ b).mirrored().matrix, (a.mirrored() @ b.mirrored()).matrix, atol=1e-12)
    assert (c @ a).angle_to_deg(c @ b) == pytest.approx(a.angle_to_deg(b), abs=1e-6)
    assert a.angle_to_deg(b) == pytest.approx(b.angle_to_deg(a), abs=1e-6)


@given(rotvecs, rotvecs)
def test_angle_agrees_with_scipy(a, b):
    second = (Second.from_rotvec(a).inv() * Second.from_rotvec(b)).magnitude()
    angle_deg = Rotation.from_rotvec(a).angle_to_deg(Rotation.from_rotvec(b))
    assert angle_deg == pytest.approx(np.degrees(second), abs=1e-6)


@pytest.mark.parametrize("angle_deg", [0, 1e-10, 1e-6, 1e-3, 1, 90, 179, 180 - 1e-6, 180])
def test_angle_keeps_its_digits_at_both_ends(angle_deg):
    turned = Rotation.from_rotvec(np.radians(angle_deg) * np.array([0.48, 0.6, 0.64]))
    assert Rotation.identity().angle_to_deg(turned) == pytest.approx(angle_deg, rel=1e-6, abs=1e-13)


@given(rotvecs)
def test_sixd_is_the_first_two_columns(rotvec):
    rotation = Rotation.from_rotvec(rotvec)
    np.testing.assert_allclose(rotation.sixd[:3], rotation.matrix[:, 0])
    np.testing.assert_allclose(rotation.sixd[3:], rotation.matrix[:, 1])
    unnormalised = rotation.sixd * np.repeat([3.0, 0.2], 3)
    np.testing.assert_allclose(Rotation.from_6d(unnormalised).matrix, rotation.matrix, atol=1e-12)


@given(rotvecs, arrays(np.float64, (3, 3), elements=st.floats(-1e-3, 1e-3)))
def test_project_finds_a_rotation_nearby(rotvec, noise):
    rotation = Rotation.from_rotvec(rotvec)
    assert Rotation.project(rotation.matrix + noise).angle_to_deg(rotation) < 0.5
    np.testing.assert_allclose(Rotation.project(rotation.matrix).matrix, rotation.matrix, atol=1e-12)


def test_project_never_returns_a_mirror():
    assert np.linalg.det(Rotation.project(np.diag([1.0, 1.0, -0.5])).matrix) == pytest.approx(1)
    assert np.linalg.det(Rotation.project(np.zeros((3, 3))).matrix) == pytest.approx(1)


def test_mean_of_turns_about_one_axis_is_the_mean_angle():
    turns = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=[170, -170, 180], pitch_deg=0, roll_deg=0)
    assert abs(turns.mean().euler().yaw_deg) == pytest.approx(180)
    weighted = turns.mean(weights=[1, 0, 0])
    assert weighted.euler().yaw_deg == pytest.approx(170)


def test_mean_agrees_with_scipy():
    rotvecs = np.random.default_rng(0).normal(size=(20, 3)) * 0.5
    weights = np.random.default_rng(1).uniform(size=20)
    second = Second.from_rotvec(rotvecs).mean(weights=weights)
    ours = Rotation.from_rotvec(rotvecs).mean(weights)
    np.testing.assert_allclose(ours.matrix, second.as_matrix(), atol=1e-9)


def test_batches_index_like_numpy():
    rotations = Rotation.from_rotvec(np.random.default_rng(0).normal(size=(4, 5, 3)))
    assert rotations.batch_shape == (4, 5)
    assert len(rotations) == 4
    np.testing.assert_array_equal(rotations[2].matrix, rotations.matrix[2])
    np.testing.assert_array_equal(rotations[1:, 0].matrix, rotations.matrix[1:, 0])
    assert len(list(rotations)) == 4
    with pytest.raises(IndexError):
        rotations[0, 0, 0]
    with pytest.raises(TypeError):
        len(Rotation.identity())


def test_empty_batches_pass_through():
    none = Rotation(np.zeros((0, 3, 3)))
    assert none.euler().yaw_deg.shape == (0,)
    assert none.quaternion.shape == (0, 4)
    assert none.rotvec.shape == (0, 3)
    assert (none @ none).batch_shape == (0,)
    with pytest.raises(RotationError, match="at least one"):
        none.mean()


def test_points_turn_with_the_rotation():
    quarter = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=0, pitch_deg=0, roll_deg=90)
    np.testing.assert_allclose(
        quarter @ np.array([[1.0, 0, 0], [0, 1, 0]]), [[0, 1, 0], [-1, 0, 0]], atol=1e-15
    )


def test_matrices_are_frozen_copies():
    matrix = np.eye(3)
    rotation = Rotation(matrix)
    matrix[0, 0] = 5
    assert rotation.matrix[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        rotation.matrix[0, 0] = 5


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Rotation(np.eye(4)), "shape"),
        (lambda: Rotation(2 * np.eye(3)), "orthonormal"),
        (lambda: Rotation(np.full((3, 3), np.nan)), "orthonormal"),
        (lambda: Rotation(np.diag([-1.0, 1, 1])), "mirror"),
        (lambda: Rotation.from_quaternion([0, 0, 0, 0]), "above zero"),
        (lambda: Rotation.from_quaternion([1, 0, 0]), "shape"),
        (lambda: Rotation.from_6d([1, 0, 0, 2, 0, 0]), "across the first"),
        (lambda: Rotation.from_rotvec([1, 2]), "shape"),
        (lambda: Rotation.project(np.full((3, 3), np.inf)), "finite"),
    ],
)
def test_what_is_no_rotation_is_refused(make, message):
    with pytest.raises(RotationError, match=message):
        make()
