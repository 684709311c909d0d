// <video-divider>: two clips of the same length play as one, cut by a divider over the moving picture.
//
// element.show({ clips: { name: url }, left, right, fps, frames, size: [width, height], sound, start }) starts it, paused.
// `left`, `right`: names in clips; with more than two clips each side has a menu. `sound`: the right clip has some.
// `start`: the frame that is shown first. It tells each frame it comes to by an event "frame"; `stopAt(frame)` goes to one.

class VideoDivider extends HTMLElement {
  constructor() {
    super();
    this.attachShadow({ mode: "open" }).innerHTML = `<style>${DIVIDER_STYLE}
      #stage { max-height: var(--stage-height, 78vh); }
      video { position: absolute; inset: 0; width: 100%; height: 100%; display: block; pointer-events: none; }
      .scrub { flex: 1 1 160px; }
      :host(:fullscreen) { --stage-height: calc(100vh - 120px); background: var(--card, #fff); }
      #choices { display: flex; flex: 1 0 100%; flex-wrap: wrap; gap: 10px 20px; }
      </style>
      <div id="stage">
        <video id="left" muted playsinline preload="auto"></video>
        <video id="right" muted playsinline preload="auto"></video>
        <span class="tag" id="left-tag"></span><span class="tag" id="right-tag"></span>${DIVIDER_LINE}
      </div>
      <div id="controls">
        <button type="button" id="play" class="primary">Play</button>
        <button type="button" id="back" aria-label="Previous frame">◂</button>
        <button type="button" id="forward" aria-label="Next frame">▸</button>
        <label class="scrub"><span>Frame</span><input type="range" id="scrub" min="0" value="0" step="1"></label>
        <output id="frame" for="scrub"></output>
        <label>Speed <select id="speed"><option value="1">1×</option><option value="0.5">½×</option><option value="0.25">¼×</option></select></label>
        <button type="button" id="loop" aria-pressed="true" aria-label="Loop" title="Loop">↻</button>
        <button type="button" id="sound" aria-pressed="false">Sound off</button>
        <button type="button" id="help" aria-label="Keys" title="Keys">?</button>
        <div id="choices">
          <label>Left <select id="left-choice"></select></label>
          <label>Right <select id="right-choice"></select></label>
        </div>
      </div>`;
    for (const part of ["stage", "left", "right", "divider", "scrub", "play", "frame", "speed", "loop", "sound"]) this[`$${part}`] = this.part(part);
    this.current = 0;
    this.playing = false;
    this.divider = makeDivider(this.$stage, this.$divider, at => this.#cut(at));
    this.looping = true;
    this.keys = {
      toggle: () => this.play(!this.playing),
      back: () => this.stopAt(this.current - 1),
      on: () => this.stopAt(this.current + 1),
      jump: share => this.stopAt(Math.round(share * (this.data.frames - 1))),
      loop: () => { this.looping = !this.looping; this.$loop.setAttribute("aria-pressed", this.looping); },
      full: () => toggleFull(this),
    };
    this.$loop.addEventListener("click", this.keys.loop);
    this.part("help").addEventListener("click", showKeys);
    this.$play.addEventListener("click", () => this.play(!this.playing));
    this.part("back").addEventListener("click", () => this.stopAt(this.current - 1));
    this.part("forward").addEventListener("click", () => this.stopAt(this.current + 1));
    this.$scrub.addEventListener("input", () => this.stopAt(parseInt(this.$scrub.value, 10)));
    this.$speed.addEventListener("change", () => this.#pace());
    this.$sound.addEventListener("click", () => this.#hear(this.$right.muted));
    for (const video of this.#videos) this.part(`${video.id}-choice`).addEventListener("change", event => this.#choose(video, event.target.value));
  }

  connectedCallback() {
    this.watcher = new IntersectionObserver(([seen]) => { if (!seen.isIntersecting) this.play(false); });
    this.watcher.observe(this);
  }
  disconnectedCallback() {
    this.watcher.disconnect();
    this.play(false);
  }

  part(id) { return this.shadowRoot.getElementById(id); }
  get #videos() { return [this.$left, this.$right]; }

  show(data) {
    this.data = data;
    this.current = data.start ?? 0;
    const [width, height] = data.size;
    this.$stage.style.aspectRatio = `${width} / ${height}`;  // small clips are not blown up beyond four times
    this.$stage.style.maxWidth = `min(100%, ${width * 4}px, calc(var(--stage-height, 78vh) * ${width / height}))`;
    this.$scrub.max = data.frames - 1;
    this.$sound.hidden = !data.sound;
    this.part("choices").hidden = Object.keys(data.clips).length < 3;
    for (const video of this.#videos) {
      this.part(`${video.id}-choice`).replaceChildren(...Object.keys(data.clips).map(name => new Option(name, name)));
      this.#choose(video, data[video.id]);
    }
    this.#told();
  }

  play(on) {
    if (on === this.playing) return;
    this.playing = on;
    this.$play.textContent = on ? "Pause" : "Play";
    for (const video of this.#videos) on ? video.play().catch(() => {}) : video.pause();
    if (on) requestAnimationFrame(() => this.#follow());
    else if (this.data) this.#seek(this.current);
  }

  stopAt(frame) {
    this.play(false);
    this.#seek(frame);
  }

  #seek(frame) {
    this.current = Math.max(0, Math.min(this.data.frames - 1, frame));
    for (const video of this.#videos) video.currentTime = (this.current + 0.5) / this.data.fps;
    this.#told();
  }

  #told() {
    this.$scrub.value = this.current;
    this.$frame.value = `${this.current} of ${this.data.frames - 1}`;
    this.dispatchEvent(new CustomEvent("frame", { detail: this.current, bubbles: true, composed: true }));
  }

  // The right clip leads, as it may be heard; the left one is pulled after it when it is more than half a frame away.
  #follow() {
    if (!this.playing) return;
    const [left, right] = this.#videos;
    this.current = Math.min(this.data.frames - 1, Math.floor(right.currentTime * this.data.fps));
    this.#told();
    if (right.ended && !this.looping) return this.play(false);
    if (right.ended) {
      left.currentTime = right.currentTime = 0;
      for (const video of this.#videos) video.play().catch(() => {});
    } else if (!left.seeking && Math.abs(left.currentTime - right.currentTime) > 0.5 / this.data.fps) {
      left.currentTime = right.currentTime;
      if (left.paused) left.play().catch(() => {});
    }
    requestAnimationFrame(() => this.#follow());
  }

  #choose(video, name) {
    video.src = this.data.clips[name];
    video.dataset.name = name;
    this.part(`${video.id}-tag`).textContent = name;
    this.part(`${video.id}-choice`).value = name;
    this.#pace();
    this.#cut(this.divider.at);
    video.addEventListener("loadeddata", () => {
      video.currentTime = this.playing ? this.$right.currentTime : (this.current + 0.5) / this.data.fps;
      if (this.playing) video.play().catch(() => {});
    }, { once: true });
  }

  #pace() {
    for (const video of this.#videos) video.playbackRate = video.defaultPlaybackRate = parseFloat(this.$speed.value);
  }

  #hear(on) {
    this.$right.muted = !on;
    this.$sound.textContent = on ? "Sound on" : "Sound off";
    this.$sound.setAttribute("aria-pressed", on);
  }

  #cut(at) {
    this.$right.style.clipPath = `inset(0 0 0 ${at}%)`;
    const [left, right] = this.#videos.map(video => video.dataset.name ?? "");
    this.$divider.setAttribute("aria-valuetext", `${Math.round(at)} % ${left}, ${Math.round(100 - at)} % ${right}`);
  }
}
define("video-divider", VideoDivider);
