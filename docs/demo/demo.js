/** The network of the drawing page, in the browser itself: nothing is sent anywhere. */

import * as ort from "./ort.wasm.bundle.min.mjs";
import { fitDigit, SIDE } from "./mnist.js";

ort.env.wasm.numThreads = 1;
const loaded = load();

async function load() {
  const model = await (await fetch("model.json")).json();
  return { model, session: await ort.InferenceSession.create(model.file) };
}

/** Probabilities of 28 x 28 images, one after the other: 0 = background, 255 = ink. */
export async function probabilitiesOf(images) {
  const { session } = await loaded;
  const image = new ort.Tensor("uint8", images, [images.length / SIDE ** 2, 1, SIDE, SIDE]);
  return (await session.run({ image })).probabilities.data;
}

/** What the page shows of a picture: a row as of `mnist-edge predict --format json`. */
export async function ask(blob) {
  const { model } = await loaded;
  const begun = performance.now();
  const picture = await grayLevels(blob);
  const row = { path: "-", digit: null, confidence: null, probabilities: null, error: null };
  const image = picture && fitDigit(picture.levels, picture.width, picture.height);
  if (!picture) row.error = "not an image that this browser reads";
  else if (!image) row.error = "no digit found; nothing stands out from the background";
  else {
    row.probabilities = [...(await probabilitiesOf(image))];
    row.confidence = Math.max(...row.probabilities);
    const digit = row.probabilities.indexOf(row.confidence);
    if (row.confidence >= model.min_confidence) row.digit = digit;
    row.preprocessed = await png(image);
  }
  return { row, status: 200, milliseconds: performance.now() - begun };
}

/** Gray levels as Pillow computes them (ITU-R 601), on white; null where it is no picture. */
async function grayLevels(blob) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    return null;
  }
  const { width, height } = bitmap;
  const draw = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  draw.fillStyle = "#fff";
  draw.fillRect(0, 0, width, height);
  draw.drawImage(bitmap, 0, 0);
  const colors = draw.getImageData(0, 0, width, height).data;
  const levels = new Uint8Array(width * height);
  for (let at = 0; at < levels.length; at++) {
    const [red, green, blue] = colors.subarray(4 * at, 4 * at + 3);
    levels[at] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
  }
  return { levels, width, height };
}

/** A PNG in base64, of what the network saw. */
async function png(image) {
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const colors = new Uint8ClampedArray(4 * image.length);
  image.forEach((level, at) => colors.set([level, level, level, 255], 4 * at));
  canvas.getContext("2d").putImageData(new ImageData(colors, SIDE, SIDE), 0, 0);
  const bytes = new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer());
  return btoa(String.fromCharCode(...bytes));
}
