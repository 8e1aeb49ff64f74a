"""Learning a shape model: same seed, same file; modes are what the samples did."""

import numpy as np
import pytest

pytest.importorskip("scipy", reason="synthesis needs the extra 'synth'")

from headwise.annotations.rendered import art_head_from_head
from headwise.conventions import FLIP_68
from headwise.fitting.shape_model import load_shape_model, save_shape_model
from headwise.rotation import Rotation
from headwise.synthesis import shape_model
from headwise.synthesis.shape_model import Moments, average_expression, build_shape_model, sample_person


def build(art, path, people):
    counts = []
    save_shape_model(build_shape_model(art, people=people, progress=counts.append), path)
    assert sum(counts) == people
    return path.read_bytes()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_file(art, tmp_path, monkeypatch):
    monkeypatch.setattr(shape_model, "MEAN_OF", 10)
    assert build(art, tmp_path / "a.npz", 40) == build(art, tmp_path / "b.npz", 40)
    assert load_shape_model(tmp_path / "a.npz").identity_count == 50


def test_people_stand_in_their_own_head_frame(art):
    average = average_expression(np.random.default_rng(0))
    person = sample_person(art, average, np.random.default_rng(1))
    for skin in (person.average_m, person.expressed_m):
        turned = art_head_from_head(skin[None, art.landmarks])
        assert turned.angle_to_deg(Rotation.identity())[0] < 1e-6
    moved = np.linalg.norm(person.average_m - person.expressed_m, axis=1)
    assert 0.0005 < moved[art.landmarks].max() < 0.05


def test_the_average_expression_is_the_mean_of_many():
    found = average_expression(np.random.default_rng(0))
    assert 0 < found["mouth-corner-puller"] < 0.6
    assert list(found) == sorted(found)


def test_modes_and_mean_are_those_the_samples_were_made_with():
    """One symmetric and one antisymmetric way to move, of known size, are found again, mirrored too."""
    rng = np.random.default_rng(0)
    mirror = np.concatenate([FLIP_68, 68 + np.arange(10)[::-1]])
    signs = np.array([-1, 1, 1])

    def halves(values, sign):
        return (values + sign * (values * signs)[mirror]) / 2

    mean, even = halves(rng.normal(size=(78, 3)), 1), halves(rng.normal(size=(78, 3)), 1)
    odd = halves(rng.normal(size=(78, 3)), -1)
    moments = Moments(mirror, np.ones(78))
    amounts = rng.normal(size=(400, 2))
    for one, other in amounts:
        moments.add(mean + 0.3 * one * even + 0.1 * other * odd)
    found, modes = moments.modes(2)
    np.testing.assert_allclose(found, mean + 0.3 * amounts[:, 0].mean() * even, atol=1e-5)
    for mode, true in zip(modes, (0.3 * even, 0.1 * odd), strict=True):
        sign = np.sign((mode * true).sum())
        np.testing.assert_allclose(sign * mode, true, atol=0.1 * np.abs(true).max())
    assert np.abs(modes[0]).max() == modes[0].max(), "the sign of a mode is settled"
