// headwise in a browser: the package's ONNX files in onnxruntime-web, one thread of WebAssembly.
//
//     import * as headwise from "./headwise.js";
//     const pipeline = await headwise.open();
//     const result = await pipeline.poses(context.getImageData(0, 0, width, height));
//
// The result has the keys of FrameResult.to_json, and detector_ms, crop_ms and pose_ms. Positions are null:
// unknown. Thresholds, the crop rule and every other number come from models.json, which the build writes
// from the models' cards and from the Python code.

import * as boxes from "./boxes.js";
import { cropFromImage, cut, inverse, moved } from "./crops.js";
import { areaMean, roundHalfEven, writeRgb } from "./pictures.js";
import { azimuthAngles, cameraFromFov, cameraFromRay, product } from "./rotation.js";
import * as ort from "./onnxruntime/ort.wasm.bundle.min.mjs";

ort.env.wasm.numThreads = 1; // more need a page with cross-origin isolation

/** The pipeline with its networks loaded; folder_url: where the build's files lie. */
export async function open({ folder_url = new URL("./", import.meta.url) } = {}) {
  const models = await fetchJson(new URL("models.json", folder_url));
  const [detector, pose] = await Promise.all(
    [models.detector, models.pose].map(({ file }) => Network.load(new URL(file, folder_url))),
  );
  return new Pipeline(models, detector, pose);
}

/** One ONNX file, and how long its runs take. */
class Network {
  static async load(url) {
    return new Network(await ort.InferenceSession.create(url.href, { executionProviders: ["wasm"] }));
  }

  constructor(session) {
    this.session = session;
  }

  /** Of uint8 pixels of that shape: the outputs by name, and the milliseconds of this run. */
  async run(pixels, shape) {
    const [input] = this.session.inputNames;
    const began_ms = performance.now();
    const outputs = await this.session.run({ [input]: new ort.Tensor("uint8", pixels, shape) });
    return { outputs, network_ms: performance.now() - began_ms };
  }
}

/** Detect, crop, estimate: the sibling of src/headwise/pipeline.py for single pictures. */
class Pipeline {
  constructor(models, detector, pose) {
    this.models = models;
    this.rules = models.rules;
    this.detector = detector;
    this.pose = pose;
  }

  /** Every head of one picture (ImageData, or its data, width and height), the best score first. */
  async poses(picture) {
    checkPicture(picture);
    const { detections, detector_ms } = await this.detect(picture);
    const camera = cameraFromFov(picture.width, picture.height, this.rules.fov_deg);
    const looked = await this.settled(picture, detections.map(({ box }) => box), camera);
    const faces = detections.map((detection, i) => ({ track: null, ...detection, ...looked.estimates[i] }));
    const head_boxes = faces.map(({ keypoints, box }) => (keypoints && boxes.boxOfPoints(keypoints)) ?? box);
    const scores = faces.map(({ score }) => score);
    const distinct = boxes.nonMaximumSuppression(head_boxes, scores, this.rules.same_head_iou);
    return {
      schema: this.models.schema,
      model: this.models.pose.name,
      width_px: picture.width,
      height_px: picture.height,
      time_s: null,
      camera,
      faces: distinct.map((i) => faces[i]),
      detector_ms,
      crop_ms: looked.crop_ms,
      pose_ms: looked.pose_ms,
    };
  }

  /** The heads' boxes and scores, the best first. */
  async detect(picture) {
    const canvas = fitted(picture, this.rules.size_px, this.rules.stride_px);
    const { outputs, network_ms } = await this.detector.run(canvas.rgb, [1, canvas.height, canvas.width, 3]);
    const scores = outputs.scores.data;
    const candidates = rowsOf(outputs.boxes)
      .map((row, i) => ({ box: toBox(row), score: scores[i] }))
      .filter(({ score }) => score >= this.models.detector.threshold)
      .filter(({ box }) => boxes.hasArea(box, this.rules.smallest_box_px))
      .map(({ box, score }) => ({ box: inPicture(box, canvas), score }));
    const kept = boxes.nonMaximumSuppression(
      candidates.map(({ box }) => box),
      candidates.map(({ score }) => score),
      this.rules.iou,
    );
    return { detections: kept.map((i) => candidates[i]), detector_ms: network_ms };
  }

  /** Poses for boxes that may be off: where the points lie in another box, the network looks again there. */
  async settled(picture, head_boxes, camera) {
    const total = await this.estimate(picture, head_boxes, camera);
    let looked = head_boxes.map((box, i) => ({ i, box }));
    for (const same_iou of this.rules.same_box_iou) {
      looked = looked
        .map(({ i, box }) => ({ i, box: this.elsewhere(total.estimates[i], box, same_iou) }))
        .filter(({ box }) => box !== null);
      const again = await this.estimate(picture, looked.map(({ box }) => box), camera);
      looked.forEach(({ i }, k) => (total.estimates[i] = again.estimates[k]));
      total.crop_ms += again.crop_ms;
      total.pose_ms += again.pose_ms;
    }
    return total;
  }

  /** One pose a box, in their order. */
  async estimate(picture, head_boxes, camera) {
    const total = { estimates: [], crop_ms: 0, pose_ms: 0 };
    for (let start = 0; start < head_boxes.length; start += this.rules.batch) {
      const some = head_boxes.slice(start, start + this.rules.batch);
      const began_ms = performance.now();
      const { crops, image_from_crop } = this.crops(picture, some);
      total.crop_ms += performance.now() - began_ms;
      const { outputs, network_ms } = await this.look(crops);
      total.pose_ms += network_ms;
      const estimates = some.map((box, i) => {
        const camera_from_ray = cameraFromRay(camera, boxes.center(box));
        return estimateOf(outputs, i, camera_from_ray, image_from_crop[i], this.rules.singularity);
      });
      total.estimates.push(...estimates);
    }
    return total;
  }

  /** The pose network on crops by the card's rule, one after the other in one array of RGB. */
  look(crops) {
    const { size_px } = this.models.pose.crop;
    return this.pose.run(crops, [crops.length / (size_px * size_px * 3), size_px, size_px, 3]);
  }

  /** What the pose network sees of each box, and the warps that lead its pixels back to the picture's. */
  crops(picture, head_boxes) {
    const rule = this.models.pose.crop;
    const crop_length = rule.size_px * rule.size_px * 3;
    const crops = new Uint8Array(head_boxes.length * crop_length);
    const image_from_crop = head_boxes.map((box, i) => {
      const crop_from_image = cropFromImage(box, rule);
      const crop = cut(picture, crop_from_image, rule.size_px, this.rules.sharp_scale);
      writeRgb(crop, crops.subarray(i * crop_length, (i + 1) * crop_length), rule.size_px);
      return inverse(crop_from_image);
    });
    return { crops, image_from_crop };
  }

  /** The box of the points, if the box that was looked at is another one, and yet of the same head. */
  elsewhere({ keypoints }, box, same_iou) {
    const found = keypoints && boxes.boxOfPoints(keypoints);
    if (!found) return null;
    const iou = boxes.overlap(found, box);
    return iou > 0 && iou < same_iou ? boxes.scaled(found, this.rules.second_look_scale) : null;
  }
}

/** Row i of the pose network's outputs as the keys of a face; null where the network is silent. */
function estimateOf(outputs, i, camera_from_ray, image_from_crop, singularity) {
  const rotation = product(camera_from_ray, rowOf(outputs.rotation, i));
  const keypoints = rowOf(outputs.keypoints, i)?.map((point) => moved(image_from_crop, point)) ?? null;
  const spreads = rowOf(outputs.keypoint_spread, i);
  return {
    pose: {
      ...azimuthAngles(rotation, singularity),
      spread_deg: rowOf(outputs.spread_deg, i),
      face_hidden: rowOf(outputs.face_hidden, i),
      rotation_covariance: rowOf(outputs.rotation_covariance, i),
      position_m: null,
      position_spread_m: null,
      rotation,
    },
    keypoints,
    keypoint_visibility: rowOf(outputs.visibility, i),
    keypoint_spread_px: spreads?.map((spread) => spread * image_from_crop.scale) ?? null,
  };
}

/** The picture as the detector takes it: at most size_px long, padded right and below with black. */
function fitted(picture, size_px, stride_px) {
  const scale = Math.min(1, size_px / Math.max(picture.width, picture.height));
  const small_width = Math.max(1, roundHalfEven(picture.width * scale));
  const small_height = Math.max(1, roundHalfEven(picture.height * scale));
  const small = scale === 1 ? picture : areaMean(picture, small_width, small_height);
  const width = Math.ceil(small_width / stride_px) * stride_px;
  const height = Math.ceil(small_height / stride_px) * stride_px;
  const rgb = new Uint8Array(width * height * 3);
  writeRgb(small, rgb, width);
  return { rgb, width, height, image_x: picture.width / small_width, image_y: picture.height / small_height };
}

function inPicture({ left, top, right, bottom }, { image_x, image_y }) {
  return { left: left * image_x, top: top * image_y, right: right * image_x, bottom: bottom * image_y };
}

function toBox([left, top, right, bottom]) {
  return { left, top, right, bottom };
}

function rowsOf(tensor) {
  return Array.from({ length: tensor.dims[0] }, (_, i) => rowOf(tensor, i));
}

/** Row i of a tensor as nested arrays, or as a number; null without a tensor. */
function rowOf(tensor, i) {
  if (tensor === undefined) return null;
  const dims = tensor.dims.slice(1);
  const length = dims.reduce((product, dim) => product * dim, 1);
  return nested(Array.from(tensor.data.subarray(i * length, (i + 1) * length)), dims);
}

function nested(values, [first, ...rest]) {
  if (first === undefined) return values[0];
  if (rest.length === 0) return values;
  const length = values.length / first;
  return Array.from({ length: first }, (_, i) => nested(values.slice(i * length, (i + 1) * length), rest));
}

function checkPicture({ data, width, height }) {
  if (width > 0 && height > 0 && data?.length === width * height * 4) return;
  throw new RangeError(
    `a picture has four bytes for each of its pixels, got ${data?.length} bytes for ${width}x${height}`,
  );
}

async function fetchJson(url) {
  const reply = await fetch(url);
  if (!reply.ok) throw new Error(`cannot read ${url}: the server answers ${reply.status}`);
  return reply.json();
}
