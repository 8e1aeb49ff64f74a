"""The table protocol on folders whose errors are known by construction."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwise import plugins
from headwise.conventions import EulerOrder
from headwise.errors import InputError, SettingsError
from headwise.evaluation.pose_errors import mae_with_missed, pose_errors
from headwise.evaluation.pose_scoring import BATCH_ITEMS
from headwise.evaluation.protocols import table
from headwise.evaluation.report import as_markdown
from headwise.rotation import Rotation
from labelled_folders import BOX, HEADER, detections, tools, write_csv, write_picture, write_table

TRUTH = [(0.0, 0.0, 0.0), (20.0, 10.0, -5.0), (-50.0, -10.0, 30.0), (75.0, 5.0, 0.0)]
KEYS = {
    "protocol", "list", "list_sha256", "labels_sha256", "order", "boxes", "listed", "excluded", "items",
    "missed", "unreadable", "mae", "bias", "geodesic", "facing", "maev", "interval95",
    "by_yaw", "by_pitch", "by_roll", "mean_rotation_offset", "aligned", "calibration", "mae_with_missed",
}  # fmt: skip


def shifted(angles, yaw=0.0, pitch=0.0, roll=0.0):
    return [(a + yaw, b + pitch, (c or 0.0) + roll) for a, b, c in angles]


def run(folder: Path, answers, detect=None, order=EulerOrder.LP300W, **options):
    return table.create(**options).run(folder, tools(answers, detect=detect, order=order)).report


def test_known_errors_give_exactly_their_mae_and_bias(tmp_path: Path) -> None:
    report = run(write_table(tmp_path, TRUTH), shifted(TRUTH, yaw=3, pitch=-2, roll=1))
    assert report["mae"] == {"yaw": 3, "pitch": 2, "roll": 1, "mean": 2}
    assert report["bias"] == {"yaw": 3, "pitch": -2, "roll": 1}
    assert (report["items"], report["missed"], report["excluded"]) == (4, 0, 0)


def test_right_answers_cost_nothing(tmp_path: Path) -> None:
    report = run(write_table(tmp_path, TRUTH), TRUTH)
    assert report["mae"]["mean"] == report["geodesic"]["p95"] == report["maev"] == 0
    assert report["mae_with_missed"] == report["mae"]


def test_report_has_the_promised_keys_and_is_strict_json(tmp_path: Path) -> None:
    report = run(write_table(tmp_path, [*TRUTH, (5.0, 5.0, None)]), shifted([*TRUTH, (5.0, 5.0, 0.0)], yaw=1))
    assert set(report) == KEYS
    assert set(report["mae"]) == {"yaw", "pitch", "roll", "mean"}
    assert set(report["geodesic"]) == {"mean", "median", "p95"}
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert "MAE" in as_markdown(report)


def test_geodesic_of_a_pure_roll_error_is_that_error(tmp_path: Path) -> None:
    report = run(write_table(tmp_path, TRUTH), shifted(TRUTH, roll=9))
    assert report["geodesic"] == {"mean": 9, "median": 9, "p95": 9}
    assert report["facing"]["mean"] == 0
    assert report["maev"] == 6  # two of three columns turn


def test_a_constant_turn_of_the_head_frame_is_measured_and_taken_out(tmp_path: Path) -> None:
    report = run(
        write_table(tmp_path, [(0, -10, 0), (0, 0, 0), (0, 20, 0)]), [(0, -4, 0), (0, 6, 0), (0, 26, 0)]
    )
    assert report["mean_rotation_offset"] == [-6, 0, 0]  # pitch + looks up, which is - about the head's x
    assert report["geodesic"]["mean"] == 6
    assert report["aligned"]["geodesic"]["mean"] == 0


def test_list_hash_is_that_of_the_file_names(tmp_path: Path) -> None:
    report = run(write_table(tmp_path, TRUTH[:2]), TRUTH[:2])
    assert report["list_sha256"] == hashlib.sha256(b"000.png\n001.png\n").hexdigest()
    assert report["labels_sha256"] == hashlib.sha256((tmp_path / "labels.csv").read_bytes()).hexdigest()


def test_angles_beyond_99_are_excluded_and_counted(tmp_path: Path) -> None:
    angles = [(0, 0, 0), (99, 0, 0), (99.5, 0, 0), (0, -120, 0), (0, 0, 179)]
    report = run(write_table(tmp_path, angles), [(0, 0, 0)] * 5)
    assert (report["listed"], report["excluded"], report["items"]) == (5, 3, 2)


def test_empty_roll_scores_azimuth_and_elevation_whatever_the_roll_of_the_answer(tmp_path: Path) -> None:
    angles = [(40.0, 30.0, None), (-90.0, 0.0, None), (0.0, -60.0, None)]
    answers = [(43.0, 32.0, 77.0), (-93.0, 2.0, -20.0), (3.0, -62.0, 5.0)]
    report = run(write_table(tmp_path, angles), answers, order=EulerOrder.AZIMUTH)
    assert report["mae"] == {"yaw": 3, "pitch": 2, "roll": None, "mean": 2.5}
    assert report["geodesic"]["mean"] is None
    assert report["aligned"] is None
    assert report["order"] == "azimuth"


def test_empty_roll_angles_are_azimuth_and_elevation_of_where_the_face_looks(tmp_path: Path) -> None:
    report = run(write_table(tmp_path, [(40.0, 30.0, None)]), [(40.0, 30.0, 11.0)], order=EulerOrder.AZIMUTH)
    assert report["facing"]["mean"] == 0


def test_empty_roll_excludes_pitch_beyond_60(tmp_path: Path) -> None:
    report = run(write_table(tmp_path, [(0, 60, None), (0, -90, None), (0, 90, 0)]), [(0, 60, 0)] * 3)
    assert (report["excluded"], report["items"]) == (1, 2)


def test_order_key_names_the_labels_order(tmp_path: Path) -> None:
    assert run(write_table(tmp_path, TRUTH), TRUTH)["order"] == "300w-lp"


def test_by_yaw_bins_hold_their_own_errors(tmp_path: Path) -> None:
    bins = run(write_table(tmp_path, TRUTH), [(a * 1.1, b, c) for a, b, c in TRUTH])["by_yaw"]
    assert [(b["from_deg"], b["to_deg"], b["items"], b["mae"]["yaw"]) for b in bins] == [
        (0, 30, 2, 1),
        (30, 60, 1, 5),
        (60, 90, 1, 7.5),
    ]


def test_unreadable_pictures_are_named_and_count_as_missed(tmp_path: Path) -> None:
    write_table(tmp_path, TRUTH)
    (tmp_path / "001.png").write_bytes(b"no picture")
    (tmp_path / "003.png").unlink()
    report = run(tmp_path, shifted(TRUTH, yaw=2, pitch=2, roll=2))
    assert (report["items"], report["missed"]) == (4, 2)
    assert ["001.png" in report["unreadable"][0], "003.png" in report["unreadable"][1]] == [True, True]
    assert report["mae"]["mean"] == 2
    assert report["mae_with_missed"]["yaw"] == (2 + 20 + 2 + 75) / 4
    assert report["mae_with_missed"]["roll"] == (2 + 5 + 2 + 2) / 4  # never less than the found ones' mean


def test_all_missed_scores_the_frontal_answer(tmp_path: Path) -> None:
    report = run(write_table(tmp_path, TRUTH), TRUTH, detect=lambda _image: [], boxes="detected")
    assert report["missed"] == 4
    assert report["mae"]["mean"] is None
    assert report["mae_with_missed"]["yaw"] == (0 + 20 + 50 + 75) / 4
    assert "nothing" not in as_markdown(report)


def test_the_detection_that_overlaps_most_counts(tmp_path: Path) -> None:
    seen = []
    near, off = (22, 22, 62, 62), (30, 30, 75, 75)
    found = detections(((0, 0, 10, 10), 0.99), (off, 0.9), (near, 0.6), (BOX, 0.3))
    kit = tools(TRUTH, detect=found)

    def predict(images, boxes):
        seen.extend(tuple(box) for box in boxes)
        return kit.predict(images, boxes)

    report = table.create(boxes="detected").run(
        write_table(tmp_path, TRUTH), type(kit)(kit.read, predict, found, detector_threshold=0.5)
    )
    assert set(seen) == {near}  # not the perfect box: its score is below the threshold
    assert report.report["missed"] == 0


def test_a_detection_beside_the_face_is_a_miss(tmp_path: Path) -> None:
    found = detections(((45, 45, 85, 85), 0.9))  # IoU 0.08
    assert run(write_table(tmp_path, TRUTH), TRUTH, detect=found, boxes="detected")["missed"] == 4


def test_more_items_than_a_batch_keep_their_answers(tmp_path: Path) -> None:
    angles = [(float(i % 80), 0.0, 0.0) for i in range(BATCH_ITEMS * 2 + 3)]
    assert run(write_table(tmp_path, angles), shifted(angles, pitch=3))["mae"] == {
        "yaw": 0, "pitch": 3, "roll": 0, "mean": 1,
    }  # fmt: skip


def test_perturbed_boxes_cost_what_they_cost(tmp_path: Path) -> None:
    kit = tools(TRUTH)

    def predict(images, boxes):
        """Three degrees of roll per ten per cent of scale, six per ten per cent of shift to the right."""
        right = np.array([(box.center[0] - 40) / 4 for box in boxes])
        scale = np.array([(box.width / 40 - 1) * 10 for box in boxes])
        answer = kit.predict(images, boxes)
        roll = Rotation.from_euler(
            EulerOrder.LP300W, yaw_deg=0, pitch_deg=0, roll_deg=3 * scale + 6 * np.maximum(right, 0)
        )
        return type(answer)(answer.rotation @ roll, answer.spread_deg)

    report = table.create(perturb=True).run(write_table(tmp_path, TRUTH), type(kit)(kit.read, predict)).report
    costs = {name: one["cost"] for name, one in report["perturbed"]["sets"].items()}
    assert costs == {
        "scale_0.8": 2, "scale_1.2": 2, "left_0.1": 0, "right_0.1": 2, "up_0.1": 0, "down_0.1": 0,
    }  # fmt: skip
    assert report["perturbed"]["mean_cost"] == 1
    assert report["perturbed"]["worst_cost"] == 2
    assert report["mae"]["mean"] == 0


def test_calibration_compares_spread_with_error(tmp_path: Path) -> None:
    report = run(write_table(tmp_path, TRUTH), shifted(TRUTH, roll=8))
    assert report["calibration"]["mean_spread_deg"] == 4
    assert report["calibration"]["ratio"] == 2


def test_worst_items_come_first(tmp_path: Path) -> None:
    answers = [(a, b, c + 5 * i) for i, (a, b, c) in enumerate(TRUTH)]
    outcome = table.create().run(write_table(tmp_path, TRUTH), tools(answers))
    assert [item.path.name for item in outcome.worst] == ["003.png", "002.png", "001.png", "000.png"]


@pytest.mark.parametrize("missing", ["roll_deg", "left"])
def test_missing_columns_are_named(tmp_path: Path, missing: str) -> None:
    header = [name for name in HEADER if name != missing]
    write_csv(tmp_path, header, [["a.png"] + ["1"] * (len(header) - 1)])
    with pytest.raises(InputError, match=f"column {missing} missing; found file, .* needed file, yaw_deg"):
        run(tmp_path, TRUTH)


@pytest.mark.parametrize("content", ["", ",".join(HEADER) + "\n"])
def test_an_empty_list_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "labels.csv").write_text(content)
    with pytest.raises(InputError, match=r"labels\.csv: (column|no items)"):
        run(tmp_path, TRUTH)


def test_a_folder_without_labels_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"labels\.csv: cannot read"):
        run(tmp_path / "nothing", TRUTH)


@pytest.mark.parametrize(
    "row, message",
    [
        (("a.png", "x", 0, 0, *BOX), "line 3: yaw_deg needs a finite number, got 'x'"),
        (("a.png", 0, "", 0, *BOX), "line 3: pitch_deg needs a finite number, got ''"),
        (("a.png", "inf", 0, 0, *BOX), "line 3: yaw_deg needs a finite number"),
        (("a.png", 0, 0, "nan", *BOX), "line 3: roll_deg needs a finite number"),
        (("a.png", 0, 0, 0, 60, 20, 20, 60), "line 3: box needs right > left"),
        (("", 0, 0, 0, *BOX), "line 3 names no file"),
        (("a.png", 0, 0), "line 3: roll_deg|line 3: left"),
    ],
)
def test_a_row_that_is_not_understood_names_its_line(tmp_path: Path, row: tuple, message: str) -> None:
    write_csv(tmp_path, HEADER, [("000.png", 0, 0, 0, *BOX), row])
    with pytest.raises(InputError, match=message):
        table.read_items(tmp_path)


def test_no_item_in_the_protocol_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="all 1 items lie outside"):
        run(write_table(tmp_path, [(150, 0, 0)]), [(0, 0, 0)])


def test_wrong_options_say_what_is_allowed() -> None:
    with pytest.raises(SettingsError, match="given, detected"):
        table.create(boxes="drawn")
    with pytest.raises(SettingsError, match="given boxes"):
        table.create(boxes="detected", perturb=True)
    with pytest.raises(SettingsError, match="points5"):
        plugins.load("evaluation.protocols", "point5")


def test_a_spreadsheets_byte_order_mark_is_no_column_name(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 0)
    write_csv(tmp_path, HEADER, [("a.png", 0, 0, 0, *BOX)])
    content = (tmp_path / "labels.csv").read_bytes()
    (tmp_path / "labels.csv").write_bytes(b"\xef\xbb\xbf" + content)
    assert run(tmp_path, TRUTH)["items"] == 1


@given(
    st.lists(
        st.tuples(st.floats(-89, 89), st.floats(-170, 170), st.floats(-170, 170)), min_size=1, max_size=8
    )
)
def test_the_truth_has_no_error_at_any_angle(angles: list[tuple[float, float, float]]) -> None:
    truth = np.array(angles)
    yaw, pitch, roll = truth.T
    found = Rotation.from_euler(EulerOrder.LP300W, yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll)
    errors = pose_errors(truth, found, EulerOrder.LP300W)
    assert np.abs(errors.difference_deg).max() == pytest.approx(0, abs=1e-6)
    assert errors.rotation_deg.max() == pytest.approx(0, abs=1e-5)


@given(st.lists(st.tuples(*[st.floats(-99, 99)] * 3), max_size=6), st.floats(0, 60))
def test_missing_a_face_never_improves_the_mean(missed: list[tuple[float, ...]], error: float) -> None:
    found = Rotation.from_euler(EulerOrder.LP300W, yaw_deg=[0.0], pitch_deg=[0.0], roll_deg=[error])
    errors = pose_errors(np.zeros((1, 3)), found, EulerOrder.LP300W)
    plain = mae_with_missed(errors, np.empty((0, 3)))
    assert mae_with_missed(errors, np.array(missed).reshape(-1, 3))["mean"] >= plain["mean"] - 1e-4


@pytest.mark.parametrize(
    "name, listed, scored",
    [("aflw2000_crops", 150, 150), ("aflw2000_full", 21, 21), ("pointing04", 1302, 1274)],
)
def test_real_lists_have_their_known_sizes(shared_dir: Path, name: str, listed: int, scored: int) -> None:
    items = table.read_items(shared_dir / "data/real" / name)
    assert len(items) == listed
    assert sum(item.in_protocol for item in items) == scored
    assert all(item.path.is_file() for item in items)
