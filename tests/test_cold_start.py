"""Importing the package costs next to nothing, and running a model needs no torch."""

import subprocess
import sys

IMPORT_SECONDS = 0.3

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
