import numpy as np
import pytest

from headwise.conventions import ART_HEAD_FROM_HEAD, FLIP_68
from headwise.errors import InputError
from headwise.synthesis.mean_head import mean_points68


def test_the_mean_head_is_symmetric_and_stands_in_the_head_frame(tmp_path):
    rng = np.random.default_rng(0)
    points = rng.normal(0, 0.05, (68, 3))
    shape = (points + (points * [-1, 1, 1])[FLIP_68]) / 2
    heads = shape @ ART_HEAD_FROM_HEAD.T + rng.normal(0, 0.001, (400, 68, 3))
    np.savez(tmp_path / "shard-00000.npz", points68_m=heads[:300].astype(np.float32))
    np.savez(tmp_path / "shard-00001.npz", points68_m=heads[300:].astype(np.float32))
    mean = mean_points68(tmp_path)
    np.testing.assert_allclose(mean, shape, atol=5e-4)
    np.testing.assert_allclose((mean * [-1, 1, 1])[FLIP_68], mean, atol=1e-12)


def test_a_folder_without_crops_is_an_error(tmp_path):
    with pytest.raises(InputError, match="headwise synthesize crops"):
        mean_points68(tmp_path)
