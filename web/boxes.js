// Boxes {left, top, right, bottom} in continuous pixels: the sibling of src/headwise/boxes.py.

/** [x, y] in pixels. */
export function center(box) {
  return [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
}

/** The longer of width and height: what crop rules scale. */
export function side(box) {
  return Math.max(box.right - box.left, box.bottom - box.top);
}

/** The box about the same centre with width and height times factor. */
export function scaled(box, factor) {
  const [x, y] = center(box);
  const half_width = ((box.right - box.left) * factor) / 2;
  const half_height = ((box.bottom - box.top) * factor) / 2;
  return { left: x - half_width, top: y - half_height, right: x + half_width, bottom: y + half_height };
}

/** The smallest box around points [[x, y], ...]; null if they fall into one place or are no numbers. */
export function boxOfPoints(points) {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const box = { left, top, right: Math.max(...xs), bottom: Math.max(...ys) };
  return hasArea(box, 0) ? box : null;
}

/** Whether both sides are finite and longer than smallest_px. */
export function hasArea({ left, top, right, bottom }, smallest_px) {
  const finite = [left, top, right, bottom].every(Number.isFinite);
  return finite && right - left > smallest_px && bottom - top > smallest_px;
}

/** Area of the overlap over area of the union, 0 to 1. */
export function overlap(a, b) {
  const width = Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left));
  const height = Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));
  const shared = width * height;
  const union = area(a) + area(b) - shared;
  return union > 0 ? shared / union : 0;
}

/** Indices of the boxes kept, best score first; none overlaps a better one by more than iou. */
export function nonMaximumSuppression(boxes, scores, iou) {
  const best_first = boxes.map((_, i) => i).sort((i, j) => scores[j] - scores[i]);
  const kept = [];
  for (const i of best_first) {
    if (kept.every((better) => overlap(boxes[better], boxes[i]) <= iou)) kept.push(i);
  }
  return kept;
}

function area(box) {
  return (box.right - box.left) * (box.bottom - box.top);
}
