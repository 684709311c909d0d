// A line that cuts a stage in two. Drag it from anywhere on the stage, or move it with the keyboard.
// These files are joined into one module script: by the HTML report, and by the app's page.

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
  });
  put(50);
  return { put, get at() { return parseFloat(line.style.left); } };
}

const DIVIDER_STYLE = `
  :host { display: block; color: var(--ink, #16181d); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
  * { box-sizing: border-box; }
  :focus-visible { outline: 3px solid var(--accent, #1f5fd0); outline-offset: 2px; }
  #stage { position: relative; background: #000; touch-action: pan-y; cursor: ew-resize; user-select: none; margin: 0 auto; overflow: hidden; }
  .tag { position: absolute; z-index: 2; top: 12px; padding: 3px 10px; border-radius: 99px; background: rgb(0 0 0 / .62); color: #fff;
    font-size: 13px; pointer-events: none; max-width: 46%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .tag:empty { display: none; }
  #left-tag { left: 12px; } #right-tag { right: 12px; }
  #divider { position: absolute; z-index: 1; top: 0; bottom: 0; width: 2px; margin-left: -1px; background: #fff; box-shadow: 0 0 0 1px rgb(0 0 0 / .35); }
  #divider:focus-visible { outline: none; }
  #divider::after { content: "‹ ›"; position: absolute; top: 50%; left: 50%; width: 40px; height: 40px; line-height: 37px; margin: -20px;
    border-radius: 50%; background: #fff; color: #16181d; text-align: center; font-size: 19px; letter-spacing: 1px; box-shadow: 0 2px 10px rgb(0 0 0 / .45); }
  #divider:focus-visible::after { box-shadow: 0 0 0 4px var(--accent, #1f5fd0); }
  #controls { display: flex; flex-wrap: wrap; gap: 10px 14px; align-items: center; padding: 12px 16px; }
  label { display: flex; gap: 8px; align-items: center; color: var(--soft, #5b616e); font-size: 13px; }
  input[type=range] { width: 100%; accent-color: var(--accent, #1f5fd0); }
  button, select { font: inherit; font-size: 14px; color: inherit; background: var(--page, #f6f6f4); border: 1px solid var(--line, #e2e3e0);
    border-radius: 8px; padding: 6px 12px; max-width: 260px; cursor: pointer; }
  button:hover { border-color: var(--accent, #1f5fd0); }
  button.primary { min-width: 76px; background: var(--accent, #1f5fd0); border-color: var(--accent, #1f5fd0); color: var(--on-accent, #fff); font-weight: 600; }
  output { font-variant-numeric: tabular-nums; color: var(--soft, #5b616e); font-size: 13px; min-width: 6.5em; text-align: right; }
  [hidden] { display: none !important; }
`;

const DIVIDER_LINE = `<div id="divider" role="slider" tabindex="0" aria-orientation="horizontal" aria-valuemin="0" aria-valuemax="100"
  aria-label="Divider between left and right"></div>`;

/** Registers an element once, however often the page's script runs. */
function define(name, element) {
  if (!customElements.get(name)) customElements.define(name, element);
}
