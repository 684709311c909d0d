// A magnifier: both pictures around one pixel, much enlarged, beside the pointer; and what the pixel's values are.

const MAGNIFIED = 17; // pixels a side

function drawMagnifier(stage, point, spot, density) {
  const { context, canvas, camera, twins } = stage;
  const scale = Math.round(Math.max(8 * density, 2 * camera.scale(stage.panes[0]))), side = MAGNIFIED * scale, gap = 2, margin = 18 * density;
  const x = point[0] + margin + 2 * side + gap <= canvas.width ? point[0] + margin : Math.max(0, point[0] - margin - 2 * side - gap);
  const y = Math.max(0, Math.min(canvas.height - side, point[1] - side / 2));
  const area = { x: Math.floor(spot[0]) - (MAGNIFIED >> 1), y: Math.floor(spot[1]) - (MAGNIFIED >> 1), width: MAGNIFIED, height: MAGNIFIED };
  context.save();
  context.imageSmoothingEnabled = false;
  context.fillStyle = "#000";
  context.fillRect(x - 2, y - 2, 2 * side + gap + 4, side + 4);
  [twins.left, twins.right].forEach((one, k) => {
    const box = { x: x + k * (side + gap), y, width: side, height: side };
    one.draw(context, area, box, camera.picture);
    context.strokeStyle = "#fff";
    context.lineWidth = density;
    context.strokeRect(box.x + (MAGNIFIED >> 1) * scale, box.y + (MAGNIFIED >> 1) * scale, scale, scale);
  });
  context.restore();
}

/** "x 12, y 40 · bicubic 20 30 40 · upscaled 21 30 39 · +1 0 −1"; "" beside the picture. */
function pixelWords(stage, spot) {
  const [x, y] = spot.map(Math.floor), [width, height] = stage.camera.picture;
  if (x < 0 || y < 0 || x >= width || y >= height) return "";
  const values = stage.twins.sides.map(side => [...stage.pixels(side, { x, y, width: 1, height: 1 }).data.slice(0, 3)]);
  const signed = values[1].map((value, k) => value - values[0][k]).map(value => (value > 0 ? `+${value}` : `${value}`.replace("-", "−")));
  return `x ${x}, y ${y} · ${stage.twins.sides.map((side, k) => `${side.name} ${values[k].join(" ")}`).join(" · ")} · ${signed.join(" ")}`;
}
