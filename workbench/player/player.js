// <clip-player>: two clips of the same length, or two pictures, seen as one: cut by a line, side by side, blinking, as a difference.
//
// element.show({ clips: { name: url }, left, right, fps, frames, size: [width, height], times, sound, start, still, motion, linked })
// `left`, `right`: names in clips; with more than two each side has a menu. `times`: of each frame, where they are not even. `sound`: the
// right clip has some. `start`: the frame shown first. `still`: the clips are pictures. `motion`: flow, as motion.js reads it. `linked`:
// the address keeps the place, and gives it. It tells each frame it comes to by an event "frame"; `stopAt(frame)` goes to one.

const PATIENCE = 3; // paints that wait for the slower side, before two moments are shown together

class ClipPlayer extends HTMLElement {
  constructor() {
    super();
    this.attachShadow({ mode: "open" }).innerHTML = `<style>${PLAYER_STYLE}</style>${PLAYER_PARTS}`;
    this.view = "divider";
    this.alone = null; // the side that is held alone
    this.point = null; // where the pointer is, on the canvas
    this.apart = 0; // paints left out since the sides showed the same frame
    this.camera = new Camera();
    this.twins = new Twins(...["left", "right"].map(id => new Side(this.part(id), () => this.#paint())), () => this.#told());
    this.stage = new Stage(this.part("canvas"), this.twins, this.camera);
    this.divider = makeDivider(this.part("stage"), this.part("divider"), at => this.#cut(at), event => this.#grabs(event));
    this.keys = this.#actions();
    this.#listen();
    this.look("divider");
  }

  part(id) { return this.shadowRoot.getElementById(id); }
  get current() { return this.twins.current; }
  get playing() { return this.twins.playing; }

  connectedCallback() {
    this.watcher = new IntersectionObserver(([seen]) => { if (!seen.isIntersecting) this.play(false); });
    this.watcher.observe(this);
    this.sizes = new ResizeObserver(() => this.#resize());
    this.sizes.observe(this.part("stage"));
    window.addEventListener("hashchange", this.arrived = () => { if (this.data?.linked && this.getClientRects().length) this.#go(placeInAddress()); });
  }
  disconnectedCallback() {
    this.watcher.disconnect();
    this.sizes.disconnect();
    window.removeEventListener("hashchange", this.arrived);
    this.play(false);
  }

  /** What is shown from now on. How it is seen stays, where the size does. */
  async show(data) {
    const turn = this.turn = Symbol("the newest call"), asked = data.linked ? placeInAddress() : {};
    const names = Object.keys(data.clips), named = (name, otherwise) => (name in data.clips ? name : otherwise);
    const sides = { left: named(asked.left, data.left), right: named(asked.right, data.right) };
    const pictures = data.still ? await Promise.all(Object.values(sides).map(name => loadPicture(data.clips[name]))) : null;
    if (this.turn !== turn) return;
    this.data = data;
    const size = data.size ?? [pictures[1].naturalWidth, pictures[1].naturalHeight];
    this.camera.of(size);
    this.clock = new Clock(data.still ? { frames: 1 } : data);
    this.follow(data.motion);
    this.twins.begin(this.clock, asked.frame ?? data.start ?? 0);
    this.part("scrub").max = this.clock.frames - 1;
    this.part("controls").hidden = this.clock.frames < 2;
    this.part("sound").hidden = !data.sound;
    this.part("choices").hidden = names.length < 3;
    this.part("link").hidden = !data.linked;
    this.shadowRoot.querySelector("[data-view=change]").hidden = this.clock.frames < 2;
    if (this.view === "change" && this.clock.frames < 2) this.look("divider");
    for (const id of ["left", "right"]) this.part(`${id}-choice`).replaceChildren(...names.map(name => new Option(name, name)));
    this.#shape();
    this.#told();
    const shown = Object.entries(sides).map(([id, name], k) => this.#choose(id, name, pictures?.[k]));
    this.#go(asked, false);
    await Promise.all(shown);
  }

  /** The clip's flow, where it comes later than the clips. */
  follow(motion) {
    this.stage.motion = new Motion(motion);
    this.#changed();
  }

  play(on) { this.twins.play(on); }

  stopAt(frame) {
    this.play(false);
    return this.twins.seek(frame);
  }

  /** One of VIEWS. */
  look(view) {
    this.view = view;
    const { gain, line, past } = VIEWS[view];
    for (const button of this.shadowRoot.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", button.dataset.view === view);
    this.part("gains").hidden = !gain;
    this.part("divider").hidden = !line;
    this.part("stage").classList.toggle("still-line", !line);
    this.#shape();
    this.twins.past = Boolean(past);
    if (past && this.data && !this.playing) this.twins.seek(this.current);
    this.#changed();
  }

  /** What makes a place: enough to come back to it. */
  get place() {
    const { camera, twins } = this, round = value => Math.round(value * 10) / 10;
    return {
      frame: this.current,
      view: this.view === "divider" ? undefined : this.view,
      left: twins.left.name === this.data.left ? undefined : twins.left.name,
      right: twins.right.name === this.data.right ? undefined : twins.right.name,
      zoom: camera.zoom ? round(camera.zoom) : undefined,
      at: camera.zoom ? camera.centre.map(round).join(",") : undefined,
      cut: VIEWS[this.view].line && Math.round(this.divider.at) !== 50 ? Math.round(this.divider.at) : undefined,
      gain: VIEWS[this.view].gain ? this.stage.gain : undefined,
      range: twins.ranged ? `${twins.first}-${twins.last}` : undefined,
    };
  }

  #go({ view, zoom, at, cut, gain, range, frame, left, right }, fresh = true) {
    if (fresh) for (const [id, name] of [["left", left], ["right", right]]) if (name in this.data.clips && name !== this.twins[id].name) this.#choose(id, name);
    if (gain) this.#amplify(gain);
    if (cut !== undefined) this.divider.put(cut);
    if (range) this.twins.range(...range);
    if (view in VIEWS) this.look(view);
    if (zoom) this.camera.zoomTo(zoom, this.#pane());
    if (zoom && at) this.camera.look(this.#pane(), at);
    if (fresh && frame !== undefined && !this.playing) this.stopAt(frame);
    this.#changed();
  }

  #actions() {
    const { twins, camera } = this, step = way => () => { camera.step(way, this.#pane(), this.point ?? undefined); this.#changed(); };
    const hold = id => on => { this.alone = on ? id : null; this.#paint(); };
    return {
      toggle: () => this.play(!this.playing),
      back: () => this.stopAt(this.current - 1),
      on: () => this.stopAt(this.current + 1),
      jump: share => this.stopAt(Math.round(share * (this.clock.frames - 1))),
      loop: () => { twins.looping = !twins.looping; this.part("loop").setAttribute("aria-pressed", twins.looping); },
      begin: () => { twins.range(this.current, Math.max(this.current, twins.last)); this.#changed(); },
      end: () => { twins.range(Math.min(this.current, twins.first), this.current); this.#changed(); },
      view: () => {
        const offered = [...this.shadowRoot.querySelectorAll("[data-view]:not([hidden])")].map(button => button.dataset.view);
        this.look(offered[(offered.indexOf(this.view) + 1) % offered.length]);
      },
      left: hold("left"),
      right: hold("right"),
      closer: step(1),
      farther: step(-1),
      zoom: () => { camera.zoom ? camera.home() : camera.zoomTo(Math.max(1, Math.ceil(camera.fit(this.#pane()))), this.#pane(), this.point ?? undefined); this.#changed(); },
      magnify: () => { this.magnifies = !this.magnifies; this.part("magnify").setAttribute("aria-pressed", this.magnifies); this.#paint(); },
      swap: () => { const { left, right } = twins; [["left", right.name], ["right", left.name]].forEach(([id, name]) => this.#choose(id, name)); },
      full: () => toggleFull(this),
    };
  }

  #listen() {
    const stage = this.part("stage"), { keys } = this;
    for (const [id, act] of Object.entries({ play: keys.toggle, back: keys.back, forward: keys.on, loop: keys.loop, farther: keys.farther, closer: keys.closer,
      zoom: keys.zoom, magnify: keys.magnify, full: keys.full, swap: keys.swap, help: showKeys, whole: () => { this.twins.range(); this.#changed(); },
      sound: () => this.#hear(this.twins.right.video.muted), link: () => this.#link() })) this.part(id).addEventListener("click", act);
    for (const button of this.shadowRoot.querySelectorAll("[data-view]")) button.addEventListener("click", () => this.look(button.dataset.view));
    this.part("gain").addEventListener("change", event => this.#amplify(Number(event.target.value)));
    this.part("scrub").addEventListener("input", event => this.stopAt(Number(event.target.value)));
    this.part("speed").addEventListener("change", event => this.twins.pace(Number(event.target.value)));
    for (const id of ["left", "right"]) this.part(`${id}-choice`).addEventListener("change", event => this.#choose(id, event.target.value));
    makeHands(stage, {
      camera: this.camera,
      point: event => this.#pointOf(event),
      pane: point => (point ? this.stage.paneAt(point) : this.#pane()),
      free: event => !this.#grabs(event),
      changed: () => this.#changed(),
    });
    for (const what of ["pointermove", "pointerdown"]) stage.addEventListener(what, event => { this.point = this.#pointOf(event); if (!this.playing || this.magnifies) this.#paint(); });
    stage.addEventListener("pointerleave", () => { this.point = null; this.#paint(); });
    const press = on => { if (this.view === "alone") this.keys.left(on); };
    stage.addEventListener("pointerdown", () => press(true));
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) stage.addEventListener(end, () => press(false));
  }

  #pane() { return this.stage.panes?.[0] ?? this.stage.whole; }
  get #density() { return this.stage.canvas.width / (this.part("stage").clientWidth || 1); }
  #pointOf(event) {
    const box = this.part("stage").getBoundingClientRect();
    return [(event.clientX - box.left) * this.#density, (event.clientY - box.top) * this.#density];
  }

  /** Whether a drag that begins here moves the line: anywhere, unless the picture is enlarged; then at the line alone. */
  #grabs(event) {
    if (!VIEWS[this.view].line) return false;
    return !this.camera.zoom || Math.abs(event.clientX - this.part("divider").getBoundingClientRect().left) < 14;
  }

  #shape() {
    const panes = VIEWS[this.view].panes ?? 1, [width, height] = this.camera.picture, style = this.part("stage").style;
    const columns = panes > 1 && width < 2 * height ? panes : 1, rows = panes / columns; // side by side, or one above the other
    style.setProperty("--ratio", (columns * width) / (rows * height));
    style.setProperty("--widest", `${columns * width * 4}px`); // small clips are not blown up beyond four times
    this.#resize();
  }

  /** The canvas has a pixel for each of the screen's. */
  #resize() {
    const box = this.part("stage"), density = window.devicePixelRatio || 1, { canvas } = this.stage;
    const [width, height] = [box.clientWidth, box.clientHeight].map(side => Math.max(1, Math.round(side * density)));
    if (canvas.width === width && canvas.height === height) return;
    Object.assign(canvas, { width, height });
    this.#paint(true);
  }

  async #choose(id, name, picture = null) {
    const side = this.twins[id];
    this.part(`${id}-tag`).textContent = this.part(`${id}-choice`).value = name;
    if (this.data.still) side.takeStill(name, picture ?? await loadPicture(this.data.clips[name]));
    else {
      await side.take(name, this.data.clips[name], this.clock, this.playing ? this.clock.frameAt(this.twins.right.video.currentTime) : this.current);
      if (this.playing) side.video.play().catch(() => {});
      else if (this.twins.past) this.twins.seek(this.current);
    }
    this.twins.pace(this.twins.speed);
    this.#cut(this.divider.at);
    this.#changed();
  }

  #amplify(gain) {
    this.stage.gain = gain;
    this.part("gain").value = gain;
    this.#changed();
  }

  #hear(on) {
    this.twins.right.video.muted = !on;
    this.part("sound").textContent = on ? "Sound on" : "Sound off";
    this.part("sound").setAttribute("aria-pressed", on);
  }

  #cut(at) {
    this.stage.cut = at / 100;
    const { left, right } = this.twins;
    this.part("divider").setAttribute("aria-valuetext", `${Math.round(at)} % ${left.name}, ${Math.round(100 - at)} % ${right.name}`);
    this.#changed();
  }

  /** Another frame, or playing began or ended. */
  #told() {
    const { first, last, playing, ranged } = this.twins;
    if (!this.clock) return;
    this.part("play").textContent = playing ? "Pause" : "Play";
    this.part("scrub").value = this.current;
    this.part("frame").value = `${this.current} of ${this.clock.frames - 1}`;
    this.part("whole").hidden = this.part("marks").hidden = !ranged;
    this.part("whole").textContent = `${first} to ${last} ×`;
    this.part("whole").title = `Frames ${first} to ${last} are repeated: repeat all`;
    const mark = this.part("marks").firstElementChild.style, share = frame => `${100 * frame / Math.max(1, this.clock.frames - 1)}%`;
    [mark.left, mark.right] = [share(first), share(this.clock.frames - 1 - last)];
    this.#changed();
    this.dispatchEvent(new CustomEvent("frame", { detail: this.current, bubbles: true, composed: true }));
  }

  /** Draws it soon, and keeps the place once nothing moves. */
  #changed() {
    this.#paint();
    clearTimeout(this.keeping);
    if (this.data?.linked && !this.playing) this.keeping = setTimeout(() => { if (this.isConnected && this.getClientRects().length) keepInAddress(this.place); }, 250);
  }

  #paint(now = false) {
    if (now) return this.#draw();
    this.painting ??= requestAnimationFrame(() => { this.painting = null; this.#draw(); });
  }

  #draw() {
    const { twins, stage, camera } = this, view = VIEWS[this.view];
    if (!this.data || !twins.left.ready || !twins.right.ready) return;
    if (this.playing && !twins.together && (view.both || this.apart++ < PATIENCE)) return; // two moments make no difference
    this.apart = 0;
    if (view.past && !this.#follows()) return;
    const alone = this.alone && { ...VIEWS.alone, draw: () => stage.side(twins[this.alone], stage.panes[0]) };
    stage.draw(alone ?? view);
    if (view.past) for (const side of twins.sides) if (this.playing) side.keep();
    this.#label();
    const [first] = stage.panes, point = this.point ?? [first.x + first.width / 2, first.y + first.height / 2], spot = camera.spot(stage.paneAt(point), point);
    if (!this.playing || this.magnifies) this.part("values").textContent = pixelWords(stage, spot);
    if (this.magnifies) drawMagnifier(stage, point, spot, this.#density);
    this.drawn = twins.right.shown;
  }

  /** Whether what changes can be drawn now: the flow is at hand, and while it plays the frame is a new one. */
  #follows() {
    const frame = this.twins.right.shown, { motion } = this.stage, came = () => this.#paint();
    if (this.playing) motion.ready(frame + 1, came);
    return motion.ready(frame, came) && !(this.playing && this.twins.sides.every(side => side.kept.frame === side.shown));
  }

  #label() {
    const { twins, camera, view, alone, stage } = this, [left, right] = twins.sides.map(side => side.name);
    const only = alone ?? (view === "alone" ? "right" : null), change = stage.motion.about ? "change along the flow" : "change from the frame before";
    const tags = only ? [twins[only].name, ""] : {
      difference: [`|${right} − ${left}| × ${stage.gain}`, ""], signed: [`${right} − ${left}, × ${stage.gain}`, ""],
      change: this.current ? [left, `${right}: ${change} × ${stage.gain}`] : ["nothing comes before the first frame", ""],
    }[view] ?? [left, right];
    [this.part("left-tag").textContent, this.part("right-tag").textContent] = tags;
    const scale = camera.scale(this.#pane());
    this.part("zoom").textContent = camera.zoom ? `${camera.zoom}×` : "Fit";
    this.part("zoom").setAttribute("aria-label", `${this.part("zoom").textContent}, enlarged ${scale.toFixed(2)} times: the whole picture, or its pixels`);
    this.part("stage").classList.toggle("close", camera.zoom > 0);
    stage.canvas.setAttribute("aria-label", `${tags.filter(Boolean).join(" and ")}, frame ${this.current}`);
  }

  async #link() {
    keepInAddress(this.place);
    const link = new URL(fragmentOf(this.place), location.href).href;
    try {
      await navigator.clipboard.writeText(link); // only where the page comes by https, from a file or from this machine
      this.part("link").textContent = "Copied";
    } catch {
      this.part("values").textContent = link;
    }
    setTimeout(() => { this.part("link").textContent = "Link"; }, 2000);
  }
}
define("clip-player", ClipPlayer);
