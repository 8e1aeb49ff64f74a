"""Networks small enough to write down: they see blobs brighter than 200 instead of heads.

The detector finds one blob a colour channel (red, green, blue); its box is the blob's own when that is a
square. The pose network puts the 68 points on a square about the blob's middle that fills the crop rule's
box, turns every head to yaw 20 deg, and doubts crops without a blob.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser

from headwise.crops import CropRule
from headwise.model_card import ModelCard, write_card

SIZE_PX = 32
SPREAD_PX = 0.5  # of keypoints, in the crop
YAW_DEG = 20.0

DETECTOR = """
<ir_version: 8, opset_import: ["": 17]>
tiny_detector (uint8[1, H, W, 3] image) => (float[3, 4] boxes, float[3] scores, float[3, 5, 2] points)
<float floor = {200}, float tiny = {1e-6}, float one = {1}, float zero = {0}, float half = {0.5},
 float three = {3}, float full = {255}, int64[2] plane = {1, 2}, int64 h = {1}, int64 w = {2},
 int64[4] column_shape = {1, 1, -1, 1}, int64[4] row_shape = {1, -1, 1, 1},
 int64[2] one_column = {3, 1}, int64[3] points_shape = {3, 1, 2},
 int64[3] five = {1, 5, 1}, int64[1] flat = {3}>
{
  pixels = Cast <to = 1> (image)
  above = Sub (pixels, floor)
  bright = Relu (above)
  mass = ReduceSum <keepdims = 0> (bright, plane)
  total = Add (mass, tiny)
  shape = Shape (image)
  height = Gather (shape, h)
  width = Gather (shape, w)
  height_f = Cast <to = 1> (height)
  width_f = Cast <to = 1> (width)
  xs = Range (zero, width_f, one)
  ys = Range (zero, height_f, one)
  xs_centre = Add (xs, half)
  ys_centre = Add (ys, half)
  x_grid = Reshape (xs_centre, column_shape)
  y_grid = Reshape (ys_centre, row_shape)
  x_weighted = Mul (bright, x_grid)
  y_weighted = Mul (bright, y_grid)
  x_sum = ReduceSum <keepdims = 0> (x_weighted, plane)
  y_sum = ReduceSum <keepdims = 0> (y_weighted, plane)
  xx_weighted = Mul (x_weighted, x_grid)
  yy_weighted = Mul (y_weighted, y_grid)
  xx_sum = ReduceSum <keepdims = 0> (xx_weighted, plane)
  yy_sum = ReduceSum <keepdims = 0> (yy_weighted, plane)
  x_mean = Div (x_sum, total)
  y_mean = Div (y_sum, total)
  xx_mean = Div (xx_sum, total)
  yy_mean = Div (yy_sum, total)
  x_square = Mul (x_mean, x_mean)
  y_square = Mul (y_mean, y_mean)
  x_variance = Sub (xx_mean, x_square)
  y_variance = Sub (yy_mean, y_square)
  x_scaled = Mul (x_variance, three)
  y_scaled = Mul (y_variance, three)
  x_positive = Relu (x_scaled)
  y_positive = Relu (y_scaled)
  x_half = Sqrt (x_positive)
  y_half = Sqrt (y_positive)
  left_row = Sub (x_mean, x_half)
  top_row = Sub (y_mean, y_half)
  right_row = Add (x_mean, x_half)
  bottom_row = Add (y_mean, y_half)
  left = Reshape (left_row, one_column)
  top = Reshape (top_row, one_column)
  right = Reshape (right_row, one_column)
  bottom = Reshape (bottom_row, one_column)
  boxes = Concat <axis = 1> (left, top, right, bottom)
  brightest = ReduceMax <axes = [1, 2], keepdims = 0> (pixels)
  score_row = Div (brightest, full)
  scores = Reshape (score_row, flat)
  x_column = Reshape (x_mean, one_column)
  y_column = Reshape (y_mean, one_column)
  middles = Concat <axis = 1> (x_column, y_column)
  middle = Reshape (middles, points_shape)
  points = Tile (middle, five)
}
"""

POSE = """
<ir_version: 8, opset_import: ["": 17]>
tiny_pose (uint8[n, 32, 32, 3] crops) => (
  float[n, 3, 3] rotation, float[n] spread_deg, float[n, 68, 2] keypoints, float[n, 68] visibility,
  float[n] face_hidden, float[n, 68] keypoint_spread, float[n, 3, 3] rotation_covariance)
{
  pixels = Cast <to = 1> (crops)
  gray = ReduceMax <axes = [3], keepdims = 0> (pixels)
  above = Sub (gray, floor)
  bright = Relu (above)
  mass = ReduceSum <keepdims = 1> (bright, plane)
  total = Add (mass, tiny)
  x_weighted = Mul (bright, x_grid)
  y_weighted = Mul (bright, y_grid)
  x_sum = ReduceSum <keepdims = 1> (x_weighted, plane)
  y_sum = ReduceSum <keepdims = 1> (y_weighted, plane)
  x_mean = Div (x_sum, total)
  y_mean = Div (y_sum, total)
  middle = Concat <axis = 2> (x_mean, y_mean)
  keypoints = Add (middle, pattern)
  zeros_3 = Mul (mass, nothing)
  rotation = Add (zeros_3, turned)
  zeros_2 = ReduceSum <keepdims = 0> (zeros_3, last)
  visibility = Add (zeros_2, seen)
  keypoint_spread = Add (zeros_2, blur)
  rotation_covariance = Add (zeros_3, doubts)
  flat_mass = ReduceSum <keepdims = 0> (mass, plane)
  is_dark = Less (flat_mass, one)
  dark = Cast <to = 1> (is_dark)
  doubt = Mul (dark, ninety)
  spread_deg = Add (doubt, five)
  face_hidden = Mul (dark, one)
}
"""


def write_detector(path: Path) -> Path:
    """A detector of the released interface."""
    onnx.save(onnx.parser.parse_model(DETECTOR), str(path))
    write_card(path, ModelCard("tiny-detector", "detector", "1", "2026-01-01", "Apache-2.0"))
    return path


def write_pose(path: Path) -> Path:
    """A pose network of the released interface."""
    model = onnx.parser.parse_model(POSE)
    rule = CropRule(scale=1.3, size_px=SIZE_PX)
    centres = np.arange(SIZE_PX, dtype=np.float32) + 0.5
    side = np.linspace(-0.5, 0.5, 17) * SIZE_PX / rule.scale
    edge = np.full(17, side[-1])
    pattern = np.concatenate(
        [np.stack(xy, axis=1) for xy in ((side, -edge), (edge, side), (-side, edge), (-edge, -side))]
    )
    c, s = np.cos(np.radians(YAW_DEG)), np.sin(np.radians(YAW_DEG))
    constants = {
        "floor": np.float32(200),
        "tiny": np.float32(1e-6),
        "nothing": np.float32(0),
        "one": np.float32(1),
        "five": np.float32(5),
        "ninety": np.float32(90),
        "plane": np.array([1, 2]),
        "last": np.array([2]),
        "x_grid": centres[None, None, :],
        "y_grid": centres[None, :, None],
        "pattern": pattern[None].astype(np.float32),
        "turned": np.array([[[c, 0, s], [0, 1, 0], [-s, 0, c]]], np.float32),
        "seen": np.ones((1, 68), np.float32),
        "blur": np.full((1, 68), SPREAD_PX, np.float32),
        "doubts": np.diag(np.square(np.radians([[3, 2, 1]]))[0]).astype(np.float32)[None],
    }
    model.graph.initializer.extend(onnx.numpy_helper.from_array(v, k) for k, v in constants.items())
    onnx.save(model, str(path))
    write_card(path, ModelCard("tiny-pose", "pose", "1", "2026-01-01", "Apache-2.0", crop=rule))
    return path
