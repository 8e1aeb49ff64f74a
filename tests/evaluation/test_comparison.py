"""Two models on the same items."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headwise.errors import SettingsError
from headwise.evaluation.comparison import comparison, names_of
from headwise.evaluation.outcome import Outcome
from headwise.evaluation.protocols import table
from headwise.evaluation.report import compared_as_markdown
from headwise.rotation import Rotation
from labelled_folders import tools, write_table

TRUTH = [(float(yaw), 5.0, -10.0) for yaw in range(-40, 45, 5)]


def answered(folder: Path, roll: float) -> Outcome:
    return table.create().run(folder, tools([(a, b, c + roll) for a, b, c in TRUTH]))


@pytest.fixture
def two(tmp_path: Path) -> dict[str, Outcome]:
    write_table(tmp_path, TRUTH)
    return {"good": answered(tmp_path, 3), "bad": answered(tmp_path, 6)}


def test_the_difference_is_first_minus_second(two) -> None:
    compared = comparison(two)
    assert compared["models"] == {name: outcome.report for name, outcome in two.items()}
    (difference,) = compared["differences"]
    assert (difference["first"], difference["second"], difference["items"]) == ("good", "bad", len(TRUTH))
    assert difference["geodesic"] == {"difference": -3, "low": -3, "high": -3}
    assert difference["mae"] == {"difference": -1, "low": -1, "high": -1}
    assert "| good - bad | 17 " in compared_as_markdown(compared)


def test_only_items_that_both_found_are_compared(two) -> None:
    poses = two["bad"].poses
    assert poses is not None
    kept = np.arange(3, len(TRUTH))
    errors = replace(
        poses.errors,
        difference_deg=poses.errors.difference_deg[kept],
        rotation_deg=poses.errors.rotation_deg[kept] + kept,  # item k is off by 6 + k
        found=Rotation(poses.errors.found.matrix[kept]),
    )
    fewer = replace(two["bad"], poses=replace(poses, errors=errors, index=kept))
    (difference,) = comparison({"good": two["good"], "bad": fewer})["differences"]
    assert difference["items"] == len(TRUTH) - 3
    assert difference["geodesic"]["difference"] == pytest.approx(-3 - kept.mean(), abs=1e-4)


def test_models_are_called_by_their_files() -> None:
    assert names_of(["pose", "runs/mine.onnx"]) == ("pose", "mine")
    assert names_of(["a/pose.onnx", "b/pose.onnx"]) == ("a/pose.onnx", "b/pose.onnx")
    with pytest.raises(SettingsError, match="must differ"):
        names_of(["pose", "pose"])
