"""`headwise bench` from the command line."""

import json
import sys

import cv2
import numpy as np
import pytest

from headwise.cli import main

KEYS = {"cpu", "threads", "detector_ms", "crop_ms", "pose_ms", "picture_fps", "video_fps"}


def test_bench_prints_and_writes_the_promised_keys(
    monkeypatch, capsys, tmp_path, tiny_pose_model, tiny_detector_model
) -> None:
    out = tmp_path / "bench.json"
    models = ["--model", str(tiny_pose_model), "--detector", str(tiny_detector_model)]
    small = tmp_path / "small.png"
    cv2.imwrite(str(small), np.zeros((60, 80, 3), np.uint8))
    material = ["--picture", str(small), "--repeats", "2", "--frames", "2"]
    monkeypatch.setattr(sys, "argv", ["headwise", "bench", *models, *material, "--json", str(out)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    report = json.loads(out.read_text())
    assert set(report) >= KEYS
    assert KEYS - {"cpu"} <= set(report["all_threads"])
    assert report["threads"] == 1
    assert all(report[key] > 0 for key in KEYS - {"cpu", "threads"})
    assert "one core" in capsys.readouterr().out
