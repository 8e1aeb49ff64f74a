"""`headwise run` from outside: what it writes, what it says about bad inputs, what Ctrl-C leaves behind."""

import csv
import io
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from headwise.cli import app, main
from headwise.cli._inputs import interrupts_held
from headwise.sinks import COLUMNS

av = pytest.importorskip("av")


@pytest.fixture
def models(tiny_pose_model: Path, tiny_detector_model: Path) -> list[str]:
    return ["--model", str(tiny_pose_model), "--detector", str(tiny_detector_model)]


def run(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["run", *map(str, arguments)], input=stdin)


def scene(x: int = 60) -> np.ndarray:
    image = np.zeros((120, 160, 3), np.uint8)
    image[40:80, x - 20 : x + 20] = 255
    return image


def write_picture(path: Path, x: int = 60) -> Path:
    assert cv2.imwrite(str(path), scene(x)[:, :, ::-1])
    return path


def write_video(path: Path, frames: int = 20) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for i in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(scene(40 + 3 * i), format="rgb24")))
        container.mux(stream.encode())
    return path


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_a_picture_to_csv(tmp_path: Path, models: list[str]) -> None:
    picture, out = write_picture(tmp_path / "one.png"), tmp_path / "out.csv"
    result = run(picture, "--out", out, *models)
    assert result.exit_code == 0, result.output
    (row,) = rows(out)
    assert list(row) == list(COLUMNS)
    assert row["source"] == str(picture)
    assert (row["frame"], row["time_s"], row["track"]) == ("0", "", "")
    assert float(row["left"]) == pytest.approx(40, abs=0.5)
    assert result.stdout == ""
    assert "1 input: 1 frame, 1 head in" in result.stderr


def test_a_video_has_times_and_one_track(tmp_path: Path, models: list[str]) -> None:
    video, out = write_video(tmp_path / "clip.mp4"), tmp_path / "out.csv"
    assert run(video, "--out", out, *models).exit_code == 0
    found = rows(out)
    assert [int(row["frame"]) for row in found] == list(range(20))
    assert [float(row["time_s"]) for row in found] == pytest.approx([i / 25 for i in range(20)])
    assert {row["track"] for row in found} == {"1"}
    middles = [(float(row["left"]) + float(row["right"])) / 2 for row in found]
    np.testing.assert_allclose(middles, [40 + 3 * i for i in range(20)], atol=2.5)


def test_max_fps_leaves_frames_out(tmp_path: Path, models: list[str]) -> None:
    video, out = write_video(tmp_path / "clip.mp4"), tmp_path / "out.csv"
    assert run(video, "--out", out, "--max-fps", 5, *models).exit_code == 0
    assert [int(row["frame"]) for row in rows(out)] == [0, 5, 10, 15]


def test_without_out_a_table_for_people(tmp_path: Path, models: list[str]) -> None:
    result = run(write_picture(tmp_path / "one.png"), *models)
    assert result.exit_code == 0
    assert "one.png" in result.stdout
    assert "yaw" in result.stdout


def test_the_order_of_angles_and_the_camera_are_options(tmp_path: Path, models: list[str]) -> None:
    picture, yaws = tmp_path / "one.png", []
    cv2.imwrite(str(picture), np.roll(scene(x=30), 30, axis=0))  # left and low: no angle is zero
    camera = tmp_path / "camera.json"
    camera.write_text('{"fx": 80, "fy": 80, "cx": 80, "cy": 60, "width": 160, "height": 120}')
    for options in ([], ["--order", "300w-lp"], ["--fov", 90], ["--intrinsics", camera]):
        out = tmp_path / "out.csv"
        assert run(picture, "--out", out, *options, *models).exit_code == 0
        yaws.append(float(rows(out)[0]["yaw_deg"]))
    assert yaws[2] == pytest.approx(yaws[3])  # 90 degrees over 160 pixels are a focal length of 80
    assert yaws[2] < yaws[0] - 5
    assert yaws[0] != yaws[1]


def test_a_list_on_standard_input(tmp_path: Path, models: list[str]) -> None:
    names = [str(write_picture(tmp_path / f"{i}.png")) for i in range(3)]
    out = tmp_path / "out.csv"
    assert run("-", "--out", out, *models, stdin="\n".join(names)).exit_code == 0
    assert [row["source"] for row in rows(out)] == names


def test_bad_inputs_are_named_and_cost_the_others_nothing(tmp_path: Path, models: list[str]) -> None:
    good, out = write_picture(tmp_path / "good.png"), tmp_path / "out.csv"
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:-40])
    (tmp_path / "cut.mp4").write_bytes(write_video(tmp_path / "clip.mp4").read_bytes()[:300])
    bad = [tmp_path / name for name in ("empty.jpg", "missing.jpg", "text.png", "cut.png", "cut.mp4")]
    result = run(*bad[:3], good, *bad[3:], "--out", out, *models)
    assert result.exit_code == 0
    assert [row["source"] for row in rows(out)] == [str(good)]
    told = result.stderr.splitlines()
    assert len(told) == len(bad) + 1
    for path, line in zip(bad, told, strict=False):
        assert line.startswith(f"headwise: {path}: ")
        assert len(line) > len(f"headwise: {path}: ") + 5
    assert told[-1].startswith("6 inputs, 5 failed: 1 frame, 1 head")


def test_nothing_done_is_exit_code_2(tmp_path: Path, models: list[str]) -> None:
    result = run(tmp_path / "missing.jpg", *models)
    assert result.exit_code == 2
    assert "missing.jpg" in result.stderr


def test_a_picture_without_a_head_is_something_done(tmp_path: Path, models: list[str]) -> None:
    cv2.imwrite(str(tmp_path / "dark.png"), np.zeros((50, 50, 3), np.uint8))
    out = tmp_path / "out.csv"
    assert run(tmp_path / "dark.png", "--out", out, *models).exit_code == 0
    assert rows(out) == []


def test_overlays_of_a_picture_and_a_video(tmp_path: Path, models: list[str]) -> None:
    picture, video = write_picture(tmp_path / "one.png"), write_video(tmp_path / "clip.mp4")
    result = run(picture, video, "--overlay", tmp_path / "drawn", "--out", tmp_path / "out.csv", *models)
    assert result.exit_code == 0
    assert result.stderr.count("\n") == 1
    drawn = cv2.imread(str(tmp_path / "drawn/one.png"))[:, :, ::-1]
    assert (drawn != scene()).any()
    with av.open(str(tmp_path / "drawn/clip.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 20


def test_an_overlay_that_cannot_be_written_costs_no_table(tmp_path: Path, models: list[str]) -> None:
    picture, out = write_picture(tmp_path / "one.png"), tmp_path / "out.csv"
    result = run(picture, "--overlay", picture, "--out", out, *models)
    assert result.exit_code == 0
    assert "would replace its own input" in result.stderr
    assert len(rows(out)) == 1


def test_a_camera_that_does_not_fit_one_picture_is_told_with_its_name(
    tmp_path: Path, models: list[str]
) -> None:
    camera, out = tmp_path / "camera.json", tmp_path / "out.csv"
    camera.write_text('{"fx": 80, "fy": 80, "cx": 80, "cy": 60, "width": 160, "height": 120}')
    large = tmp_path / "large.png"
    cv2.imwrite(str(large), np.zeros((480, 640, 3), np.uint8))
    good = write_picture(tmp_path / "one.png")
    result = run(large, good, "--intrinsics", camera, "--out", out, *models)
    assert result.exit_code == 0
    assert f"headwise: {large}: the camera is for pictures of 160x120" in result.stderr
    assert len(rows(out)) == 1


@pytest.mark.parametrize(
    "options",
    [
        ["--model", "nonsense"],
        ["--detector", "nonsense"],
        ["--out", "no/such/folder/out.csv"],
        ["--out", "out.xlsx"],
        ["--intrinsics=camera.json", "--fov", "60"],
        ["--intrinsics", "missing.json"],
        ["--fov", "200"],
        ["--max-fps", "0"],
        ["--threshold", "7"],
        ["--threads", "-3"],
    ],
)
def test_wrong_options_are_one_line_and_exit_code_2(
    tmp_path: Path,
    models: list[str],
    options: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    picture = str(write_picture(tmp_path / "one.png"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["headwise", "run", picture, *models, *options])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    told = capsys.readouterr().err
    first, *rest = told.splitlines()
    assert first.startswith("headwise: ")
    assert any(option in told for option in options)
    assert len(rest) <= 1  # the summary


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_kill_leave_valid_files(tmp_path: Path, models: list[str], stop: signal.Signals) -> None:
    video, out = write_video(tmp_path / "long.mp4", frames=60), tmp_path / "out.csv"
    with started("run", "-", "--out", out, *models) as running:
        assert running.stdin is not None
        running.stdin.write(f"{video}\n" * 20)  # the list stays open: what is through with it waits for more
        running.stdin.flush()
        wait_for(lambda: (out.exists() and out.stat().st_size > 2000) or running.poll() is not None)
        running.send_signal(stop)
        told = running.communicate(timeout=20)[1]
    assert running.returncode == 130, told
    assert "Traceback" not in told
    found = rows(out)
    assert len(found) > 5
    assert all(row["z_m"] is not None for row in found)
    assert out.read_text().endswith("\n")


def test_signals_wait_for_the_end_of_a_write_and_ignored_ones_stay_ignored() -> None:
    before = signal.getsignal(signal.SIGINT)
    done = []

    def interrupted_write() -> None:
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
            done.append("written")

    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with pytest.raises(KeyboardInterrupt):
            interrupted_write()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as of a job in the background
        interrupted_write()
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["written", "written"]


@contextmanager
def started(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """The program in a process of its own, which does not outlive the block whatever happens in it."""
    heeds_ctrl_c = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # jobs ignore it
    code = f"{heeds_ctrl_c}; from headwise.cli import main; main()"
    program = [sys.executable, "-c", code, *map(str, arguments)]
    running = subprocess.Popen(program, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.kill()
        running.communicate(timeout=20)


def wait_for(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
