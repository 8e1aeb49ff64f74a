import numpy as np
import pytest

pytest.importorskip("scipy", reason="synthesis needs the extra 'synth'")

from headwise.synthesis.light import DIRECTIONS, SOLID_ANGLES, analyse, harmonic_basis


def test_the_sphere_has_four_pi():
    assert SOLID_ANGLES.sum() == pytest.approx(4 * np.pi, rel=1e-3)


def test_uniform_light_gives_the_same_irradiance_everywhere():
    light = analyse(np.ones((64, 128, 3), np.float32))
    normals = np.random.default_rng(0).normal(size=(50, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    irradiance = harmonic_basis(normals) @ light.harmonics
    np.testing.assert_allclose(irradiance, 1, atol=0.02)  # irradiance over pi: radiosity of a white body
    np.testing.assert_allclose(light.colour, 0, atol=1e-3)


@pytest.mark.parametrize("row, column, axis", [(5, 32, (0, 1, 0)), (32, 64, (0, 0, -1)), (32, 96, (1, 0, 0))])
def test_the_key_light_is_found_where_the_sun_stands(row, column, axis):
    environment = np.full((64, 128, 3), 0.2, np.float32)
    environment[row - 2 : row + 3, column - 3 : column + 4] = (300, 200, 100)
    light = analyse(environment)
    assert light.direction @ np.array(axis) > 0.9
    assert light.colour[0] > light.colour[1] > light.colour[2] > 0


def test_directions_are_unit_vectors():
    np.testing.assert_allclose(np.linalg.norm(DIRECTIONS, axis=1), 1)
