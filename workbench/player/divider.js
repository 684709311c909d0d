// A line that cuts a stage in two. Drag it, or move it with the keyboard.

/** Makes `line` a slider over `stage`. `moved(percent)` is told each change, `grabs(event)` may leave a drag to others. */
function makeDivider(stage, line, moved, grabs = () => true) {
  let dragged = null;
  const put = percent => {
    const at = Math.max(0, Math.min(100, percent));
    line.style.left = `${at}%`;
    line.setAttribute("aria-valuenow", Math.round(at));
    moved(at);
  };
  const follow = event => {
    const box = stage.getBoundingClientRect();
    put(100 * (event.clientX - box.left) / box.width);
  };
  stage.addEventListener("pointerdown", event => {
    if (event.button || !grabs(event)) return;
    dragged = event.pointerId;
    stage.setPointerCapture(dragged);
    line.focus({ preventScroll: true });
    follow(event);
    event.preventDefault();
  });
  stage.addEventListener("pointermove", event => { if (event.pointerId === dragged) follow(event); });
  for (const end of ["pointerup", "pointercancel"])
    stage.addEventListener(end, event => { if (event.pointerId === dragged) dragged = null; });
  line.addEventListener("keydown", event => {
    const step = event.shiftKey ? 10 : 2, now = parseFloat(line.style.left);
    const to = {
      ArrowLeft: now - step, ArrowDown: now - step, ArrowRight: now + step, ArrowUp: now + step,
      PageDown: now - 10, PageUp: now + 10, Home: 0, End: 100,
    }[event.key];
    if (to === undefined) return;
    put(to);
    event.preventDefault();
    event.stopPropagation();
  });
  put(50);
  return { put, drop() { dragged = null; }, get at() { return parseFloat(line.style.left); } };
}

const DIVIDER_LINE = `<div id="divider" role="slider" tabindex="0" aria-orientation="horizontal" aria-valuemin="0" aria-valuemax="100"
  aria-label="Divider between left and right"></div>`;
