// <live-view data-models='[["", "embedded"], ["owner/name", "owner/name"]]' data-model="">: the camera, a screen or the chosen clip, upscaled while it runs.
//
// Frames go as JPEG over one WebSocket (live, beside the page) to a worker, which keeps the newest only; each upscaled one comes
// back with bicubic of the same frame. What the messages hold is told in work/live.py.

const SAY_HERE = 2000, MOST_HELD = 200000; // milliseconds between two signs of life; bytes that may wait to be sent
const TROUBLES = { NotFoundError: "no camera was found. Connect one, or choose the clip on the left.", NotAllowedError: "the browser was not given leave to use it." };
const KEPT_FRAMES = 90; // of which figures and sparkline are
const STAGE_COLOURS = ["#1f5fd0", "#e0892b", "#2a9d6f", "#a14fc4", "#c4453a", "#5b8f99", "#b5a12c", "#7a7f8a", "#e58fb4"];

class LiveView extends HTMLElement {
  constructor() {
    super();
    this.attachShadow({ mode: "open" }).innerHTML = `<style>${PLAYER_STYLE}${JOB_STYLE}
      .row { display: flex; flex-wrap: wrap; gap: 8px 12px; align-items: center; margin: 0 0 12px; }
      button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; }
      #stage { border: 1px solid var(--line); border-radius: 12px; display: grid; aspect-ratio: 16 / 9; max-width: none; max-height: 68vh; background: #0b0c0f; }
      #stage canvas { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
      #stage:has(#empty:not([hidden])) { aspect-ratio: auto; min-height: 320px; }
      #empty { display: grid; place-content: center; text-align: center; color: #c9ccd3; padding: 24px; pointer-events: none; }
      #empty h2 { color: #fff; font-size: 19px; margin: 0 0 6px; } #empty p { max-width: 52ch; }
      #figures { font-variant-numeric: tabular-nums; font-size: 14px; min-height: 22px; margin: 10px 0 2px; }
      #said { min-height: 22px; } #trouble { color: var(--bad); } #trouble:empty { display: none; }
      #spark { position: static; width: 100%; height: 56px; display: block; } #legend { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 12px; color: var(--soft); min-height: 18px; }
      #legend i { display: inline-block; width: 9px; height: 9px; border-radius: 2px; margin-right: 5px; }
      .knobs { display: flex; flex-wrap: wrap; gap: 10px 22px; padding: 12px 16px; margin: 12px 0; border: 1px solid var(--line); border-radius: 12px; background: var(--card); }
      .knobs input[type=number] { width: 6.5em; font: inherit; padding: 4px 8px; border: 1px solid var(--line); border-radius: 8px; background: var(--page); color: var(--ink); }
      .knobs input[type=range] { width: 110px; }
      video { position: absolute; width: 1px; height: 1px; opacity: 0; pointer-events: none; }
      </style>
      <div class="row" id="sources">
        <button type="button" class="primary" data-source="camera">Camera</button>
        <button type="button" data-source="screen">Share a screen</button>
        <button type="button" data-source="clip">The clip on the left</button>
        <button type="button" id="stop" class="danger" hidden>Stop</button>
        <button type="button" id="snapshot" hidden>Snapshot</button>
        <button type="button" id="record" aria-pressed="false" hidden>Record</button>
      </div>
      <div id="stage"><canvas id="left"></canvas><canvas id="right"></canvas>
        <span class="tag" id="left-tag" hidden>bicubic</span><span class="tag" id="right-tag" hidden>upscaled</span>${DIVIDER_LINE}
        <div id="empty"><h2>Upscaled while it happens</h2><p>Frame by frame, using only the past. The newest frame wins: what this machine
          cannot keep up with is dropped and counted. Pictures stay between your browser and this server.</p></div>
        <video muted playsinline></video></div>
      <p id="figures" aria-live="off"></p><p id="said" class="soft" role="status"></p><p id="trouble" role="alert"></p>
      <div class="knobs" id="knobs">
        <label>Steps <input type="range" name="steps" min="1" max="8" step="1" value="1"><output>1</output></label>
        <label>ARTG <input type="range" name="artg" min="0" max="2" step="0.1" value="1"><output>1</output></label>
        <label><input type="checkbox" name="tpm" checked> TPM</label>
        <label>Seed <input type="number" name="seed" min="0" step="1" value="0"></label>
        <label>Model <select name="model"></select></label>
        <label>Engine <select name="engine" title="What runs the networks, from the next beginning on; others than auto and torch may export graphs for each frame size first"></select></label>
      </div>
      <canvas id="spark" role="img" aria-label="Seconds of each frame, by stage"></canvas><div id="legend"></div>
      <div class="files" id="files"></div>`;
    for (const id of ["stage", "left", "right", "divider", "left-tag", "right-tag", "empty", "figures", "said", "trouble", "knobs", "stop", "snapshot", "record", "spark", "legend", "files"])
      this[`$${id}`] = this.shadowRoot.getElementById(id);
    this.$video = this.shadowRoot.querySelector("video");
    [this.$model, this.$engine] = this.shadowRoot.querySelectorAll("select");
    for (const button of this.shadowRoot.querySelectorAll("[data-source]")) button.addEventListener("click", () => this.#begin(button.dataset.source));
    this.$stop.addEventListener("click", () => this.#stop());
    this.$snapshot.addEventListener("click", () => this.#say({ snapshot: true }));
    this.$record.addEventListener("click", () => this.#say({ record: this.$record.getAttribute("aria-pressed") !== "true" }));
    this.$knobs.addEventListener("input", () => this.#turn());
    this.$model.addEventListener("change", () => this.#say({ model: this.$model.value }));
    makeDivider(this.$stage, this.$divider, at => { this.$right.style.clipPath = `inset(0 0 0 ${at}%)`; });
    this.$divider.hidden = true;
  }

  connectedCallback() {
    const models = JSON.parse(this.dataset.models);
    this.$engine.replaceChildren(...JSON.parse(this.dataset.engines).map(name => new Option(name)));
    this.$model.replaceChildren(...models.map(([name, label]) => new Option(label, name, false, name === this.dataset.model)));
  }
  disconnectedCallback() { this.#end(""); }

  async #begin(source) {
    this.#end("");
    this.$trouble.textContent = "";
    try {
      await this.#open(source);
    } catch (problem) {
      this.#release();
      this.$trouble.textContent = `That cannot be used here: ${TROUBLES[problem.name] ?? problem.message}`;
      return;
    }
    this.frames = [];
    this.side = 320;
    this.number = this.dropped = this.rate = this.sent = 0;
    this.presented = null;
    this.began = performance.now();
    const address = new URL("live", document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    address.search = address.hash = "";
    const socket = this.socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => this.#say({ settings: this.#settings(), model: this.$model.value, engine: this.$engine.value }));
    socket.addEventListener("message", event => typeof event.data === "string" ? this.#hear(JSON.parse(event.data)) : this.#show(event.data));
    socket.addEventListener("close", () => { if (this.socket === socket) this.#end(this.$trouble.textContent ? "" : "The line to the server was lost: begin again."); });
    this.alive = setInterval(() => { if (!document.hidden && this.offsetParent) this.#say({ here: true }); }, SAY_HERE);
    this.#state("connecting");
    this.$said.textContent = "Asking for a place …";
    this.#watch(socket);
  }

  async #open(source) {
    const video = this.$video;
    if (source === "clip") {
      const token = document.querySelector("clip-view")?.dataset.token;
      if (!token) throw new Error("choose a video on the left first.");
      video.src = `materials/${token}`;
      video.loop = true;
    } else {
      if (!navigator.mediaDevices) throw new Error("browsers allow it over https, or on the machine itself, only.");
      const picture = { width: { ideal: 640 }, height: { ideal: 360 } };
      this.stream = source === "screen" ? await navigator.mediaDevices.getDisplayMedia({ video: true })
        : await navigator.mediaDevices.getUserMedia({ video: picture });
      this.stream.getVideoTracks()[0].addEventListener("ended", () => this.#end("The source ended."));
      video.srcObject = this.stream;
    }
    await video.play();
  }

  /** Each new frame of the source, for as long as this line is the one. */
  #watch(socket) {
    const next = (now, about) => {
      if (this.socket !== socket) return;
      this.number += this.presented === null ? 1 : Math.max(1, about.presentedFrames - this.presented);
      this.presented = about.presentedFrames;
      this.#offer(socket);
      this.$video.requestVideoFrameCallback(next);
    };
    if (this.$video.requestVideoFrameCallback) this.$video.requestVideoFrameCallback(next);
    else this.timer = setInterval(() => { this.number++; this.#offer(socket); }, 40);
  }

  /** Sends the frame, unless the line is busy or frames go faster than anybody could use. */
  #offer(socket) {
    const now = performance.now(), pace = 1000 / Math.min(30, Math.max(4, 2 * this.rate));
    if (this.dataset.state !== "running" || this.drawing || socket.bufferedAmount > MOST_HELD || now - this.sent < pace) return;
    const { videoWidth: width, videoHeight: height } = this.$video;
    if (!width || !height) return;
    const scale = Math.min(1, this.side / Math.max(width, height));
    const canvas = this.small ??= document.createElement("canvas");
    canvas.width = Math.max(16, Math.round(width * scale));
    canvas.height = Math.max(16, Math.round(height * scale));
    const pen = canvas.getContext("2d");
    pen.imageSmoothingQuality = "high";
    pen.drawImage(this.$video, 0, 0, canvas.width, canvas.height);
    const number = this.number;
    this.drawing = true;
    this.sent = now;
    canvas.toBlob(async blob => {
      const picture = await blob.arrayBuffer(), message = new Uint8Array(12 + picture.byteLength), view = new DataView(message.buffer);
      view.setFloat64(0, now);
      view.setUint32(8, number);
      message.set(new Uint8Array(picture), 12);
      this.drawing = false;
      if (socket.readyState === WebSocket.OPEN) socket.send(message);
    }, "image/jpeg", 0.92);
  }

  #hear(words) {
    if (words.token) this.token = words.token;
    if (words.state === "waiting") {
      this.$said.textContent = words.position ? `Waiting: ${words.position} ${words.position === 1 ? "job goes" : "jobs go"} before this one.` : "Getting ready …";
      this.#state("waiting");
    } else if (words.state === "running") {
      this.number = 0; // what came while this waited was dropped by nobody
      this.#state("running");
      this.$said.textContent = "";
    } else if (words.state === "ended") this.#end(words.error || words.said ? "" : "The session ended.");
    if (words.side) this.side = words.side;
    if ("said" in words) this.$said.textContent = words.said && words.said[0].toUpperCase() + words.said.slice(1) + ".";
    if ("model" in words) this.$model.value = words.model;
    if ("error" in words && words.error) this.$trouble.textContent = words.error;
    if ("recording" in words) {
      this.$record.setAttribute("aria-pressed", words.recording);
      this.$record.textContent = words.recording ? "Stop recording" : "Record";
    }
    if (words.file) {
      const link = Object.assign(document.createElement("a"), { href: `jobs/${this.token}/${words.file}`, download: words.file, textContent: words.file });
      this.$files.append(link);
      if (this.stopping) this.#end("Stopped.");
    }
  }

  async #show(data) {
    const length = new DataView(data).getUint32(0), about = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    const plain = new Blob([new Uint8Array(data, 4 + length, about.plain)], { type: "image/jpeg" });
    const made = new Blob([new Uint8Array(data, 4 + length + about.plain)], { type: "image/jpeg" });
    const pictures = await Promise.all([plain, made].map(blob => createImageBitmap(blob)));
    for (const [canvas, picture] of [[this.$left, pictures[0]], [this.$right, pictures[1]]]) {
      if (canvas.width !== picture.width || canvas.height !== picture.height) [canvas.width, canvas.height] = [picture.width, picture.height];
      canvas.getContext("2d").drawImage(picture, 0, 0);
      picture.close();
    }
    this.$stage.style.aspectRatio = `${this.$right.width} / ${this.$right.height}`;
    this.$empty.hidden = true;
    for (const part of [this.$divider, this["$left-tag"], this["$right-tag"]]) part.hidden = false;
    const now = performance.now();
    this.dropped += about.dropped;
    this.frames.push({ now, delay: now - about.at, seconds: about.seconds });
    if (this.frames.length > KEPT_FRAMES) this.frames.shift();
    this.dataset.shown = about.number;
    this.#figure(about);
  }

  #figure(about) {
    const frames = this.frames, recent = frames.slice(-20), delays = frames.map(frame => frame.delay).sort((a, b) => a - b);
    if (recent.length > 1) this.rate = (recent.length - 1) * 1000 / (recent.at(-1).now - recent[0].now);
    const at = share => Math.round(delays[Math.min(delays.length - 1, Math.floor(share * delays.length))]);
    const [w, h] = about.size;
    this.$figures.textContent = `${this.rate.toFixed(1)} frames/s · delay ${at(0.5)} ms (95 %: ${at(0.95)} ms) · ${this.dropped} dropped · ${w}×${h} → ${4 * w}×${4 * h}`;
    const names = [...new Set(frames.flatMap(frame => Object.keys(frame.seconds)))], colour = Object.fromEntries(names.map((name, k) => [name, STAGE_COLOURS[k % STAGE_COLOURS.length]]));
    const most = Math.max(...frames.map(frame => Object.values(frame.seconds).reduce((a, b) => a + b, 0)));
    const canvas = this.$spark, density = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    [canvas.width, canvas.height] = [width * density, height * density];
    const pen = canvas.getContext("2d"), bar = width / KEPT_FRAMES;
    pen.scale(density, density);
    frames.forEach((frame, k) => {
      let y = height;
      for (const name of names) {
        const tall = (frame.seconds[name] ?? 0) / most * (height - 2);
        pen.fillStyle = colour[name];
        pen.fillRect(k * bar, y - tall, Math.max(1, bar - 1), tall);
        y -= tall;
      }
    });
    const last = frames.at(-1).seconds;
    this.$legend.replaceChildren(...names.map(name => {
      const item = document.createElement("span"), box = document.createElement("i");
      box.style.background = colour[name];
      item.append(box, `${name} ${Math.round(1000 * (last[name] ?? 0))} ms`);
      return item;
    }));
  }

  #settings() {
    const knob = name => this.$knobs.querySelector(`[name=${name}]`);
    return { steps: Number(knob("steps").value), artg: Number(knob("artg").value), tpm: knob("tpm").checked, seed: Math.max(0, Math.floor(Number(knob("seed").value) || 0)) };
  }
  #turn() {
    for (const output of this.$knobs.querySelectorAll("output")) output.textContent = output.previousElementSibling.value;
    clearTimeout(this.turned);
    this.turned = setTimeout(() => this.#say({ settings: this.#settings() }), 120);
  }
  #say(words) { if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(words)); }

  #state(state) {
    this.dataset.state = state;
    const on = state !== "idle";
    this.$stop.hidden = !on;
    this.$engine.disabled = on;
    this.$snapshot.hidden = this.$record.hidden = state !== "running";
    for (const button of this.shadowRoot.querySelectorAll("[data-source]")) button.hidden = on;
  }

  /** What is being recorded is kept first. */
  #stop() {
    this.stopping = this.$record.getAttribute("aria-pressed") === "true";
    if (this.stopping) this.#say({ record: false });
    else this.#end("Stopped.");
  }

  #end(words) {
    const socket = this.socket;
    this.socket = null;
    this.stopping = false;
    this.$record.setAttribute("aria-pressed", "false");
    this.$record.textContent = "Record";
    if (socket?.readyState <= WebSocket.OPEN) socket.close();
    clearInterval(this.alive);
    clearInterval(this.timer);
    this.#release();
    this.#state("idle");
    this.$said.textContent = words;
  }
  #release() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.drawing = false;
    this.$video.pause();
    this.$video.removeAttribute("src");
    this.$video.srcObject = null;
  }
}
define("live-view", LiveView);
