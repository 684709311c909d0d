// One set of keys for everything that plays. A player is an element with `keys`: an object of some of the actions below.

const KEYS = [
  { key: " ", shown: "Space", does: "Play or pause", action: "toggle" },
  { key: ",", shown: ",", does: "One frame back", action: "back" },
  { key: ".", shown: ".", does: "One frame on", action: "on" },
  { key: /^[1-9]$/, shown: "1 to 9", does: "To a tenth of the clip, two tenths …", action: "jump" },
  { key: "l", shown: "L", does: "Begin again at the end, or stop there", action: "loop" },
  { key: "i", shown: "I", does: "The range begins at the frame shown: of your clip, or of what a player repeats", action: "begin" },
  { key: "o", shown: "O", does: "The range ends at the frame shown", action: "end" },
  { key: "v", shown: "V", does: "The next view", action: "view" },
  { key: "b", shown: "B, held", does: "The left picture alone, then the right one: blink", action: "left", held: true },
  { key: "n", shown: "N, held", does: "The right picture alone", action: "right", held: true },
  { key: /^[+=]$/, shown: "+", does: "Enlarge", action: "closer" },
  { key: "-", shown: "-", does: "Enlarge less", action: "farther" },
  { key: "z", shown: "Z", does: "The whole picture, or its pixels", action: "zoom" },
  { key: "m", shown: "M", does: "Magnifier", action: "magnify" },
  { key: "x", shown: "X", does: "Swap left and right", action: "swap" },
  { key: null, shown: "Arrows", does: "Move the line; move the enlarged picture, when that has the focus" },
  { key: "f", shown: "F", does: "Full screen, and back", action: "full" },
  { key: "?", shown: "?", does: "Show these keys", action: "help" },
];
const OWN_SPACE = ["BUTTON", "SELECT", "SUMMARY", "A", "INPUT"]; // elements that the space bar works already
const OWN_LETTERS = ["SELECT", "TEXTAREA"];

/** Whether a person is typing, or works another control with this very key. */
function typesHere(event) {
  const target = event.composedPath()[0];
  if (target.isContentEditable || OWN_LETTERS.includes(target.tagName)) return true;
  if (target.tagName === "INPUT" && !["range", "checkbox", "radio", "button"].includes(target.type)) return true;
  return event.key === " " && OWN_SPACE.includes(target.tagName);
}

/** The player that a key is for: the one it was pressed in, else, with the focus nowhere, the one in sight. */
function playerFor(event) {
  const within = event.composedPath().find(element => element.keys);
  if (within || event.composedPath()[0] !== document.body) return within;
  return players(document).find(player => player.getClientRects().length);
}

function players(root) {
  const found = [];
  for (const element of root.querySelectorAll("*")) {
    if (element.keys) found.push(element);
    else if (element.shadowRoot) found.push(...players(element.shadowRoot));
  }
  return found.sort((one, other) => (other.localName === "clip-player") - (one.localName === "clip-player"));
}

const pressed = event => (event.key.length === 1 ? event.key.toLowerCase() : event.key);

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented || typesHere(event)) return;
  const key = pressed(event), known = KEYS.find(row => (row.key instanceof RegExp ? row.key.test(key) : row.key === key));
  if (!known) return;
  const act = known.action === "help" ? showKeys : playerFor(event)?.keys[known.action];
  if (!act) return;
  event.preventDefault();
  if (!known.held) return act(Number(key) / 10);
  if (event.repeat) return;
  act(true);
  const up = after => {
    if (after.type === "keyup" && pressed(after) !== key) return;
    act(false);
    for (const what of ["keyup", "blur"]) window.removeEventListener(what, up);
  };
  for (const what of ["keyup", "blur"]) window.addEventListener(what, up);
}

/** The sheet of keys. */
function showKeys() {
  let sheet = document.getElementById("keys-sheet");
  if (!sheet) {
    sheet = Object.assign(document.createElement("dialog"), { id: "keys-sheet" });
    sheet.setAttribute("aria-labelledby", "keys-title");
    const rows = KEYS.map(({ shown, does }) => `<tr><th scope="row"><kbd>${shown}</kbd></th><td>${does}</td></tr>`).join("");
    sheet.innerHTML = `<style>
      #keys-sheet { border: 1px solid var(--line, #e2e3e0); border-radius: 12px; padding: 20px 24px; color: var(--ink, #16181d); background: var(--card, #fff);
        font: 15px/1.5 system-ui, sans-serif; max-width: 92vw; } #keys-sheet::backdrop { background: rgb(0 0 0 / .45); }
      #keys-sheet h2 { font-size: 17px; margin: 0 0 10px; } #keys-sheet table { border-collapse: collapse; } #keys-sheet td { padding: 4px 0; }
      #keys-sheet th { text-align: left; padding: 4px 18px 4px 0; font-weight: 400; white-space: nowrap; }
      #keys-sheet kbd { border: 1px solid var(--line, #e2e3e0); border-radius: 5px; padding: 1px 7px; background: var(--page, #f6f6f4); font: inherit; font-size: 13px; }
      #keys-sheet button { font: inherit; margin-top: 14px; padding: 5px 14px; border: 1px solid var(--line, #e2e3e0); border-radius: 8px; background: var(--page, #f6f6f4); color: inherit; }
      </style><h2 id="keys-title">Keys of the players</h2><table><tbody>${rows}</tbody></table><form method="dialog"><button>Close</button></form>`;
    document.body.append(sheet);
  }
  if (!sheet.open) sheet.showModal();
}

/** Full screen for an element, and back. */
function toggleFull(element) {
  document.fullscreenElement ? document.exitFullscreen() : element.requestFullscreen?.().catch(() => {});
}

document.addEventListener("keydown", onKey);

/** Registers an element once, however often the page's script runs. */
function define(name, element) {
  if (!customElements.get(name)) customElements.define(name, element);
}
