// <metric-curves>: one chart a metric, a line a clip over the frames. A click, or an arrow key, goes to a frame.
//
// element.show([{ metric, lines: { name: [value or null, ...] } }, ...]); it tells "frame" when one is chosen, and
// `mark(frame)` moves the marker.

const LINE_COLOURS = ["#1f5fd0", "#c2410c", "#15803d", "#7e22ce", "#a16207"], DARK_LINE_COLOURS = ["#7fb0ff", "#fb923c", "#4ade80", "#d8b4fe", "#facc15"];
const CHART = { width: 560, height: 150, left: 56, right: 10, top: 10, bottom: 22 };

class MetricCurves extends HTMLElement {
  constructor() {
    super();
    this.attachShadow({ mode: "open" }).innerHTML = `<style>
      :host { display: block; color: var(--ink, #16181d); font: 14px/1.4 system-ui, sans-serif; }
      #charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); gap: 14px; }
      figure { margin: 0; padding: 10px 12px; border: 1px solid var(--line, #e2e3e0); border-radius: 12px; background: var(--card, #fff); }
      figcaption { display: flex; justify-content: space-between; gap: 10px; font-weight: 600; font-size: 13px; }
      figcaption output { font-weight: 400; color: var(--soft, #5b616e); font-variant-numeric: tabular-nums; text-align: right; }
      svg { width: 100%; display: block; cursor: crosshair; touch-action: pan-y; } svg:focus-visible { outline: 3px solid var(--accent, #1f5fd0); }
      svg text { fill: var(--soft, #5b616e); font-size: 11px; } path { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; }
      circle { r: 3.5; } .axis { stroke: var(--line, #e2e3e0); } .now { stroke: var(--ink, #16181d); stroke-dasharray: 3 3; }
      #legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 0 0 10px; padding: 0; list-style: none; font-size: 13px; }
      #legend i { display: inline-block; width: 18px; height: 3px; margin-right: 6px; vertical-align: middle; }
      </style><ul id="legend"></ul><div id="charts"></div>`;
  }

  show(curves) {
    this.names = Object.keys(curves[0]?.lines ?? {});
    const dark = document.body.classList.contains("dark");
    this.colours = dark ? DARK_LINE_COLOURS : LINE_COLOURS;
    this.shadowRoot.getElementById("legend").replaceChildren(...this.names.map((name, k) => {
      const item = document.createElement("li"), mark = document.createElement("i");
      mark.style.background = this.#colour(k);
      item.append(mark, name);
      return item;
    }));
    this.charts = curves.map(curve => this.#chart(curve)).filter(Boolean);
    this.shadowRoot.getElementById("charts").replaceChildren(...this.charts.map(chart => chart.figure));
    this.mark(0);
  }

  /** The marker stands at this frame in every chart. */
  mark(frame) {
    for (const chart of this.charts ?? []) chart.mark(frame);
  }

  #colour(k) { return this.colours[k % this.colours.length]; }

  #chart({ metric, lines }) {
    const values = Object.values(lines), frames = values[0]?.length ?? 0;
    const known = values.flat().filter(Number.isFinite);
    if (!known.length) return null;
    const low = Math.min(...known), high = Math.max(...known), { width, height, left, right, top, bottom } = CHART;
    const x = frame => left + (width - left - right) * (frames > 1 ? frame / (frames - 1) : 0.5);
    const y = value => top + (height - top - bottom) * (high > low ? (high - value) / (high - low) : 0.5);
    const figure = document.createElement("figure");
    figure.innerHTML = `<figcaption><span></span><output></output></figcaption>
      <svg viewBox="0 0 ${width} ${height}" tabindex="0" role="slider" aria-valuemin="0" aria-valuemax="${frames - 1}">
        <line class="axis" x1="${left}" x2="${width - right}" y1="${height - bottom}" y2="${height - bottom}"/>
        <text x="${left - 6}" y="${top + 8}" text-anchor="end">${shortNumber(high)}</text><text x="${left - 6}" y="${height - bottom}" text-anchor="end">${shortNumber(low)}</text>
        <text x="${left}" y="${height - 6}">0</text><text x="${width - right}" y="${height - 6}" text-anchor="end">${frames - 1}</text>
        ${values.map((line, k) => `<path d="${pathOf(line, x, y)}" stroke="${this.#colour(k)}"/>`).join("")}
        <line class="now" y1="${top}" y2="${height - bottom}"/></svg>`;
    const svg = figure.querySelector("svg"), now = figure.querySelector(".now"), said = figure.querySelector("output");
    figure.querySelector("span").textContent = metric;
    svg.setAttribute("aria-label", `${metric}, frame by frame`);
    let at = 0;
    const mark = frame => {
      at = Math.max(0, Math.min(frames - 1, frame));
      now.setAttribute("x1", x(at));
      now.setAttribute("x2", x(at));
      const words = Object.entries(lines).map(([name, line]) => (this.names.length > 1 ? `${name} ` : "") + (Number.isFinite(line[at]) ? shortNumber(line[at]) : "–"));
      said.textContent = `frame ${at}: ${words.join(", ")}`;
      svg.setAttribute("aria-valuenow", at);
      svg.setAttribute("aria-valuetext", said.textContent);
    };
    const go = frame => {
      mark(frame);
      this.dispatchEvent(new CustomEvent("frame", { detail: at, bubbles: true, composed: true }));
    };
    svg.addEventListener("click", event => {
      const box = svg.getBoundingClientRect(), along = ((event.clientX - box.left) / box.width * width - left) / (width - left - right);
      go(Math.round(along * (frames - 1)));
    });
    svg.addEventListener("keydown", event => {
      const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: frames - 1 }[event.key];
      if (to === undefined) return;
      go(to);
      event.preventDefault();
    });
    return { figure, mark };
  }
}

/** A path through the values that are there; one value alone is a dot. */
function pathOf(values, x, y) {
  let path = "", drawing = false;
  values.forEach((value, frame) => {
    if (Number.isFinite(value)) path += `${drawing ? "L" : "M"}${x(frame).toFixed(1)} ${y(value).toFixed(1)}`;
    if (Number.isFinite(value) && !drawing) path += "h.01";
    drawing = Number.isFinite(value);
  });
  return path;
}

function shortNumber(value) { return String(Number(value.toPrecision(4))); }
define("metric-curves", MetricCurves);
