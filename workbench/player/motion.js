// The flow that belongs to a clip: one small PNG a frame (see workbench/comparison/motion.py).
//
// { scales: [s, ...], frames: [url or "", ...] }: each PNG covers the whole picture; its red and green are 128 + x / s and 128 + y / s in
// pixels of the picture, its blue is 0 where the previous frame does not show the pixel.

class Motion {
  constructor(about) {
    this.about = about;
    this.known = new Map(); // frame -> its picture, null while it is fetched
    this.surface = scratch();
  }

  /** Whether a frame's flow is at hand, or there is none; else it is fetched, and `came` is called. */
  ready(frame, came) {
    const source = this.about?.frames[frame];
    if (!source || this.known.get(frame)) return true;
    if (!this.known.has(frame)) {
      this.known.set(frame, null);
      loadPicture(source).then(image => { this.known.set(frame, image); came(); }).catch(() => this.known.delete(frame));
    }
    return false;
  }

  /** Two values a pixel of the area, in the picture's pixels; NaN where it was not in sight. Null when it is not at hand. */
  over(frame, { x, y, width, height }, picture) {
    const image = this.known.get(frame);
    if (!image) return null;
    const context = sized(this.surface, width, height), across = image.naturalWidth / picture[0], along = image.naturalHeight / picture[1];
    context.imageSmoothingEnabled = true;
    context.drawImage(image, x * across, y * along, width * across, height * along, 0, 0, width, height);
    const bytes = context.getImageData(0, 0, width, height).data, flow = new Float32Array(width * height * 2), scale = this.about.scales[frame];
    for (let k = 0; k < flow.length; k += 2) {
      const seen = bytes[2 * k + 2] > 127;
      flow[k] = seen ? (bytes[2 * k] - 128) * scale : NaN;
      flow[k + 1] = seen ? (bytes[2 * k + 1] - 128) * scale : NaN;
    }
    return flow;
  }
}

async function loadPicture(src) {
  const image = new Image();
  image.src = src;
  await image.decode();
  return image;
}
