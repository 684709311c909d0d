// What is made of two pictures, pixel by pixel. Pictures are ImageData of one size; the first is written over.

/** |right - left| times gain, in each channel: black where they are equal. */
function absoluteDifference(left, right, gain) {
  const from = left.data, to = right.data;
  for (let k = 0; k < from.length; k++) if ((k & 3) !== 3) from[k] = Math.abs(to[k] - from[k]) * gain;
}

/** 128 + (right - left) / 2 times gain: grey where they are equal, brighter where the right one is. */
function signedDifference(left, right, gain) {
  const from = left.data, to = right.data;
  for (let k = 0; k < from.length; k++) if ((k & 3) !== 3) from[k] = 128 + (to[k] - from[k]) * gain / 2;
}

/**
 * |now - before| times gain, `before` fetched along the flow. `flow` holds two values a pixel of `now`: where in `before` it was, in
 * pixels from its own place; null where nothing is known of it: then pixels are compared in place. `area`: what `now` is of `before`.
 * Where the pixel was not in sight, it is blue: no change can be told there.
 */
function changeAlong(now, before, flow, area, gain) {
  const { width, height } = now, old = before.data, from = now.data, wide = before.width, high = before.height;
  for (let y = 0, k = 0; y < height; y++) for (let x = 0; x < width; x++, k += 4) {
    const place = k >> 1, u = area.x + x + (flow ? flow[place] : 0), v = area.y + y + (flow ? flow[place + 1] : 0);
    if (!(u >= 0 && v >= 0 && u <= wide - 1 && v <= high - 1)) { // NaN too: not in sight
      from[k] = 0; from[k + 1] = 24; from[k + 2] = 72;
      continue;
    }
    const x0 = Math.floor(u), y0 = Math.floor(v), a = u - x0, b = v - y0;
    const i = (y0 * wide + x0) * 4, right = x0 + 1 < wide ? 4 : 0, down = y0 + 1 < high ? wide * 4 : 0;
    for (let c = 0; c < 3; c++) {
      const top = old[i + c] * (1 - a) + old[i + c + right] * a, low = old[i + c + down] * (1 - a) + old[i + c + down + right] * a;
      from[k + c] = Math.abs(from[k + c] - (top * (1 - b) + low * b)) * gain;
    }
  }
}

/** A drawing surface out of sight, whose pixels are read. */
function scratch() { return document.createElement("canvas").getContext("2d", { willReadFrequently: true }); }

function sized(context, width, height) {
  const { canvas } = context;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  return context;
}
