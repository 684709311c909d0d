// <my-jobs>: the jobs that were started in this browser, the newest first. Their links are kept here and nowhere else: nobody
// can guess one, so nobody sees another's.

const JOBS_KEPT = 24, JOBS_KEY = "workbench-jobs", LOOK_AGAIN = 2500; // milliseconds between two looks at what goes on

function keptJobs() {
  try { return JSON.parse(localStorage.getItem(JOBS_KEY)) ?? []; } catch { return []; } // a browser may refuse to keep anything
}

function keepJobs(tokens) {
  try { localStorage.setItem(JOBS_KEY, JSON.stringify(tokens.slice(0, JOBS_KEPT))); } catch { /* as above */ }
}

/** A job that was started or opened here. */
function keepJob(token) {
  keepJobs([token, ...keptJobs().filter(other => other !== token)]);
  document.querySelector("my-jobs")?.draw();
}

/** The page shows this job, as its link would. */
function openJob(token) {
  const here = new URL(location.href);
  if (here.searchParams.get("job") !== token) {
    here.searchParams.set("job", token);
    here.searchParams.delete("settings");
    here.hash = ""; // another job's place
    history.pushState(null, "", here);
  }
  document.getElementById("again")?.click();
}

window.addEventListener("popstate", () => document.getElementById("again")?.click());

class MyJobs extends HTMLElement {
  constructor() {
    super();
    this.known = {};
    this.attachShadow({ mode: "open" }).innerHTML = `<style>${JOB_STYLE}
      section { margin: 0; } h2 { font-size: 13px; margin: 0 0 6px; color: var(--soft); font-weight: 600; }
      ul { display: flex; gap: 10px; overflow-x: auto; margin: 0; padding: 2px 2px 8px; list-style: none; }
      li { flex: 0 0 auto; width: 250px; display: grid; grid-template-columns: 64px 1fr auto; gap: 0 10px; align-items: center; padding: 8px; position: relative;
        border: 1px solid var(--line); border-radius: 10px; background: var(--card); }
      li.here { border-color: var(--accent); }
      img { width: 64px; height: 40px; object-fit: cover; border-radius: 5px; background: var(--page); grid-row: 1 / 3; }
      a { color: var(--ink); text-decoration: none; font-size: 14px; font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
      a::after { content: ""; position: absolute; inset: 0; border-radius: 10px; }
      small { grid-column: 2; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-variant-numeric: tabular-nums; }
      li button { position: relative; z-index: 1; grid-row: 1 / 3; grid-column: 3; padding: 2px 9px; font-size: 13px; }
      </style><section aria-labelledby="title" hidden><h2 id="title">My jobs</h2><ul></ul></section>`;
    [this.$section, this.$list] = ["section", "ul"].map(what => this.shadowRoot.querySelector(what));
  }

  connectedCallback() {
    document.addEventListener("job", this.heard = event => {
      const view = event.composedPath()[0];
      this.known[view.token] = event.detail;
      this.draw();
    });
    window.addEventListener("storage", this.stored = () => this.draw());
    this.draw();
    this.#look();
  }
  disconnectedCallback() {
    clearTimeout(this.timer);
    document.removeEventListener("job", this.heard);
    window.removeEventListener("storage", this.stored);
  }

  /** Asks about every job that is not known to have ended. */
  async #look() {
    for (const token of keptJobs()) {
      if (FINAL.includes(this.known[token]?.state)) continue;
      try {
        const answer = await fetch(`jobs/${token}`, { cache: "no-store" });
        if (answer.ok) this.known[token] = await answer.json();
        else if (answer.status === 404) keepJobs(keptJobs().filter(other => other !== token));
      } catch { /* the network is away: what was known stays */ }
    }
    this.draw();
    this.timer = setTimeout(() => this.#look(), LOOK_AGAIN);
  }

  draw() {
    const here = new URL(location.href).searchParams.get("job");
    const jobs = keptJobs().filter(token => this.known[token]);
    const drawn = JSON.stringify([here, jobs.map(token => [token, this.known[token].state, this.known[token].done, this.known[token].position])]);
    this.$section.hidden = !jobs.length;
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const focused = this.shadowRoot.activeElement?.dataset.what;
    this.$list.replaceChildren(...jobs.map(token => this.#item(token, this.known[token], token === here)));
    if (focused) this.shadowRoot.querySelector(`[data-what="${focused}"]`)?.focus();
  }

  #item(token, status, here) {
    const over = FINAL.includes(status.state);
    const picture = make("img", { alt: "", loading: "lazy" });
    if (status.source) picture.src = `materials/${status.source}/poster`;
    const name = status.clip || KIND_NAMES[status.kind];
    const link = make("a", { href: `?job=${token}`, title: `${name}, ${status.asked || "usual settings"}` }, name);
    link.dataset.what = `open ${token}`;
    link.addEventListener("click", event => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // to a tab of its own
      event.preventDefault();
      openJob(token);
    });
    const state = [name === KIND_NAMES[status.kind] ? "" : KIND_NAMES[status.kind], STATES[status.state]?.toLowerCase(), over || !status.total ? "" : `${status.done} of ${status.total}`];
    const button = make("button", { type: "button" }, over ? "×" : "Stop");
    button.dataset.what = `button ${token}`;
    button.setAttribute("aria-label", over ? `Take ${name} off this list` : `Stop ${name}`);
    button.addEventListener("click", () => (over ? this.#forget(token) : this.#stop(token, button)));
    const item = make("li", { className: here ? "here" : "" }, picture, link, make("small", {}, state.filter(Boolean).join(" · ")), button);
    item.dataset.state = status.state;
    return item;
  }

  #forget(token) {
    keepJobs(keptJobs().filter(other => other !== token));
    this.draw();
  }

  async #stop(token, button) {
    button.disabled = true;
    const answer = await fetch(`jobs/${token}/stop`, { method: "POST" }).catch(() => null);
    if (answer?.ok) this.known[token] = await answer.json();
    button.disabled = false;
    this.draw();
  }
}
define("my-jobs", MyJobs);
