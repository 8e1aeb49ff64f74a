"""Importing the package costs next to nothing, a first run little, and running a model needs no torch."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

IMPORT_SECONDS = 0.3
FIRST_RUN_SECONDS = 2.0  # of processor time: what a machine with nothing else to do takes

MEASURE = """
import sys, time
started = time.perf_counter()
import headwise
print(time.perf_counter() - started)
print(" ".join(sys.modules))
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_is_quick_and_pulls_nothing_heavy():
    seconds, modules = min((run(MEASURE).splitlines() for _ in range(3)), key=lambda lines: float(lines[0]))
    assert float(seconds) < IMPORT_SECONDS
    heavy = {"torch", "cv2", "onnxruntime", "onnx", "av", "pydantic", "scipy", "numpy"}
    assert not heavy & set(modules.split())


def test_the_values_need_numpy_only():
    values = "Box, Camera, EulerOrder, Face, FrameResult, HeadPose, HeadwiseError, Rotation"
    modules = run(f"import sys\nfrom headwise import {values}\nprint(*sys.modules)").split()
    assert "numpy" in modules
    assert not {"torch", "cv2", "onnxruntime", "onnx", "av", "pydantic", "scipy"} & set(modules)


def test_the_pipeline_needs_no_torch():
    modules = run("import sys\nfrom headwise import Pipeline\nprint(*sys.modules)").split()
    assert not {"torch", "onnx", "scipy", "lightning_fabric"} & set(modules)


def test_a_first_run_on_a_picture_is_quick_and_loads_what_it_needs(
    tmp_path, tiny_pose_model, tiny_detector_model
):
    resource = pytest.importorskip("resource")
    picture = tmp_path / "one.png"
    cv2.imwrite(str(picture), np.zeros((480, 640, 3), np.uint8))
    arguments = ["run", picture, "--model", tiny_pose_model, "--detector", tiny_detector_model]
    code = f"""
import sys
from headwise.cli import main
sys.argv = {["headwise", *map(str, arguments)]!r}
try:
    main()
finally:
    print(*sys.modules)
"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    modules = run(code).splitlines()[-1].split()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < FIRST_RUN_SECONDS
    assert "headwise.pipeline" in modules
    assert not {"torch", "onnx", "av", "pyarrow", "scipy", "PIL"} & set(modules)
