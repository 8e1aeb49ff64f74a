// Pictures {data, width, height}, four bytes a pixel as ImageData has them, and the ways to sample them.
//
// The arithmetic is that of cv2.resize(INTER_AREA) and cv2.warpAffine(INTER_LINEAR): the networks see the
// same pixels here and in Python, but for one level where a sum lies on the edge of rounding.

const CHANNELS = 4;

/** The nearest whole number, halves to the even one, as Python and OpenCV round. */
export function roundHalfEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest > 0.5 ? floor + 1 : floor;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Columns left..right and rows top..bottom; where they reach beyond the picture its edge is repeated. */
export function part(picture, { left, top, right, bottom }) {
  const { buffer, byteOffset } = picture.data;
  const pixels = new Uint32Array(buffer, byteOffset, picture.width * picture.height);
  const width = right - left;
  const height = bottom - top;
  const copied = new Uint32Array(width * height);
  for (let y = 0; y < height; y++) {
    const row = clamp(top + y, picture.height - 1) * picture.width;
    for (let x = 0; x < width; x++) {
      copied[y * width + x] = pixels[row + clamp(left + x, picture.width - 1)];
    }
  }
  return { data: new Uint8ClampedArray(copied.buffer), width, height };
}

/** The picture at a smaller size: each pixel is the mean of what it covers. */
export function areaMean(picture, width, height) {
  const columns = coverage(picture.width, width);
  const rows = coverage(picture.height, height);
  // OpenCV takes the mean of 2x2 blocks in whole numbers and rounds halves up there, to even elsewhere.
  const halves_up = picture.width === 2 * width && picture.height === 2 * height;
  const narrowed = narrow(picture, columns);
  const row_length = width * CHANNELS;
  const data = new Uint8ClampedArray(row_length * height);
  const sum = new Float64Array(row_length);
  rows.forEach(({ first, weights }, y) => {
    sum.fill(0);
    weights.forEach((weight, k) => {
      const start = (first + k) * row_length;
      for (let i = 0; i < row_length; i++) sum[i] += weight * narrowed[start + i];
    });
    for (let i = 0; i < row_length; i++) {
      data[y * row_length + i] = halves_up ? Math.floor(sum[i] + 0.5) : roundHalfEven(sum[i]);
    }
  });
  return { data, width, height };
}

/** One bilinear sample a target pixel, the edge repeated; target = scale * source + (x, y). */
export function bilinear(picture, { scale, x, y }, width, height) {
  const columns = neighbours(picture.width, width, scale, x);
  const rows = neighbours(picture.height, height, scale, y);
  const source = picture.data;
  const data = new Uint8ClampedArray(width * height * CHANNELS);
  let target = 0;
  for (const row of rows) {
    const upper_row = row.first * picture.width * CHANNELS;
    const lower_row = row.second * picture.width * CHANNELS;
    for (const column of columns) {
      for (let channel = 0; channel < CHANNELS; channel++) {
        const first = column.first * CHANNELS + channel;
        const second = column.second * CHANNELS + channel;
        const upper = mix(source[upper_row + first], source[upper_row + second], column.part);
        const lower = mix(source[lower_row + first], source[lower_row + second], column.part);
        data[target++] = Math.floor(mix(upper, lower, row.part) + 0.5);
      }
    }
  }
  return { data, width, height };
}

/** Writes the picture's colours, three bytes a pixel, into the upper left of rows of row_px pixels. */
export function writeRgb(picture, rgb, row_px) {
  for (let y = 0; y < picture.height; y++) {
    let target = y * row_px * 3;
    let source = y * picture.width * CHANNELS;
    for (let x = 0; x < picture.width; x++, source += CHANNELS) {
      rgb[target++] = picture.data[source];
      rgb[target++] = picture.data[source + 1];
      rgb[target++] = picture.data[source + 2];
    }
  }
}

/** Which of `from` cells each of `to` cells covers: the first one, and the share of each in the mean. */
function coverage(from, to) {
  const length = from / to;
  return Array.from({ length: to }, (_, cell) => {
    const start = cell * length;
    const end = Math.min(start + length, from);
    const first = Math.floor(start);
    const count = Math.max(1, Math.ceil(end - 1e-9) - first); // 1e-9: a sum may end a hair beyond a cell
    const weights = Array.from({ length: count }, (_, k) => {
      const cell_start = first + k;
      return Math.max(0, Math.min(end, cell_start + 1) - Math.max(start, cell_start)) / (end - start);
    });
    return { first, weights };
  });
}

/** Every row's means over the columns: the first half of areaMean. */
function narrow(picture, columns) {
  const means = new Float64Array(columns.length * picture.height * CHANNELS);
  let target = 0;
  for (let y = 0; y < picture.height; y++) {
    for (const { first, weights } of columns) {
      const start = (y * picture.width + first) * CHANNELS;
      for (let channel = 0; channel < CHANNELS; channel++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) {
          sum += weights[k] * picture.data[start + k * CHANNELS + channel];
        }
        means[target++] = sum;
      }
    }
  }
  return means;
}

/** Along one axis: the two source pixels beside each target's centre, and how far it is to the second. */
function neighbours(from, to, scale, shift) {
  return Array.from({ length: to }, (_, i) => {
    const place = (i + 0.5 - shift) / scale - 0.5; // pixel centres lie at .5
    const first = Math.floor(place);
    return { first: clamp(first, from - 1), second: clamp(first + 1, from - 1), part: place - first };
  });
}

function mix(a, b, part_of_b) {
  return a + (b - a) * part_of_b;
}

function clamp(value, last) {
  return Math.min(Math.max(value, 0), last);
}
