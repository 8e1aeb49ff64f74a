"""Everything headwise raises on purpose.

    HeadwiseError            catch this one
    ├── InputError           a picture, video, camera or stream cannot be read
    ├── OutputError          a result cannot be written
    ├── ModelError           a model file or its card is missing or is not what it says
    ├── SettingsError        an option, a TOML key or a plug-in's name is wrong
    ├── GeometryError
    │   ├── BoxError
    │   ├── CameraError
    │   └── RotationError
    └── MissingExtra         a part needs a package that is not installed

A message is one line: what was wrong, what came, what is allowed, what to do next.
"""


class HeadwiseError(Exception):
    """The root of the tree. The command line turns it into one line and exit code 2."""


class InputError(HeadwiseError):
    """A picture, video, camera or stream cannot be read."""


class OutputError(HeadwiseError):
    """A result cannot be written."""


class ModelError(HeadwiseError):
    """A model file or its card is missing or is not what it says."""


class SettingsError(HeadwiseError):
    """An option, a TOML key or a plug-in's name is wrong."""


class GeometryError(HeadwiseError):
    """Numbers that describe no box, no camera or no rotation."""


class BoxError(GeometryError):
    """Four numbers that are no box."""


class CameraError(GeometryError):
    """Numbers that are no camera."""


class RotationError(GeometryError):
    """Numbers that are no rotation."""


class MissingExtra(HeadwiseError):  # noqa: N818 - reads as what it is: an extra is missing
    """A part needs a package that is not installed; the message names the extra that brings it."""
