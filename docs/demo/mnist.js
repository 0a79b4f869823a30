/** MNIST's own rule in JavaScript: `mnist_edge.preprocess.plain`, line by line. */

export const SIDE = 28;
const BOX = 20;
const CENTER = 14;

/**
 * Fits a digit into 20 x 20, and puts its centre of mass at the centre of 28 x 28.
 *
 * @param {Uint8Array} picture gray levels, row by row; dark ink on light paper or light on dark.
 * @param {number} width of the picture, pixels.
 * @param {number} height of the picture, pixels.
 * @returns {Uint8Array | null} 28 x 28, 0 = background, 255 = ink; null where all pixels are alike.
 */
export function fitDigit(picture, width, height) {
  const threshold = otsuLevel(picture);
  if (threshold === null) return null;
  const isInk = inkOf(picture, width, height, threshold);
  const box = boundingBox(isInk, width, height);
  const strokes = cutOut(picture, width, isInk, box);

  const longest = Math.max(box.width, box.height);
  const [rows, columns] = [box.height, box.width].map((side) =>
    Math.max(1, Math.floor((BOX * side) / longest + 0.5)));
  const digit = reduce(strokes, box.width, box.height, columns, rows);
  return centered(digit, columns, rows);
}

/** The level up to which pixels are dark, by Otsu (1979); null where all are alike. */
export function otsuLevel(picture) {
  const counts = new Float64Array(256);
  for (const level of picture) counts[level] += 1;
  let total = 0;
  for (let level = 0; level < 256; level++) total += level * counts[level];
  let best = -1, found = null, dark = 0, darkSum = 0;
  for (let level = 0; level < 256; level++) {
    dark += counts[level];
    darkSum += level * counts[level];
    const light = picture.length - dark;
    if (dark === 0 || light === 0) continue;
    const apart = darkSum / dark - (total - darkSum) / light;
    const between = dark * light * apart ** 2;
    if (between > best) [best, found] = [between, level];
  }
  return found;
}

/** Which pixels are ink: paper is what most of the border is. */
function inkOf(picture, width, height, threshold) {
  const isLight = (x, y) => (picture[y * width + x] > threshold ? 1 : 0);
  let light = 0;
  for (let x = 0; x < width; x++) light += isLight(x, 0) + isLight(x, height - 1);
  for (let y = 0; y < height; y++) light += isLight(0, y) + isLight(width - 1, y);
  const inkIsDark = light >= width + height;
  return Array.from(picture, (level) => (level > threshold) !== inkIsDark);
}

function boundingBox(isInk, width, height) {
  let [left, top, right, bottom] = [width, height, 0, 0];
  isInk.forEach((ink, at) => {
    if (!ink) return;
    const x = at % width, y = Math.floor(at / width);
    [left, top] = [Math.min(left, x), Math.min(top, y)];
    [right, bottom] = [Math.max(right, x + 1), Math.max(bottom, y + 1)];
  });
  return { left, top, width: right - left, height: bottom - top };
}

/** The box's levels, 0 = the paper's mean and 1 = the ink's. */
function cutOut(picture, width, isInk, box) {
  const mean = (wanted) => {
    let sum = 0, count = 0;
    for (let at = 0; at < picture.length; at++) {
      if (isInk[at] === wanted) [sum, count] = [sum + picture[at], count + 1];
    }
    return sum / count;
  };
  const paper = mean(false), ink = mean(true);
  const strokes = new Float64Array(box.width * box.height);
  for (let y = 0; y < box.height; y++) {
    for (let x = 0; x < box.width; x++) {
      const level = picture[(box.top + y) * width + box.left + x];
      strokes[y * box.width + x] = Math.min(Math.max((level - paper) / (ink - paper), 0), 1);
    }
  }
  return strokes;
}

/** Averages areas, along the rows and then along the columns. */
function reduce(levels, width, height, columns, rows) {
  const wide = new Float64Array(height * columns);
  for (const [to, from, weight] of areas(width, columns)) {
    for (let y = 0; y < height; y++) wide[y * columns + to] += weight * levels[y * width + from];
  }
  const small = new Float64Array(rows * columns);
  for (const [to, from, weight] of areas(height, rows)) {
    for (let x = 0; x < columns; x++) small[to * columns + x] += weight * wide[from * columns + x];
  }
  return small;
}

/** Which pixels lie under each pixel of the target, and how much of it each of them covers. */
function* areas(size, target) {
  const step = size / target;
  for (let to = 0; to < target; to++) {
    for (let from = Math.floor(to * step); from < Math.min(size, (to + 1) * step); from++) {
      const covered = Math.min((to + 1) * step, from + 1) - Math.max(to * step, from);
      if (covered > 0) yield [to, from, covered / step];
    }
  }
}

function centered(digit, columns, rows) {
  let total = 0, x = 0, y = 0;
  digit.forEach((level, at) => {
    total += level;
    x += level * (at % columns);
    y += level * Math.floor(at / columns);
  });
  const most = Math.max(...digit);
  const left = start(x / total, columns), top = start(y / total, rows);
  const image = new Uint8Array(SIDE * SIDE);
  digit.forEach((level, at) => {
    const row = top + Math.floor(at / columns), column = left + (at % columns);
    image[row * SIDE + column] = Math.floor((level / most) * 255 + 0.5);
  });
  return image;
}

/** Where a digit begins whose centre of mass is to lie at the centre, as far as it fits. */
function start(center, size) {
  return Math.min(Math.max(Math.floor(CENTER - center + 0.5), 0), SIDE - size);
}
