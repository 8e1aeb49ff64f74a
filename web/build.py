"""Puts the page, onnxruntime-web and the package's models into web/dist: `python -m web.build`."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headwise import estimator, results, rotation, warp, weights
from headwise.conventions import DEFAULT_FOV_DEG
from headwise.detectors import headwise as detector
from headwise.errors import HeadwiseError
from headwise.model_card import ModelCard, read_card

FOLDER = Path(__file__).parent
DIST = FOLDER / "dist"
PACKAGE = FOLDER / "node_modules/onnxruntime-web"
ENGINE = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")  # WebAssembly alone: no WebGL, no WebGPU
PAGE = ("*.html", "*.js")
MODELS: Mapping[str, str | Path] = {"detector": "detector", "pose": "pose"}
"""Kind of network -> a name of the package or an ONNX file."""
UNREACHABLE = re.compile(
    r"code (E[45]\d\d|EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|ETIMEDOUT|"
    r"ERR_SOCKET_TIMEOUT)"
)
"""npm's codes for a package that could not be had, unlike those for one that is not what it should be."""


class FetchError(HeadwiseError):
    """onnxruntime-web is not here and cannot be had: no npm, or no network."""


def build(dist: Path = DIST, models: Mapping[str, str | Path] = MODELS) -> Path:
    """The folder of the page, made anew, with these models. Raises HeadwiseError; FetchError: see there."""
    fetch()
    shutil.rmtree(dist, ignore_errors=True)
    (dist / "onnxruntime").mkdir(parents=True)
    for name in ENGINE:
        shutil.copy(PACKAGE / "dist" / name, dist / "onnxruntime")
    for pattern in PAGE:
        for path in FOLDER.glob(pattern):
            shutil.copy(path, dist)
    files = {kind: weights.find(model) for kind, model in models.items()}
    for path in files.values():
        shutil.copy(path, dist)
    (dist / "models.json").write_text(json.dumps(facts(files), indent=1), encoding="utf-8")
    return dist


def fetch() -> None:
    """onnxruntime-web in the version that package.json names, checked against the lock's hashes."""
    if installed_version() == wanted_version():
        return
    if shutil.which("npm") is None:
        raise FetchError("the browser's engine comes from npm, which is not here: install Node.js")
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    ended = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    if ended.returncode == 0:
        return
    reason = " ".join(ended.stderr.split())[:300]
    kind = FetchError if UNREACHABLE.search(ended.stderr) else HeadwiseError
    raise kind(f"npm cannot install onnxruntime-web {wanted_version()}: {reason}")


def wanted_version() -> str:
    """The one that package.json pins."""
    package = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    return str(package["dependencies"]["onnxruntime-web"])


def installed_version() -> str | None:
    """The one in node_modules; None without one."""
    path = PACKAGE / "package.json"
    return str(json.loads(path.read_text(encoding="utf-8"))["version"]) if path.is_file() else None


def facts(files: Mapping[str, Path]) -> dict[str, Any]:
    """What the page must know of models and rules: onnxruntime-web does not show a model's metadata."""
    return {
        "schema": results.SCHEMA,
        **{kind: {"file": path.name, **_promises(read_card(path))} for kind, path in files.items()},
        "rules": _rules(),
    }


def _promises(card: ModelCard) -> dict[str, Any]:
    crop = card.crop and {"scale": card.crop.scale, "size_px": card.crop.size_px}
    threshold = card.settings.get("threshold", 0.5) if card.kind == "detector" else None
    return {
        "name": card.name,
        "version": card.version,
        "licence": card.licence,
        "crop": crop,
        "threshold": threshold,
    }


def _rules() -> dict[str, Any]:
    """The numbers of the Python pipeline, so that the page holds no second copy of them."""
    options = inspect.signature(detector.create).parameters
    return {
        "fov_deg": DEFAULT_FOV_DEG,
        "size_px": options["size_px"].default,
        "iou": options["iou"].default,
        "stride_px": detector.STRIDE_PX,
        "smallest_box_px": detector.SMALLEST_BOX_PX,
        "batch": estimator.BATCH,
        "same_box_iou": estimator.SAME_BOX_IOU,
        "same_head_iou": estimator.SAME_HEAD_IOU,
        "second_look_scale": estimator.SECOND_LOOK_SCALE,
        "sharp_scale": warp.SHARP_SCALE,
        "singularity": rotation.SINGULARITY,
    }


def main() -> int:
    """0, or 2 after one line on stderr."""
    try:
        dist = build()
    except HeadwiseError as wrong:
        print(wrong, file=sys.stderr)
        return 2
    print(f"{dist}: serve this folder over HTTP and open index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
