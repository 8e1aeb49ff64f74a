"""The program as a whole: its commands are the files of its folder, and its mistakes are one line."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import headwise
from headwise import cli, errors

FILES = Path(cli.__file__).parent.glob("[!_]*.py")
COMMANDS = sorted(file.stem.replace("_", "-") for file in FILES)


def test_every_file_is_a_command_and_explains_itself() -> None:
    overview = CliRunner().invoke(cli.app, ["--help"])
    assert overview.exit_code == 0
    for command in COMMANDS:
        assert command in overview.output
        told = CliRunner().invoke(cli.app, [command, "--help"])
        assert told.exit_code == 0, told.output


def test_the_version() -> None:
    assert CliRunner().invoke(cli.app, ["--version"]).output.strip() == headwise.__version__


def test_an_unknown_command_is_told() -> None:
    result = CliRunner().invoke(cli.app, ["rum"])
    assert result.exit_code == 2
    assert "rum" in result.output


def test_our_errors_are_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(**_: object) -> None:
        raise errors.ModelError("no model 'x'")

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert capsys.readouterr().err == "headwise: no model 'x'\n"


def test_an_extra_that_is_not_installed_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(**_: object) -> None:
        raise ModuleNotFoundError("No module named 'moderngl'", name="moderngl.mgl")

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert capsys.readouterr().err.endswith("not installed: pip install 'headwise[synth]'\n")


@pytest.mark.parametrize("bug", [ZeroDivisionError(), ModuleNotFoundError(name="headwise.gone")])
def test_our_bugs_keep_their_traceback(monkeypatch: pytest.MonkeyPatch, bug: Exception) -> None:
    def fails(**_: object) -> None:
        raise bug

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(type(bug)):
        cli.main()


def test_the_commands_cost_nothing_until_called() -> None:
    code = (
        "import sys, headwise.cli; "
        "print(sorted({'torch', 'cv2', 'onnxruntime', 'av', 'rich.progress'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
