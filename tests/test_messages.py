"""Error texts: one line, what came, what is allowed, what to do."""

import inspect

import numpy as np
import pytest

from headwise import errors
from headwise.boxes import Box
from headwise.camera import Camera
from headwise.crops import CropRule
from headwise.rotation import Rotation


def test_every_error_is_a_headwise_error_in_the_drawn_tree():
    classes = [value for _, value in inspect.getmembers(errors, inspect.isclass)]
    assert all(issubclass(value, errors.HeadwiseError) for value in classes)
    assert all(value.__name__ in (errors.__doc__ or "") for value in classes)
    assert {value.__name__ for value in errors.GeometryError.__subclasses__()} == {
        "BoxError",
        "CameraError",
        "RotationError",
    }


@pytest.mark.parametrize(
    "make, parts",
    [
        (lambda: Box(10, 0, 5, 5), ["right > left", "left=10", "right=5", "(left, top, right, bottom)"]),
        (lambda: Rotation(2 * np.eye(3)), ["orthonormal", "error of 3", "Rotation.project"]),
        (lambda: Camera(0, 1, 2, 3, 4, 5), ["fx > 0", "fx=0", "pixels"]),
        (lambda: Camera.from_fov(10, 10, 200), ["between 0 and 180", "200"]),
        (lambda: CropRule(0, 0), ["above 0", "got 0 and 0"]),
    ],
)
def test_messages_say_what_came_and_what_is_allowed(make, parts):
    with pytest.raises(errors.HeadwiseError) as caught:
        make()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
