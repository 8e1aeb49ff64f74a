"""Imports point down only."""

import ast
from pathlib import Path

LAYERS = (
    "cli server scale",
    "applications training evaluation deployment synthesis",
    "annotations",
    "pipeline following overlays estimator fitting",
    "detectors runtimes trackers sources sinks weights smoothing thinning"
    " pictures picture_header video_header drawing calibration",
    "results crops model_card",
    "rotation quaternions boxes camera lens warp",
    "conventions errors plugins native_noise",
)
HEIGHT = {name: -row for row, names in enumerate(LAYERS) for name in names.split()}
ROOT = Path(__file__).parents[1] / "src/headwise"
STRANGERS = {"training", "evaluation", "synthesis"}


def test_imports_point_down():
    for path in ROOT.rglob("*.py"):
        here = path.relative_to(ROOT).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for there in imported(node) if here != "__init__" else ():
                assert HEIGHT[there] <= HEIGHT[here], f"{path} imports {there}, which is above it"
                assert here == there or not {here, there} <= STRANGERS, f"{path} knows {there}"


def imported(node):
    modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    if isinstance(node, ast.ImportFrom):
        modules = (
            [f"headwise.{a.name}" for a in node.names] if node.module == "headwise" else [node.module or ""]
        )
    return [module.split(".")[1] for module in modules if module.startswith("headwise.")]
