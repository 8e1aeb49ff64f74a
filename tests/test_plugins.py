"""Every file of every plug-in folder has the same shape; wrong names and options are answered well."""

import ast
import importlib
import inspect
import sys
import tomllib
from pathlib import Path

import pytest

import headwise
from headwise import plugins
from headwise.errors import MissingExtra, SettingsError

FOLDERS = (
    "detectors",
    "runtimes",
    "trackers",
    "sources",
    "sinks",
    "training.datasets",
    "training.augmentations",
    "training.backbones",
    "training.heads",
    "training.losses",
    "training.tasks",
    "evaluation.protocols",
)
ROOT = Path(plugins.__file__).parent
EVERY_PLUGIN = [
    (folder, name)
    for folder in FOLDERS
    if ROOT.joinpath(*folder.split(".")).is_dir()
    for name in plugins.names(folder)
]


@pytest.mark.parametrize("folder, name", EVERY_PLUGIN)
def test_every_plugin_is_documented_and_has_a_documented_create(folder, name):
    tree = ast.parse(ROOT.joinpath(*folder.split("."), f"{name}.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the file says what the plug-in is"
    creates = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == "create"]
    assert len(creates) == 1
    assert ast.get_docstring(creates[0])


@pytest.mark.parametrize("folder, name", EVERY_PLUGIN)
def test_every_plugin_imports_or_names_its_extra(folder, name):
    try:
        create = plugins.find(folder, name)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    assert create.__module__ == f"headwise.{folder}.{name}", "a plug-in is its own file"
    for parameter in inspect.signature(create).parameters.values():
        assert parameter.annotation is not parameter.empty


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A plug-in folder of the test's own beside the package's."""
    (tmp_path / "hats").mkdir()
    (tmp_path / "hats/__init__.py").touch()
    monkeypatch.setattr(plugins, "__file__", str(tmp_path / "plugins.py"))
    monkeypatch.setattr(headwise, "__path__", [*headwise.__path__, str(tmp_path)])
    importlib.invalidate_caches()

    def write(name, text):
        (tmp_path / f"hats/{name}.py").write_text(text)
        importlib.invalidate_caches()
        return "hats"

    yield write
    for module in [name for name in sys.modules if name.startswith("headwise.hats")]:
        del sys.modules[module]


def test_names_are_file_names_and_import_nothing(folder):
    folder("_hidden", "")
    folder("bowler", "raise RuntimeError('imported')")
    assert plugins.names(folder("beret", "1 / 0")) == ("beret", "bowler")


def test_options_reach_create(folder):
    hats = folder("fez", "def create(*, tassel: int = 1): return tassel")
    assert plugins.load(hats, "fez", tassel=3) == 3
    assert plugins.load(hats, "fez") == 1


def test_a_wrong_name_gets_the_nearest_and_the_list(folder):
    folder("trilby", "")
    hats = folder("stetson", "")
    with pytest.raises(
        SettingsError, match=r"'stetsen'; did you mean 'stetson'\? there are: stetson, trilby"
    ):
        plugins.load(hats, "stetsen")


def test_a_wrong_option_gets_the_signature(folder):
    hats = folder("cap", "def create(*, peak_cm: float = 7): ...")
    with pytest.raises(SettingsError, match=r"'peak'; the options are cap\(\*, peak_cm: float = 7\)"):
        plugins.load(hats, "cap", peak=3)


def test_a_missing_package_names_its_extra(folder, monkeypatch):
    monkeypatch.setitem(plugins.EXTRA_OF_MODULE, "felt_making", "wool")
    hats = folder("fedora", "import felt_making.brims")
    with pytest.raises(
        MissingExtra, match=r"felt_making, which is not installed: pip install 'headwise\[wool\]'"
    ):
        plugins.load(hats, "fedora")


def test_a_broken_plugin_keeps_its_own_error(folder):
    hats = folder("bonnet", "import nothing_of_this_name")
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        plugins.load(hats, "bonnet")


def test_an_unknown_folder():
    with pytest.raises(SettingsError, match="no plug-in folder 'hats'"):
        plugins.names("hats")


def test_every_extra_that_is_named_can_be_installed():
    project = tomllib.loads((ROOT.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(plugins.EXTRA_OF_MODULE.values()) == set(project["optional-dependencies"]) - {"dev"}
