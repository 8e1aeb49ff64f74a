"""The people drawn have plausible proportions; needs the art."""

import numpy as np
import pytest

pytest.importorskip("scipy", reason="synthesis needs the extra 'synth'")

from headwise.synthesis.identity import sample_identity, shape_of

PEOPLE = 60


@pytest.fixture(scope="module")
def points_mm(art) -> np.ndarray:
    people = []
    for seed in range(PEOPLE):
        rng = np.random.default_rng(seed)
        people.append(shape_of(sample_identity(rng), art, rng)[art.landmarks] * 100)
    return np.stack(people)


# About what adults measure; the art's own average nose and mouth are narrower. Children pull them down.
@pytest.mark.parametrize(
    "ends, low_mm, high_mm",
    [((27, 33), 47, 53), ((1, 15), 133, 144), ((31, 35), 33, 38), ((48, 54), 47, 53)],
    ids=["nose length", "face width", "nose width", "mouth width"],
)
def test_mean_lengths_are_plausible(points_mm, ends, low_mm, high_mm):
    a, b = ends
    lengths_mm = np.linalg.norm(points_mm[:, a] - points_mm[:, b], axis=1)
    assert low_mm < lengths_mm.mean() < high_mm
    assert 0.04 < lengths_mm.std() / lengths_mm.mean() < 0.16
