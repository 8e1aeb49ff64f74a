"""Small labelled folders whose pictures carry their own item number, and models that know the answers."""

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from headwise.boxes import Box
from headwise.conventions import EulerOrder
from headwise.evaluation.outcome import Prediction, Tools
from headwise.pictures import read_picture
from headwise.results import Detection
from headwise.rotation import Rotation

HEADER = ("file", "yaw_deg", "pitch_deg", "roll_deg", "left", "top", "right", "bottom")
BOX = (20, 20, 60, 60)
ROLL_UNKNOWN = None


def write_table(folder: Path, angles: Sequence[tuple], boxes: Sequence[tuple] | None = None) -> Path:
    """labels.csv and gray PNGs whose value is the number of the item; an angle of None stays empty."""
    rows = []
    for index, three in enumerate(angles):
        write_picture(folder / f"{index:03}.png", index)
        box = BOX if boxes is None else boxes[index]
        rows.append((f"{index:03}.png", *("" if angle is None else angle for angle in three), *box))
    write_csv(folder, HEADER, rows)
    return folder


def write_csv(folder: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def write_picture(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.full((80, 80, 3), value, np.uint8))[1].tobytes())


def tools(
    answers_deg: Sequence[tuple], *, order: EulerOrder = EulerOrder.LP300W, detect=None, spread_deg=4.0
):
    """Tools whose model answers item i with answers_deg[i], whatever the box."""
    table = np.array(answers_deg, float)

    def predict(images, boxes) -> Prediction:
        yaw, pitch, roll = table[[int(image[0, 0, 0]) for image in images]].T
        rotation = Rotation.from_euler(order, yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll)
        return Prediction(rotation, np.full(len(images), spread_deg))

    return Tools(read=read_picture, predict=predict, detect=detect)


def detections(*found: tuple[tuple, float]):
    """A detector that finds these (box, score) in every picture."""
    return lambda _image: [Detection(Box(*box), score) for box, score in found]
