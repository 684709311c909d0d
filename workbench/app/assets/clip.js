// <clip-view data-token data-kind data-frames data-seconds data-times data-first data-last data-shown>: the chosen clip, and the range
// of it that is upscaled. `data-times`: when each frame begins, where they are not even. The range and the frame shown go into the page's
// hidden fields #clip-first, #clip-last and #clip-shown.

class ClipView extends HTMLElement {
  constructor() {
    super();
    this.attachShadow({ mode: "open" }).innerHTML = `<style>${JOB_STYLE}
      #picture { position: relative; aspect-ratio: 16 / 9; background: #0b0c0f; overflow: hidden; }
      #picture > * { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; display: block; }
      #picture video { cursor: pointer; }
      #picture :focus-visible { outline-offset: -3px; }
      #strip { position: relative; height: 44px; background: #0b0c0f; touch-action: pan-y; cursor: pointer; border-top: 1px solid var(--line); }
      #strip img { width: 100%; height: 100%; object-fit: fill; display: block; opacity: .9; pointer-events: none; }
      #strip i { position: absolute; top: 0; bottom: 0; pointer-events: none; }
      #before, #after { background: rgb(0 0 0 / .66); } #before { left: 0; } #after { right: 0; }
      #now { width: 2px; margin-left: -1px; background: #fff; box-shadow: 0 0 0 1px rgb(0 0 0 / .5); }
      #strip input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; appearance: none; background: none; pointer-events: none; }
      #strip input::-webkit-slider-thumb { appearance: none; pointer-events: auto; width: 12px; height: 44px; border-radius: 4px; background: #fff; border: 4px solid var(--accent); cursor: ew-resize; }
      #strip input::-moz-range-thumb { pointer-events: auto; width: 4px; height: 36px; border-radius: 4px; background: #fff; border: 4px solid var(--accent); cursor: ew-resize; }
      #said { padding: 8px 14px 0; color: var(--soft); font-size: 13px; display: flex; gap: 4px 12px; flex-wrap: wrap; justify-content: space-between; font-variant-numeric: tabular-nums; }
      #said button { padding: 0 8px; font-size: 13px; }
      </style>
      <div id="picture"></div>
      <div id="strip"><img id="thumbnails" alt=""><i id="before"></i><i id="after"></i><i id="now"></i>
        <input type="range" id="first" min="0" step="1" aria-label="First frame of the range"><input type="range" id="last" min="0" step="1" aria-label="Last frame of the range"></div>
      <div id="said"><span id="range"></span><span id="at"></span></div>`;
    for (const id of ["picture", "strip", "thumbnails", "before", "after", "now", "first", "last", "said", "range", "at"])
      this[`$${id}`] = this.shadowRoot.getElementById(id);
    for (const side of ["first", "last"]) {
      this[`$${side}`].addEventListener("input", () => this.#moved(side));
      this[`$${side}`].addEventListener("change", () => this.#tell());
    }
    this.$strip.addEventListener("pointerdown", event => this.#seekTo(event));
  }

  connectedCallback() {
    const { token, kind, frames, seconds, times, first, last, shown } = this.dataset;
    this.frames = Number(frames);
    this.clock = new Clock({ fps: Number(seconds) ? this.frames / seconds : 0, frames: this.frames, times: times ? times.split(",").map(Number) : null });
    [this.first, this.last, this.shown] = [first, last, shown].map(Number);
    this.$strip.hidden = this.$said.hidden = this.frames < 2;
    for (const side of ["first", "last"]) {
      this[`$${side}`].max = this.frames - 1;
      this[`$${side}`].value = this[side];
    }
    if (this.frames > 1) this.$thumbnails.src = `materials/${token}/strip`;
    this.$thumbnails.addEventListener("error", () => { this.$thumbnails.hidden = true; });
    kind === "video" ? this.#playable(token) : this.#still(token);
    this.#draw();
  }

  #playable(token) {
    const video = this.$video = make("video", { src: `materials/${token}`, poster: `materials/${token}/poster`, muted: true, playsInline: true, preload: "metadata", tabIndex: 0, loop: true });
    video.setAttribute("aria-label", "Your clip: space plays it, I and O set its range, question mark shows all keys");
    video.addEventListener("error", () => this.#still(token, "This browser does not play this kind of file; everything else works."), { once: true });
    video.addEventListener("loadedmetadata", () => { video.currentTime = this.clock.middle(this.shown); }, { once: true });
    video.addEventListener("timeupdate", () => { if (!video.paused) this.#show(this.clock.frameAt(video.currentTime)); });
    video.addEventListener("pause", () => this.#tell());
    video.addEventListener("click", () => this.keys.toggle());
    this.keys = {
      toggle: () => (video.paused ? video.play().catch(() => {}) : video.pause()),
      back: () => this.go(this.shown - 1),
      on: () => this.go(this.shown + 1),
      jump: share => this.go(Math.round(share * (this.frames - 1))),
      loop: () => { video.loop = !video.loop; },
      full: () => toggleFull(this),
      begin: () => this.#mark("first"),
      end: () => this.#mark("last"),
    };
    this.$picture.replaceChildren(video);
  }

  #still(token, words = "") {
    this.$video = null;
    this.keys = { back: () => this.go(this.shown - 1), on: () => this.go(this.shown + 1), begin: () => this.#mark("first"), end: () => this.#mark("last") };
    this.$picture.replaceChildren(make("img", { src: `materials/${token}/poster`, alt: "" })); // no browser shows every kind of picture
    if (words) this.$said.after(make("p", { className: "soft", style: "padding: 4px 14px 0" }, words));
  }

  /** Shows a frame, paused. */
  go(frame) {
    this.$video?.pause();
    this.#show(frame);
    if (this.$video) this.$video.currentTime = this.clock.middle(this.shown);
    this.#tell();
  }

  #show(frame) {
    this.shown = Math.max(0, Math.min(this.frames - 1, frame));
    this.#draw();
  }

  #mark(side) {
    this[`$${side}`].value = this.shown;
    this.#moved(side);
    this.#tell();
  }

  /** One end never passes the other; the frame at it is shown. */
  #moved(side) {
    const at = Number(this[`$${side}`].value);
    this[side] = side === "first" ? Math.min(at, this.last) : Math.max(at, this.first);
    this[`$${side}`].value = this[side];
    this.#show(this[side]);
    if (this.$video) this.$video.currentTime = this.clock.middle(this.shown);
  }

  #seekTo(event) {
    if (event.target.localName === "input" || event.button) return;
    const box = this.$strip.getBoundingClientRect();
    this.go(Math.round((event.clientX - box.left) / box.width * (this.frames - 1)));
  }

  #draw() {
    const share = frame => `${100 * frame / Math.max(this.frames - 1, 1)}%`;
    this.$before.style.width = share(this.first);
    this.$after.style.width = share(this.frames - 1 - this.last);
    this.$now.style.left = share(this.shown);
    const count = this.last - this.first + 1;
    this.$range.textContent = count === this.frames ? `All ${this.frames} frames` : `Frames ${this.first} to ${this.last}, ${count} of ${this.frames}`;
    this.$at.textContent = `frame ${this.shown} shown`;
  }

  #tell() {
    for (const name of ["first", "last", "shown"]) {
      const field = document.querySelector(`#clip-${name} input`);
      if (!field || field.value === String(this[name])) continue;
      field.value = this[name];
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }
}
define("clip-view", ClipView);

// Gradio names its upload buttons otherwise than they read; their own words are the better name.
new MutationObserver(() => {
  for (const button of document.querySelectorAll("#clip-upload button[aria-label], #second-upload button[aria-label]"))
    if (button.textContent.trim()) button.removeAttribute("aria-label");
}).observe(document.documentElement, { childList: true, subtree: true });
