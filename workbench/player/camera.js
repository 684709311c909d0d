// Which part of a picture is seen. Lengths on the screen are device pixels, so that a whole zoom is exact.

const RUNGS = [0.25, 0.5, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32]; // device pixels a pixel of the picture

class Camera {
  constructor() { this.of([1, 1]); }

  /** Looks at pictures of this size from now on; at the whole of them, when the size is another. */
  of(size) {
    if (String(size) !== String(this.picture)) {
      this.picture = size;
      this.home();
    }
  }

  /** The whole picture. */
  home() {
    this.zoom = 0; // 0: as large as it fits
    this.centre = this.picture.map(side => side / 2);
  }

  fit({ width, height }) { return Math.min(width / this.picture[0], height / this.picture[1]); }
  scale(pane) { return this.zoom || this.fit(pane); }

  /** Where in a pane the picture lies: its scale, and the place of its first pixel. */
  place(pane) {
    const scale = this.scale(pane);
    return { scale, left: Math.round(pane.x + pane.width / 2 - this.centre[0] * scale), top: Math.round(pane.y + pane.height / 2 - this.centre[1] * scale) };
  }

  /** The place on the picture, in its pixels, that is seen at a point of the pane. */
  spot(pane, [x, y]) {
    const { scale, left, top } = this.place(pane);
    return [(x - left) / scale, (y - top) / scale];
  }

  /** The whole pixels of the picture that a pane shows: { x, y, width, height }. */
  seen(pane) {
    const [left, top] = this.spot(pane, [pane.x, pane.y]), [right, bottom] = this.spot(pane, [pane.x + pane.width, pane.y + pane.height]);
    const [width, height] = this.picture;
    const x = Math.max(0, Math.floor(left)), y = Math.max(0, Math.floor(top));
    return { x, y, width: Math.max(0, Math.min(width, Math.ceil(right)) - x), height: Math.max(0, Math.min(height, Math.ceil(bottom)) - y) };
  }

  /** Zooms so that what is seen at the point stays there. */
  zoomTo(zoom, pane, point = [pane.x + pane.width / 2, pane.y + pane.height / 2]) {
    const held = this.spot(pane, point);
    this.zoom = zoom;
    const scale = this.scale(pane), middle = [pane.x + pane.width / 2, pane.y + pane.height / 2];
    this.look(pane, held.map((at, k) => at - (point[k] - middle[k]) / scale));
  }

  /** The next rung of the ladder; the whole picture is one of them. */
  step(direction, pane, point) {
    const fit = this.fit(pane), now = this.scale(pane);
    const rungs = [...RUNGS.filter(rung => rung >= Math.min(1, fit)), fit].sort((one, other) => one - other);
    const next = direction > 0 ? rungs.find(rung => rung > now * 1.001) : rungs.findLast(rung => rung < now / 1.001);
    if (next) this.zoomTo(next === fit ? 0 : next, pane, point);
  }

  /** Puts this place of the picture into the middle, as far as no margin shows. */
  look(pane, centre) {
    const scale = this.scale(pane), box = [pane.width, pane.height];
    this.centre = centre.map((at, k) => {
      const half = box[k] / 2 / scale;
      return 2 * half >= this.picture[k] ? this.picture[k] / 2 : Math.max(half, Math.min(this.picture[k] - half, at));
    });
  }
}
