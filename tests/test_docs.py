"""README and docs say what is true: their code runs, their commands parse, their links and lists hold."""

import dataclasses
import re
import shlex
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer

from headwise import cli, pipeline, plugins, weights
from headwise.evaluation import bench, product
from headwise.evaluation.comparison import comparison
from headwise.evaluation.protocols import points5
from headwise.sinks import COLUMNS
from labelled_folders import HEADER, write_csv

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
BLOB = (24, 24, 56, 56)


def blocks(language: str) -> list[Any]:
    found = []
    for page in PAGES:
        texts = [text for kind, text in FENCE.findall(page.read_text(encoding="utf-8")) if kind == language]
        found += [pytest.param(text, id=f"{page.name}-{number}") for number, text in enumerate(texts)]
    return found


def command_lines() -> list[Any]:
    """Every `headwise ...` in the shell blocks, without comments and pipes, as (page and line, words)."""
    found = []
    for block in blocks("sh"):
        for line in block.values[0].splitlines():
            for part in re.split(r"&&|\|", line):
                words = shlex.split(part, comments=True)
                if words[:1] == ["headwise"]:
                    found.append(pytest.param(words[1:], id=f"{block.id}: {' '.join(words)[:60]}"))
    return found


def named_in_first_column(page: Path, heading: str) -> list[str]:
    """Names in backticks in the first column of the table whose first column has that heading."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    names: list[str] = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        names += re.findall(r"`([^`]+)`", line.split("|")[1])
    return names


def keys_of(page: Path, section: str) -> set[str]:
    """What a section of a page puts in backticks."""
    text = page.read_text(encoding="utf-8")
    return set(re.findall(r"`(\w+)`", text.split(f"\n## {section}", 1)[1].split("\n## ", 1)[0]))


@pytest.fixture
def weights_or_tiny_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_pose_model: Path, tiny_detector_model: Path
) -> None:
    """Where the package holds no weights yet, the tiny networks under their names."""
    if {"pose", "detector"} <= set(weights.names()):
        return
    for name, path in (("pose", tiny_pose_model), ("detector", tiny_detector_model)):
        (tmp_path / f"{name}.onnx").write_bytes(path.read_bytes())
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    pipeline._kept_open.cache_clear()
    monkeypatch.setattr(weights, "MANIFEST", tmp_path / "none")


@pytest.mark.usefixtures("weights_or_tiny_ones")
@pytest.mark.parametrize("code", blocks("python"))
def test_python_blocks_run(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    try:
        exec(compile(code, "documentation", "exec"), {"__name__": "documentation"})
    finally:
        pipeline._kept_open.cache_clear()


@pytest.mark.parametrize("words", command_lines())
def test_commands_parse(words: list[str]) -> None:
    command(words[0]).make_context(words[0], words[1:])


def test_the_two_commands_of_the_readme_are_there() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    assert "\npip install . && headwise run examples/family.jpg\n./test\n" in text
    assert (ROOT / "examples/family.jpg").is_file()
    assert (ROOT / "test").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_can_be_found_from_the_readme(page: Path) -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    assert page == PAGES[0] or f"(docs/{page.name})" in text


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs/run.md"], ids=lambda page: page.name)
def test_the_columns_are_those_of_the_sinks(page: Path) -> None:
    assert named_in_first_column(page, "column") == list(COLUMNS)


def test_every_option_of_run_is_documented() -> None:
    named = named_in_first_column(ROOT / "docs/run.md", "option")
    options = {name for parameter in command("run").params for name in long_names(parameter)}
    assert set(named) == options - {"--help"}


def test_every_extra_that_is_mentioned_exists() -> None:
    for page in PAGES:
        for extra in re.findall(r"headwise\[(\w+)\]", page.read_text(encoding="utf-8")):
            assert extra in plugins.EXTRA_OF_MODULE.values(), f"{page.name} names {extra}"


def test_the_tree_names_every_module() -> None:
    tree = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").split("## The tree")[1].split("## ")[0]
    for path in (ROOT / "src/headwise").iterdir():
        if path.suffix == ".py" or (path.is_dir() and path.name != "__pycache__"):
            assert re.search(rf"\b{path.name}", tree), f"{path.name} is not in the tree of architecture.md"


def test_the_keys_of_the_benchmarks_are_documented(
    tmp_path: Path, tiny_pose_model: Path, tiny_detector_model: Path
) -> None:
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[BLOB[1] : BLOB[3], BLOB[0] : BLOB[2]] = 255
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    page, models = ROOT / "docs/evaluate.md", {"model": tiny_pose_model, "detector": tiny_detector_model}
    write_csv(tmp_path, HEADER, [("a.png", 20, 0, 0, *BLOB)])
    table = product.run(plugins.load("evaluation.protocols", "table", perturb=True), tmp_path, **models)
    assert set(table.report) <= keys_of(page, "table")
    write_csv(tmp_path, points5.COLUMNS, [("a.png", 30, 30, 50, 30, 40, 40, 32, 50, 48, 50, 1)])
    found = product.run(plugins.load("evaluation.protocols", "points5"), tmp_path, **models)
    assert set(found.report) <= keys_of(page, "points5")
    pair = comparison({"one": table, "other": table})
    assert {*pair, *pair["differences"][0], "low", "high"} <= keys_of(page, "Several models")
    assert {field.name for field in dataclasses.fields(bench.Speed)} <= keys_of(page, "bench")


def command(name: str) -> Any:
    """The command as typer parses it."""
    group: Any = typer.main.get_command(cli.app)
    found = group.get_command(None, name)
    assert found is not None, f"there is no command {name}"
    return found


def long_names(parameter: Any) -> list[str]:
    return [name for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("--")]
