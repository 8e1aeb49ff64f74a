"""A folder is a registry: each file in it is one plug-in with a function `create(...)`.

Names are file names and are listed without importing anything. Loading a plug-in imports its file alone, so
a broken or uninstalled dependency hides one plug-in only.
"""

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from headwise.errors import MissingExtra, SettingsError

EXTRA_OF_MODULE = {
    "cuda": "tensorrt",
    "jinja2": "report",
    "lightning_fabric": "train",
    "matplotlib": "report",
    "moderngl": "synth",
    "ncnn": "ncnn",
    "nncf": "nncf",
    "onnx": "deploy",
    "onnxscript": "train",
    "openvino": "openvino",
    "PIL": "synth",
    "pnnx": "ncnn",
    "pyarrow": "table",
    "scipy": "data",
    "tensorboardX": "train",
    "tensorrt": "tensorrt",
    "timm": "timm",
    "torch": "train",
    "torch_pruning": "prune",
    "trimesh": "fit",
    "tvm": "tvm",
}
"""Optional packages by the name they are imported under, and the extra that installs each."""


def names(folder: str) -> tuple[str, ...]:
    """Plug-ins of a folder such as "detectors" or "training.backbones", sorted; nothing is imported."""
    path = Path(__file__).parent.joinpath(*folder.split("."))
    if not path.is_dir():
        raise SettingsError(f"no plug-in folder {folder!r} in headwise")
    return tuple(sorted(file.stem for file in path.glob("*.py") if not file.stem.startswith("_")))


def load(folder: str, name: str, /, **options: Any) -> Any:
    """What `create(**options)` of the plug-in returns.

    Raises SettingsError for an unknown name or option, MissingExtra for an uninstalled package.
    """
    create = find(folder, name)
    try:
        inspect.signature(create).bind(**options)
    except TypeError as wrong:
        signature = inspect.signature(create)
        raise SettingsError(f"{folder}/{name}: {wrong}; the options are {name}{signature}") from None
    return create(**options)


def find(folder: str, name: str) -> Callable[..., Any]:
    """The `create` function of one plug-in, imported but not called."""
    known = names(folder)
    if name not in known:
        raise SettingsError(unknown_name(f"{folder} plug-in", name, known))
    create: Callable[..., Any] = import_optional(f"headwise.{folder}.{name}").create
    return create


def import_optional(module: str) -> ModuleType:
    """Import a module that may need an extra; MissingExtra names the extra that is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        told = missing_extra(module, missing)
        if told is None:
            raise
        raise told from missing


def missing_extra(what: str, missing: ModuleNotFoundError) -> MissingExtra | None:
    """The error that names the extra; None when the missing module belongs to none: that is a bug."""
    package = (missing.name or "").partition(".")[0]
    if package not in EXTRA_OF_MODULE:
        return None
    extra = EXTRA_OF_MODULE[package]
    return MissingExtra(f"{what} needs {package}, which is not installed: pip install 'headwise[{extra}]'")


def unknown_name(kind: str, name: str, known: tuple[str, ...]) -> str:
    """The message for a wrong name: what came, the nearest right one, the whole list."""
    nearest = get_close_matches(name, known, n=1)
    guess = f"did you mean {nearest[0]!r}? " if nearest else ""
    return f"no {kind} {name!r}; {guess}there are: {', '.join(known) or 'none'}"
