// <job-view data-kind="upscale" data-token="..." data-size="1280x720">: follows one job until it ends, and shows what it made.
//
// It reads jobs/TOKEN again and again, so a closed tab, a reload or a lost network change nothing for the job. Without a
// token it says what can be done here. What a finished job shows is drawn by results.js.

const POLL = 700, SLOW = 4000; // milliseconds between two looks; the second while the server cannot be reached
const FINAL = ["done", "stopped", "failed", "interrupted"];

class JobView extends HTMLElement {
  static observedAttributes = ["data-token"];

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).innerHTML = `<style>${JOB_STYLE}</style>
      <div id="head" hidden>
        <h2 id="what"></h2>
        <div id="said" role="status" aria-live="polite"><strong id="state"></strong> <span id="message"></span></div>
        <div id="buttons">
          <button type="button" id="stop" class="danger">Stop</button>
          <button type="button" id="resume">Go on</button>
          <button type="button" id="link">Copy link</button>
        </div>
        <progress id="progress" max="1" value="0" aria-label="Frames done"></progress>
        <div id="counts"></div>
        <input id="address" readonly aria-label="Link to this job" hidden>
      </div>
      <div id="error" role="alert" hidden></div>
      <div id="stage"></div>
      <div id="result"></div>`;
    for (const id of ["head", "what", "state", "message", "counts", "progress", "stop", "resume", "link", "address", "error", "stage", "result"])
      this[`$${id}`] = this.shadowRoot.getElementById(id);
    this.$stop.addEventListener("click", () => this.#ask("stop"));
    this.$resume.addEventListener("click", () => this.#ask("resume"));
    this.$link.addEventListener("click", () => this.#copy());
  }

  connectedCallback() { this.#begin(); }
  disconnectedCallback() { clearTimeout(this.timer); this.watched = null; }
  attributeChangedCallback() { if (this.isConnected) this.#begin(); }

  get token() { return this.dataset.token ?? ""; }
  url(name) { return `jobs/${this.token}/${name}`; }

  #begin() {
    if (this.watched === this.token) return;
    clearTimeout(this.timer);
    this.watched = this.token;
    this.drawn = this.shown = null;
    this.stopping = false;
    for (const part of [this.$what, this.$state, this.$message, this.$counts]) part.textContent = ""; // not those of the last job
    this.$progress.value = 0;
    this.$progress.hidden = false;
    this.$stop.hidden = false;
    this.$resume.hidden = this.$address.hidden = true;
    delete this.dataset.state;
    this.$result.replaceChildren();
    this.$error.hidden = true;
    this.$head.hidden = !this.token;
    this.#shape();
    if (!this.token) {
      this.$stage.replaceChildren(emptyState(this.dataset.kind));
      return;
    }
    rememberJob(this.token);
    keepJob(this.token);
    this.$stage.replaceChildren(curtain("The first frame shows here as soon as it is made."));
    this.#look();
  }

  /** The stage has the clip's shape from the start, so that nothing moves when pictures come. */
  #shape() {
    const [width, height] = (this.dataset.size ?? "").split("x").map(Number);
    this.size = width && height ? [width, height] : null;
    this.$stage.style.setProperty("--shape", this.size ? `${width} / ${height}` : "16 / 9");
  }

  async #look() {
    const token = this.token;
    let wait = POLL;
    try {
      const answer = await fetch(`jobs/${token}`, { cache: "no-store" });
      if (this.watched !== token) return;
      if (answer.status === 404 || answer.status === 400) return this.#gone();
      if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
      const status = await answer.json();
      if (this.watched !== token) return;
      this.#draw(status);
      if (FINAL.includes(status.state)) return;
    } catch (problem) {
      if (this.watched !== token) return;
      this.$message.textContent = "The server cannot be reached just now. The job goes on there; trying again.";
      console.warn("job-view:", problem.message);
      wait = SLOW;
    }
    this.timer = setTimeout(() => this.#look(), wait);
  }

  #gone() {
    this.$head.hidden = true;
    this.$stage.replaceChildren(emptyState(this.dataset.kind));
    this.#fail("That job is not here any more: jobs are deleted some time after they end. Start a new one.");
  }

  #fail(text) {
    this.$error.textContent = text;
    this.$error.hidden = !text;
  }

  #draw(status) {
    const over = FINAL.includes(status.state);
    this.dataset.state = status.state;
    this.$what.replaceChildren(status.clip || KIND_NAMES[status.kind] || "", " ", make("small", {}, status.asked || "usual settings"));
    this.$state.textContent = STATES[status.state] ?? status.state;
    this.$message.textContent = this.#saying(status, over);
    this.$counts.textContent = countsText(status);
    this.$progress.hidden = over;
    if (status.total && status.state !== "waiting") this.$progress.value = status.done / status.total;
    else if (status.state === "running") this.$progress.removeAttribute("value");
    this.$stop.hidden = over;
    this.$resume.hidden = !["stopped", "interrupted", "failed"].includes(status.state) || status.resumable === false;
    this.#fail(status.error ?? "");
    if (status.live !== null && status.live !== this.shown && !over) this.#live(status);
    if (over && this.drawn !== status.updated) {
      this.drawn = status.updated;
      this.#finish(status);
    }
    this.dispatchEvent(new CustomEvent("job", { detail: status, bubbles: true, composed: true }));
  }

  #saying(status, over) {
    if (over) this.stopping = false;
    if (this.stopping) return "Stopping after this frame; what is made is kept.";
    if (status.state === "waiting") return queueText(status.position);
    return status.state === "failed" ? "" : status.message ?? "";
  }

  #live(status) {
    this.shown = status.live;
    let pair = this.$stage.querySelector("clip-player");
    if (!pair) {
      pair = document.createElement("clip-player");
      this.$stage.replaceChildren(pair);
    }
    const [left, right] = liveNames(status);
    pair.show({
      clips: { [left]: this.url(`live-bicubic.png?${status.live}`), [right]: this.url(`live.png?${status.live}`) },
      left, right, size: this.size, still: true,
    }).catch(() => { this.shown = null; }); // replaced while it was read: the next look brings the newer one
  }

  #finish(status) {
    const { stage, result } = drawResult(this, status);
    if (stage) this.$stage.replaceChildren(stage);
    else if (status.live !== null) this.#live(status); // the last frame, of a job that came to no file
    else this.$stage.replaceChildren(curtain("Nothing was made."));
    this.$result.replaceChildren(...result);
  }

  async #ask(what) {
    const button = this[`$${what}`];
    button.disabled = true;
    try {
      const answer = await fetch(this.url(what), { method: "POST" });
      const said = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error(said.error ?? said.detail ?? `the server answers ${answer.status}`);
      this.stopping = what === "stop";
    } catch (problem) {
      this.#fail(`That did not work: ${problem.message}.`);
    }
    button.disabled = false;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#look(), 150);
  }

  async #copy() {
    const link = new URL(`?job=${this.token}${location.hash}`, location.href).href; // with the place that the player shows
    this.$address.value = link;
    try {
      await navigator.clipboard.writeText(link); // only where the page comes by https or from this machine
      this.$link.textContent = "Copied";
      setTimeout(() => { this.$link.textContent = "Copy link"; }, 2000);
    } catch {
      this.$address.hidden = false;
      this.$address.select();
    }
  }
}

const KIND_NAMES = { upscale: "Upscale", compare: "Compare", inside: "Inside", live: "Live", devices: "This machine" };
const STATES = { waiting: "Waiting", running: "Working", done: "Done", stopped: "Stopped", failed: "Failed", interrupted: "Interrupted" };

function queueText(position) {
  if (!position) return "It starts in a moment.";
  return position === 1 ? "One job is before this one." : `${position} jobs are before this one.`;
}

function liveNames(status) {
  const names = status.result?.names;
  if (names) return [names.b, names.a];
  return status.kind === "compare" ? ["B", "A"] : ["bicubic", "upscaled"];
}

function countsText(status) {
  const parts = [];
  const unit = status.kind === "devices" ? "setting" : "frame";
  if (status.total && status.state !== "waiting") parts.push(`${status.done} of ${status.total} ${unit}${status.total === 1 ? "" : "s"}`);
  if (status.seconds_per_frame && unit === "frame") parts.push(`${seconds(status.seconds_per_frame)} a frame`);
  if (status.seconds_left && !FINAL.includes(status.state)) parts.push(`about ${duration(status.seconds_left)} left`);
  return parts.join(" · ");
}

function seconds(value) { return value < 10 ? `${value.toPrecision(2)} s` : `${Math.round(value)} s`; }

function duration(value) {
  if (value < 90) return `${Math.max(1, Math.round(value))} s`;
  return value < 5400 ? `${Math.round(value / 60)} min` : `${(value / 3600).toFixed(1)} h`;
}

function curtain(words) {
  const box = make("div", { className: "curtain" });
  box.append(make("p", {}, words));
  return box;
}

/** <tag> with properties and children. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** The address leads back to this job after a reload. */
function rememberJob(token) {
  const here = new URL(location.href);
  if (here.searchParams.get("job") === token) return;
  here.searchParams.set("job", token);
  here.searchParams.delete("settings");
  here.hash = ""; // another job's place
  history.pushState(null, "", here); // Back leads to what was here before
}
define("job-view", JobView);
