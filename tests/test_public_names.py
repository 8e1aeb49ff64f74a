"""The names a user may rely on."""

import inspect

import pytest

import headwise


def test_the_public_names():
    assert headwise.__all__ == [
        "Box",
        "Camera",
        "EulerOrder",
        "Face",
        "FrameResult",
        "HeadPose",
        "HeadwiseError",
        "Pipeline",
        "Rotation",
        "open",
        "poses",
    ]


@pytest.mark.parametrize("name", headwise.__all__)
def test_every_public_name_exists_documented(name):
    value = getattr(headwise, name)
    assert inspect.getdoc(value)
    assert name in dir(headwise)


def test_other_names_do_not_exist():
    with pytest.raises(AttributeError, match="no attribute 'Posee'"):
        headwise.Posee  # noqa: B018 - looking is the point
