// Answers a question that a program has put at question.json; bytes travel as base64.
//
// Question: {crops, pictures, calls}, each of them optional.
// Answer: {user_agent, rotations, pictures, speed} or {error}.

import * as headwise from "./headwise.js";

const WARM_UP_CALLS = 5;

export async function answer() {
  const question = await (await fetch("question.json")).json();
  const reply = await replyTo(question).catch((error) => ({ error: String(error) }));
  await fetch("answer.json", { method: "POST", body: JSON.stringify(reply) });
}

async function replyTo({ crops, pictures = [], calls = 0 }) {
  const pipeline = await headwise.open();
  const reply = { user_agent: navigator.userAgent, pictures: [] };
  if (crops) reply.rotations = await rotations(pipeline, fromBase64(crops));
  for (const picture of pictures) reply.pictures.push(await seen(pipeline, picture));
  if (calls) reply.speed = await speed(pipeline, toPicture(pictures[0]), calls);
  return reply;
}

/** ray_from_head of each crop, nine numbers each, in one list. */
async function rotations(pipeline, crops) {
  const { outputs } = await pipeline.look(crops);
  return Array.from(outputs.rotation.data);
}

/** What the pipeline finds, and the crops of the boxes that were given. */
async function seen(pipeline, asked) {
  const picture = toPicture(asked);
  const { crops } = pipeline.crops(picture, asked.boxes ?? []);
  return { result: await pipeline.poses(picture), crops: toBase64(crops) };
}

/** Milliseconds: of the detector's network on the picture, of one crop, of the pose network on it. */
async function speed(pipeline, picture, calls) {
  const { width, height } = picture;
  const middle = { left: width / 3, top: height / 3, right: (2 * width) / 3, bottom: (2 * height) / 3 };
  const { crops } = pipeline.crops(picture, [middle]);
  return {
    detector_ms: await measured(calls, async () => (await pipeline.detect(picture)).detector_ms),
    crop_ms: await measured(calls, async () => timed(() => pipeline.crops(picture, [middle]))),
    pose_ms: await measured(calls, async () => (await pipeline.look(crops)).network_ms),
  };
}

function timed(call) {
  const began_ms = performance.now();
  call();
  return performance.now() - began_ms;
}

/** Median and fastest of so many calls, after some that are not counted. */
async function measured(calls, measure) {
  for (let call = 0; call < WARM_UP_CALLS; call++) await measure();
  const times_ms = [];
  for (let call = 0; call < calls; call++) times_ms.push(await measure());
  times_ms.sort((a, b) => a - b);
  return { median: times_ms[Math.floor(calls / 2)], fastest: times_ms[0] };
}

function toPicture({ rgba, width, height }) {
  return new ImageData(new Uint8ClampedArray(fromBase64(rgba).buffer), width, height);
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function toBase64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
