// The plain test page: a person chooses a picture, or a program asks (index.html?asked; see chromium.py).

import { answer } from "./asked.js";
import * as headwise from "./headwise.js";

const file = document.querySelector("#file");
const canvas = document.querySelector("#canvas");
const said = document.querySelector("#said");

if (location.search === "?asked") {
  await answer();
  said.textContent = "answered";
} else {
  const opening = headwise.open();
  file.addEventListener("change", () => show(opening).catch((error) => (said.textContent = error.message)));
}

async function show(opening) {
  said.textContent = "looking ...";
  const pipeline = await opening;
  const result = await pipeline.poses(await chosenPicture());
  result.faces.forEach(({ box }) => frame(box));
  said.textContent = [timesLine(result), ...result.faces.map(faceLine)].join("\n");
}

async function chosenPicture() {
  const bitmap = await createImageBitmap(file.files[0]);
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

function frame({ left, top, right, bottom }) {
  const context = canvas.getContext("2d");
  context.strokeStyle = "lime";
  context.strokeRect(left, top, right - left, bottom - top);
}

function timesLine({ faces, detector_ms, crop_ms, pose_ms }) {
  const times = { detector: detector_ms, crops: crop_ms, pose: pose_ms };
  const parts = Object.entries(times).map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`);
  return `${faces.length} heads; ${parts.join(", ")}`;
}

function faceLine({ pose, score }) {
  const names = ["yaw_deg", "pitch_deg", "roll_deg", "spread_deg"];
  const angles = names.map((name) => `${name} ${pose[name].toFixed(1)}`);
  return `${angles.join("  ")}  score ${score.toFixed(2)}`;
}
