// Hands on a stage: a drag moves what is enlarged, two fingers or the wheel enlarge, a double click goes in and out.

const NOTCH = 40; // pixels of a wheel that make one step

/** `point(event)`: where on the canvas; `camera`, `pane(point)`: what is moved; `free()`: whether a drag may move it; `changed()` is told. */
function makeHands(stage, { camera, point, pane, free, changed }) {
  const down = new Map();
  let pinch = null, held = null, turned = 0;

  const spread = () => {
    const [one, other] = [...down.values()];
    return { apart: Math.hypot(one[0] - other[0], one[1] - other[1]), middle: [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2] };
  };
  stage.addEventListener("pointerdown", event => {
    if (event.button) return;
    const at = point(event);
    down.set(event.pointerId, at);
    if (down.size === 2) {
      const { apart, middle } = spread();
      pinch = { apart, scale: camera.scale(pane(middle)) };
      held = null;
    } else if (down.size === 1 && camera.zoom && free(event)) {
      held = { at, centre: camera.centre };
      stage.setPointerCapture(event.pointerId);
      stage.focus({ preventScroll: true });
      event.preventDefault();
    }
  }, { capture: true });
  stage.addEventListener("pointermove", event => {
    if (!down.has(event.pointerId)) return;
    const at = point(event);
    down.set(event.pointerId, at);
    if (pinch && down.size === 2) {
      const { apart, middle } = spread(), where = pane(middle), wanted = pinch.scale * apart / pinch.apart, fit = camera.fit(where);
      const near = [...RUNGS, fit].reduce((best, rung) => (Math.abs(Math.log(rung / wanted)) < Math.abs(Math.log(best / wanted)) ? rung : best));
      camera.zoomTo(near === fit ? 0 : near, where, middle);
      changed();
    } else if (held) {
      const where = pane(at), scale = camera.scale(where);
      camera.look(where, held.centre.map((centre, k) => centre - (at[k] - held.at[k]) / scale));
      changed();
    }
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, event => {
    down.delete(event.pointerId);
    held = null;
    if (down.size < 2) pinch = null;
  });
  stage.addEventListener("wheel", event => {
    const mine = event.ctrlKey || event.metaKey || document.fullscreenElement || stage.matches(":focus-within");
    if (!mine) return; // the page scrolls
    turned += event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    const at = point(event), before = camera.zoom;
    if (Math.abs(turned) >= NOTCH) {
      camera.step(-Math.sign(turned), pane(at), at);
      turned = 0;
      changed();
    }
    if (event.ctrlKey || event.metaKey || before || camera.zoom) event.preventDefault(); // seen whole, the page scrolls on
  }, { passive: false });
  stage.addEventListener("dblclick", event => {
    const at = point(event), where = pane(at);
    camera.zoom ? camera.home() : camera.zoomTo(Math.max(2, Math.ceil(camera.fit(where)) * 2), where, at);
    changed();
  });
  stage.addEventListener("keydown", event => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way || !camera.zoom || event.target !== stage) return;
    const where = pane(null), scale = camera.scale(where), far = event.shiftKey ? 1 : Math.max(1, Math.round(0.1 * Math.min(where.width, where.height) / scale));
    camera.look(where, camera.centre.map((centre, k) => centre + way[k] * far));
    changed();
    event.preventDefault();
  });
}
