// <picture-divider>: two pictures of one size, cut by a divider; a click or Ctrl and the wheel enlarges, a drag then moves.
//
// element.show({ left: { name, src }, right: { name, src }, size: [width, height] }) swaps both at once, when both are there.

const ZOOMS = [1, 2, 4, 8];
const CLICK = 4; // pixels that a hand may shake in a click

class PictureDivider extends HTMLElement {
  constructor() {
    super();
    this.attachShadow({ mode: "open" }).innerHTML = `<style>${DIVIDER_STYLE}
      #stage { max-height: var(--stage-height, 78vh); }
      :host(:fullscreen) { --stage-height: calc(100vh - 70px); background: var(--card, #fff); }
      .pane { position: absolute; inset: 0; overflow: hidden; pointer-events: none; }
      .pane img { position: absolute; width: 100%; height: 100%; display: block; transform-origin: 0 0; }
      .close img { image-rendering: pixelated; }
      #bar { display: flex; gap: 8px; align-items: center; padding: 10px 16px; color: var(--soft, #5b616e); font-size: 13px; }
      #bar span { flex: 1; }
      #bar button { padding: 3px 10px; font-size: 13px; min-width: 40px; }
      #bar button[aria-pressed=true] { border-color: var(--accent, #1f5fd0); color: var(--accent, #1f5fd0); font-weight: 600; }
      </style>
      <div id="stage">
        <div class="pane"><img id="left" alt=""></div><div class="pane" id="cut"><img id="right" alt=""></div>
        <span class="tag" id="left-tag"></span><span class="tag" id="right-tag"></span>${DIVIDER_LINE}
      </div>
      <div id="bar"><span id="hint">Drag to compare, click to enlarge</span>${ZOOMS.map(z => `<button type="button" data-zoom="${z}" aria-label="Enlarge ${z} times">${z}×</button>`).join("")}</div>`;
    const part = id => this.shadowRoot.getElementById(id);
    [this.stage, this.line, this.left, this.right, this.cut] = ["stage", "divider", "left", "right", "cut"].map(part);
    this.zoom = 1;
    this.centre = [0.5, 0.5]; // of the picture, in its own width and height
    this.stage.addEventListener("pointerdown", event => this.#down(event)); // before the divider moves
    this.divider = makeDivider(this.stage, this.line, at => { this.cut.style.clipPath = `inset(0 0 0 ${at}%)`; this.#told(); }, event => this.#grabs(event));
    this.stage.addEventListener("pointermove", event => this.#move(event));
    this.stage.addEventListener("pointerup", event => this.#up(event));
    this.stage.addEventListener("pointercancel", () => { this.held = null; });
    this.stage.addEventListener("wheel", event => this.#wheel(event), { passive: false });
    this.line.addEventListener("keydown", event => {
      const to = { "+": 1, "=": 1, "-": -1 }[event.key];
      if (to) this.enlarge(ZOOMS[Math.max(0, Math.min(ZOOMS.length - 1, ZOOMS.indexOf(this.zoom) + to))]);
    });
    for (const button of this.shadowRoot.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => this.enlarge(Number(button.dataset.zoom)));
    this.keys = { full: () => toggleFull(this) };
    this.enlarge(1);
  }

  async show({ left, right, size }) {
    const turn = this.turn = Symbol("the newest call");
    const loaded = await Promise.all([left, right].map(side => loadPicture(side.src)));
    if (this.turn !== turn) return;
    const [width, height] = size ?? [loaded[1].naturalWidth, loaded[1].naturalHeight];
    this.stage.style.aspectRatio = `${width} / ${height}`;
    this.stage.style.maxWidth = `min(100%, ${width * 4}px, calc(var(--stage-height, 78vh) * ${width / height}))`;
    for (const [side, about, image] of [["left", left, loaded[0]], ["right", right, loaded[1]]]) {
      image.id = side;
      image.alt = about.name;
      this[side].replaceWith(image); // not its src set anew: that could fetch it again
      this[side] = image;
      this.shadowRoot.getElementById(`${side}-tag`).textContent = about.name;
    }
    this.#told();
    this.#place();
  }

  enlarge(zoom, centre = this.centre) {
    this.zoom = zoom;
    const half = 0.5 / zoom;
    this.centre = centre.map(at => Math.max(half, Math.min(1 - half, at)));
    for (const button of this.shadowRoot.querySelectorAll("[data-zoom]")) button.setAttribute("aria-pressed", Number(button.dataset.zoom) === zoom);
    this.#place();
  }

  #place() {
    const [x, y] = this.centre.map(at => (0.5 - at * this.zoom) * 100);
    for (const image of [this.left, this.right]) image.style.transform = `translate(${x}%, ${y}%) scale(${this.zoom})`;
    const box = this.stage.getBoundingClientRect();
    this.stage.classList.toggle("close", box.width * this.zoom > this.right.naturalWidth * 1.5);
    this.stage.style.cursor = this.zoom > 1 ? "grab" : "ew-resize";
    this.stage.style.touchAction = this.zoom > 1 ? "none" : "pan-y";
  }

  /** A place on the screen -> of the picture, each 0 to 1. */
  #spot(event) {
    const box = this.stage.getBoundingClientRect();
    const at = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    return at.map((value, k) => this.centre[k] + (value - 0.5) / this.zoom);
  }

  /** Enlarged, only the line itself is dragged; elsewhere a drag moves the picture. */
  #grabs(event) {
    if (this.zoom === 1) return true;
    const box = this.line.getBoundingClientRect();
    return Math.abs(event.clientX - box.left) < 24;
  }
  #down(event) {
    if (event.button) return;
    this.held = { x: event.clientX, y: event.clientY, at: this.divider.at, spot: this.#spot(event), pans: !this.#grabs(event), moved: false };
    this.stage.setPointerCapture(event.pointerId);
  }
  #move(event) {
    if (!this.held) return;
    this.held.moved ||= Math.hypot(event.clientX - this.held.x, event.clientY - this.held.y) > CLICK;
    if (!this.held.pans) return;
    const now = this.#spot(event);
    this.enlarge(this.zoom, this.centre.map((at, k) => at + this.held.spot[k] - now[k]));
  }
  #up(event) {
    const held = this.held;
    this.held = null;
    if (!held || held.moved) return;
    this.divider.put(held.at);
    const next = ZOOMS[(ZOOMS.indexOf(this.zoom) + 1) % ZOOMS.length];
    this.enlarge(next, held.spot);
    event.preventDefault();
  }
  #wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the page
    event.preventDefault();
    const step = event.deltaY < 0 ? 1 : -1;
    this.enlarge(ZOOMS[Math.max(0, Math.min(ZOOMS.length - 1, ZOOMS.indexOf(this.zoom) + step))], this.#spot(event));
  }

  #told() {
    const at = Math.round(this.divider?.at ?? 50);
    this.line.setAttribute("aria-valuetext", `${at} % ${this.left.alt}, ${100 - at} % ${this.right.alt}`);
  }
}

async function loadPicture(src) {
  const image = new Image();
  image.src = src;
  await image.decode();
  return image;
}
define("picture-divider", PictureDivider);
