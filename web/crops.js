// What the pose network sees of a head: the sibling of src/headwise/crops.py and warp.py.
//
// A warp {scale, x, y} is target = scale * source + (x, y) on continuous pixels.

import { center, side } from "./boxes.js";
import { areaMean, bilinear, part } from "./pictures.js";

/** A square about the box's centre: rule.scale times its longer side becomes rule.size_px pixels. */
export function cropFromImage(box, rule) {
  const scale = rule.size_px / (rule.scale * side(box));
  const [x, y] = center(box);
  const middle = rule.size_px / 2;
  return { scale, x: middle - scale * x, y: middle - scale * y };
}

/** The crop as a picture; anti-aliased where it shrinks by more than sharp_scale, the edge repeated. */
export function cut(picture, crop_from_image, size_px, sharp_scale) {
  const { region, region_from_image } = neededRegion(picture, crop_from_image, size_px);
  const crop_from_region = after(crop_from_image, inverse(region_from_image));
  if (crop_from_region.scale >= sharp_scale) return bilinear(region, crop_from_region, size_px, size_px);
  const doubled = after({ scale: 2, x: 0, y: 0 }, crop_from_region);
  return areaMean(bilinear(region, doubled, 2 * size_px, 2 * size_px), size_px, size_px);
}

/** Where the warp leads a point [x, y]. */
export function moved(warp, [x, y]) {
  return [warp.scale * x + warp.x, warp.scale * y + warp.y];
}

/** source_from_target. */
export function inverse({ scale, x, y }) {
  return { scale: 1 / scale, x: -x / scale, y: -y / scale };
}

/** c_from_a of c_from_b and b_from_a. */
function after(outer, inner) {
  const [x, y] = moved(outer, [inner.x, inner.y]);
  return { scale: outer.scale * inner.scale, x, y };
}

/** What the crop shows of the picture, shrunk by the whole factor that fits. */
function neededRegion(picture, crop_from_image, size_px) {
  const factor = Math.max(1, Math.floor(1 / crop_from_image.scale));
  const image_from_crop = inverse(crop_from_image);
  const [left_px, top_px] = moved(image_from_crop, [0, 0]);
  const [right_px, bottom_px] = moved(image_from_crop, [size_px, size_px]);
  const [left, right] = span(left_px, right_px, picture.width, 2 * factor);
  const [top, bottom] = span(top_px, bottom_px, picture.height, 2 * factor);
  const region_from_image = { scale: 1 / factor, x: -left / factor, y: -top / factor };
  return { region: shrunk(picture, { left, top, right, bottom }, factor), region_from_image };
}

/** First pixel and the one after the last, with a margin, at least one pixel and within the picture. */
function span(start, end, size, margin) {
  const first = Math.min(Math.max(Math.floor(start) - margin, 0), size - 1);
  return [first, Math.min(Math.max(Math.ceil(end) + margin, first + 1), size)];
}

/** Means over blocks of factor x factor pixels; where the rectangle fills none its edge is repeated. */
function shrunk(picture, rectangle, factor) {
  const region = part(picture, rectangle);
  if (factor === 1) return region;
  const width = Math.ceil(region.width / factor);
  const height = Math.ceil(region.height / factor);
  const whole = part(region, { left: 0, top: 0, right: width * factor, bottom: height * factor });
  return areaMean(whole, width, height);
}
