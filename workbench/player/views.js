// The ways of seeing two pictures, one row each. `draw(stage, pane, ...)` draws into the stage's canvas; `panes`: how many stand side by side.

const VIEWS = {
  divider: { label: "Divider", says: "Both, cut by a line that you drag", line: true, draw: drawCut },
  beside: { label: "Side by side", says: "Both at the same place", panes: 2, draw: drawBeside },
  alone: { label: "Blink", says: "The right one; the left one while B is held, or the picture is pressed", draw: stage => stage.side(stage.twins.right, stage.panes[0]) },
  difference: { label: "Difference", says: "|right − left|, amplified: black where they are equal", gain: true, both: true, draw: stage => drawDifference(stage, absoluteDifference) },
  signed: { label: "Signed", says: "right − left, amplified: grey where they are equal, brighter where the right one is", gain: true, both: true, draw: stage => drawDifference(stage, signedDifference) },
  change: { label: "Change", says: "Of each, what changes from the frame before", gain: true, line: true, past: true, draw: drawChange },
};

/** The canvas of a player, and what a view needs to draw into it. */
class Stage {
  constructor(canvas, twins, camera) {
    Object.assign(this, { canvas, twins, camera, context: canvas.getContext("2d"), one: scratch(), other: scratch(), gain: 4, cut: 0.5, motion: new Motion(null) });
  }

  get whole() { return { x: 0, y: 0, width: this.canvas.width, height: this.canvas.height }; }

  /** Cuts the canvas into panes, beside each other or one above the other: whichever shows the pictures larger. */
  arrange(count) {
    const { width, height } = this.canvas, gap = count > 1 ? 2 : 0;
    const wide = { width: Math.floor((width - gap) / count), height }, high = { width, height: Math.floor((height - gap) / count) };
    const across = this.camera.fit(wide) >= this.camera.fit(high), pane = across ? wide : high;
    this.panes = Array.from({ length: count }, (_, k) => ({ ...pane, x: across ? k * (pane.width + gap) : 0, y: across ? 0 : k * (pane.height + gap) }));
  }

  /** The pane at a point of the canvas. */
  paneAt([x, y]) {
    return this.panes.find(pane => x >= pane.x && y >= pane.y && x < pane.x + pane.width && y < pane.y + pane.height) ?? this.panes[0];
  }

  /** Draws something that covers an area of the picture where the camera sees that. Enlarged by a whole number, pixels stay as they are. */
  put(pane, area, draw) {
    const { context } = this, { scale, left, top } = this.camera.place(pane);
    context.save();
    context.beginPath();
    context.rect(pane.x, pane.y, pane.width, pane.height);
    context.clip();
    context.imageSmoothingEnabled = !(Number.isInteger(scale) || scale > 6);
    context.imageSmoothingQuality = "high";
    draw({ x: left + area.x * scale, y: top + area.y * scale, width: area.width * scale, height: area.height * scale });
    context.restore();
  }

  side(side, pane) {
    const area = this.camera.seen(pane);
    this.put(pane, area, box => side.draw(this.context, area, box, this.camera.picture));
  }

  /** The pixels of an area of the picture of a side. */
  pixels(side, { x, y, width, height }, surface = this.one) {
    const context = sized(surface, width, height);
    context.imageSmoothingEnabled = false;
    side.draw(context, { x, y, width, height }, { x: 0, y: 0, width, height }, this.camera.picture);
    return context.getImageData(0, 0, width, height);
  }

  /** Puts pixels of an area back to where they were taken. */
  paint(pixels, area, pane) {
    this.one.putImageData(pixels, 0, 0);
    this.put(pane, area, box => this.context.drawImage(this.one.canvas, box.x, box.y, box.width, box.height));
  }

  draw(view) {
    this.arrange(view.panes ?? 1);
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    view.draw(this);
  }
}

function drawCut(stage) {
  drawHalves(stage, (side, half) => stage.side(side, half));
}

/** `draw(side, pane)` on either side of the line, as if each had the whole pane. */
function drawHalves(stage, draw) {
  const [pane] = stage.panes, at = Math.round(pane.width * stage.cut), { context } = stage;
  for (const [side, x, width] of [[stage.twins.left, pane.x, at], [stage.twins.right, pane.x + at, pane.width - at]]) {
    context.save();
    context.beginPath();
    context.rect(x, pane.y, width, pane.height);
    context.clip();
    draw(side, pane);
    context.restore();
  }
}

function drawBeside(stage) {
  stage.twins.sides.forEach((side, k) => stage.side(side, stage.panes[k]));
}

function drawDifference(stage, difference) {
  const [pane] = stage.panes, area = stage.camera.seen(pane);
  if (!area.width || !area.height) return;
  const left = stage.pixels(stage.twins.left, area), right = stage.pixels(stage.twins.right, area, stage.other);
  difference(left, right, stage.gain);
  stage.paint(left, area, pane);
}

/** Nothing is drawn of a side whose frame before this one is not at hand. */
function drawChange(stage) {
  drawHalves(stage, (side, pane) => {
    const area = stage.camera.seen(pane), frame = side.shown;
    if (side.kept.frame !== frame - 1 || side.still || !area.width || !area.height) return;
    const now = stage.pixels(side, area), { canvas } = side.kept.context;
    const before = side.kept.context.getImageData(0, 0, canvas.width, canvas.height);
    changeAlong(now, before, stage.motion.over(frame, area, stage.camera.picture), area, stage.gain);
    stage.paint(now, area, pane);
  });
}
