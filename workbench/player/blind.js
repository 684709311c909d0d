// <blind-test>: pairs of versions in random order, moving and in step, their names hidden. Keys 1, 2 and 0 answer.
//
// element.begin({ clips: { name: url }, send, ...what <clip-player> shows }). `send(vote)` is given { one, other, preferred } ("" for no
// difference), keeps it, and resolves to { votes, scores }. At the end the names are told, with scores and their intervals.

const ROUNDS = 4; // looks at each pair; sides change places from one to the next

class BlindTest extends HTMLElement {
  constructor() {
    super();
    this.attachShadow({ mode: "open" }).innerHTML = `<style>${PLAYER_STYLE}
      #ask { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; padding: 12px 16px; }
      #ask p { margin: 0; flex: 1 1 220px; } #ask button { font-size: 15px; padding: 8px 18px; }
      table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; } th, td { text-align: right; padding: 8px 14px; border-top: 1px solid var(--line, #e2e3e0); }
      th:first-child { text-align: left; } thead th { border: 0; font-size: 13px; color: var(--soft, #5b616e); } .scroll { overflow-x: auto; }
      #end { padding: 12px 16px; } #end p { color: var(--soft, #5b616e); font-size: 13px; max-width: 80ch; } #end a { color: var(--accent, #1f5fd0); margin-right: 14px; }
      </style>
      <clip-player></clip-player>
      <div id="ask"><p role="status" aria-live="polite"></p>
        <button type="button" data-answer="1">1 is better</button><button type="button" data-answer="2">2 is better</button>
        <button type="button" data-answer="0">0: no difference</button><button type="button" id="enough">Enough</button></div>
      <div id="end" hidden></div>`;
    [this.$player, this.$ask, this.$words, this.$end] = ["clip-player", "#ask", "p", "#end"].map(what => this.shadowRoot.querySelector(what));
    for (const button of this.shadowRoot.querySelectorAll("[data-answer]")) button.addEventListener("click", () => this.answer(button.dataset.answer));
    this.shadowRoot.getElementById("enough").addEventListener("click", () => this.#finish());
  }

  connectedCallback() {
    document.addEventListener("keydown", this.pressed = event => {
      if (this.asked && ["0", "1", "2"].includes(event.key) && !event.ctrlKey && !event.altKey && !event.metaKey && !typesHere(event)) {
        event.preventDefault(); // the player would jump
        if (!event.repeat) this.answer(event.key);
      }
    }, { capture: true });
  }
  disconnectedCallback() { document.removeEventListener("keydown", this.pressed, { capture: true }); }

  begin(data) {
    this.data = data;
    const names = Object.keys(data.clips), pairs = names.flatMap((one, k) => names.slice(k + 1).map(other => [one, other]));
    const rounds = data.rounds ?? ROUNDS, first = Math.random() < 0.5;
    this.pairs = Array.from({ length: rounds }, (_, k) => shuffled(pairs).map(([one, other]) => ((k % 2 === 0) === first ? [one, other] : [other, one]))).flat();
    this.count = 0;
    return this.#next();
  }

  async #next() {
    this.asked = this.pairs[this.count];
    if (!this.asked) return this.#finish();
    const [one, other] = this.asked, { clips } = this.data;
    this.$words.textContent = `Pair ${this.count + 1} of ${this.pairs.length}: which looks better?`;
    this.$player.look("beside");
    await this.$player.show({ ...this.data, clips: { 1: clips[one], 2: clips[other] }, left: "1", right: "2", sound: false, linked: false });
    if (this.count || !matchMedia("(prefers-reduced-motion: reduce)").matches) this.$player.play(true);
  }

  async answer(key) {
    if (!this.asked) return;
    const [one, other] = this.asked;
    this.asked = null;
    try {
      this.result = await this.data.send({ one, other, preferred: { 1: one, 2: other, 0: "" }[key] });
      this.count += 1;
    } catch (problem) {
      this.$words.textContent = `The answer could not be kept (${problem.message}); answer again.`;
      this.asked = [one, other];
      return;
    }
    await this.#next();
  }

  #finish() {
    this.asked = null;
    this.$player.play(false);
    this.$ask.hidden = true;
    this.$end.hidden = false;
    const scores = this.result?.scores ?? [];
    const file = (name, type, text) => `<a download="${name}" href="${URL.createObjectURL(new Blob([text], { type }))}">${name}</a>`;
    const cell = text => Object.assign(document.createElement("i"), { textContent: text }).innerHTML;
    const rows = scores.map(({ name, score, low, high, preferred, same, looks }) => `<tr><th scope="row">${cell(name)}</th><td>${score.toFixed(2)}</td>
      <td>${low.toFixed(2)} … ${high.toFixed(2)}</td><td>${preferred} of ${looks}</td><td>${same}</td></tr>`).join("");
    const lines = [["one", "other", "preferred"], ...(this.result?.votes ?? []).map(({ one, other, preferred }) => [one, other, preferred])];
    const csv = lines.map(line => line.map(word => `"${word.replaceAll('"', '""')}"`).join(",")).join("\n");
    this.$end.innerHTML = scores.length ? `<div class="scroll" tabindex="0"><table><thead><tr><th></th><th scope="col">Score</th><th scope="col">95 % interval</th><th scope="col">Preferred</th><th scope="col">No difference</th></tr></thead>
      <tbody>${rows}</tbody></table></div><p>Bradley-Terry scores from ${this.result.votes.length} answers, the sum of all tests of this comparison: a score that is 1.1 higher is preferred three times of four. Where intervals overlap widely, these answers do not tell.</p>
      ${file("blind.json", "application/json", JSON.stringify(this.result, null, 1))}${file("blind.csv", "text/csv", csv)}` : "<p>No answer was given.</p>";
    this.dispatchEvent(new CustomEvent("ended", { detail: this.result }));
  }
}

function shuffled(list) {
  const made = [...list];
  for (let k = made.length - 1; k > 0; k--) {
    const other = Math.floor(Math.random() * (k + 1));
    [made[k], made[other]] = [made[other], made[k]];
  }
  return made;
}
define("blind-test", BlindTest);
