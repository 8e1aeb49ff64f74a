"""Single quaternions in plain floats say what `Rotation` says in batches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwise import quaternions
from headwise.rotation import Rotation

vectors = st.tuples(*[st.floats(-3.0, 3.0) for _ in range(3)])


def rotation(rotvec: tuple[float, float, float]) -> Rotation:
    return Rotation.from_rotvec(np.array(rotvec))


@given(vectors)
def test_there_and_back(rotvec: tuple[float, float, float]) -> None:
    quaternion = quaternions.of_rotation(rotation(rotvec))
    assert np.linalg.norm(quaternion) == pytest.approx(1, abs=1e-12)
    same = quaternions.rotation_of(quaternion)
    np.testing.assert_allclose(same.matrix, rotation(rotvec).matrix, atol=1e-12)


@pytest.mark.parametrize("axis", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.6, 0.0, -0.8)])
def test_half_turns_keep_their_digits(axis: tuple[float, float, float]) -> None:
    half = rotation(tuple(np.pi * np.array(axis)))
    same = quaternions.rotation_of(quaternions.of_rotation(half))
    np.testing.assert_allclose(same.matrix, half.matrix, atol=1e-12)


@given(vectors, vectors)
def test_a_step_is_the_rotation_vector_between(
    a: tuple[float, float, float], b: tuple[float, float, float]
) -> None:
    step = quaternions.step(quaternions.of_rotation(rotation(a)), quaternions.of_rotation(rotation(b)))
    between = rotation(a).inverse() @ rotation(b)
    np.testing.assert_allclose(rotation(step).matrix, between.matrix, atol=1e-7)
    assert np.linalg.norm(step) <= np.pi + 1e-9


@given(vectors, vectors)
def test_moving_along_a_vector_multiplies_from_the_right(
    start: tuple[float, float, float], along: tuple[float, float, float]
) -> None:
    there = quaternions.rotation_of(quaternions.moved(quaternions.of_rotation(rotation(start)), along))
    np.testing.assert_allclose(there.matrix, (rotation(start) @ rotation(along)).matrix, atol=1e-9)


def test_no_step_between_equals() -> None:
    quaternion = quaternions.of_rotation(Rotation.identity())
    assert quaternions.step(quaternion, quaternion) == (0.0, 0.0, 0.0)
    assert quaternions.moved(quaternion, (0.0, 0.0, 0.0)) == quaternion
