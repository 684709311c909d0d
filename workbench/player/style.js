// How the player looks, and of what it is made.

const PLAYER_STYLE = `
  :host { display: block; color: var(--ink, #16181d); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
  * { box-sizing: border-box; }
  [hidden] { display: none !important; }
  :focus-visible { outline: 3px solid var(--accent, #1f5fd0); outline-offset: 2px; }
  #stage { position: relative; background: #000; touch-action: pan-y; user-select: none; margin: 0 auto; overflow: hidden; cursor: ew-resize;
    aspect-ratio: var(--ratio, 16 / 9); max-width: min(100%, var(--widest, 100%), calc(var(--stage-height, 78vh) * var(--ratio, 1.78))); }
  #stage.still-line { cursor: default; } #stage.close { cursor: grab; touch-action: none; } #stage.close:active { cursor: grabbing; }
  #stage:focus-visible { outline-offset: -3px; }
  #stage > video, #stage > img { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
  canvas { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
  .tag { position: absolute; z-index: 2; top: 12px; padding: 3px 10px; border-radius: 99px; background: rgb(0 0 0 / .62); color: #fff;
    font-size: 13px; pointer-events: none; max-width: 46%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .tag:empty { display: none; }
  #left-tag { left: 12px; } #right-tag { right: 12px; }
  #divider { position: absolute; z-index: 1; top: 0; bottom: 0; width: 2px; margin-left: -1px; background: #fff; box-shadow: 0 0 0 1px rgb(0 0 0 / .35); cursor: ew-resize; }
  #divider:focus-visible { outline: none; }
  #divider::before { content: ""; position: absolute; inset: 0 -12px; }
  #divider::after { content: "‹ ›"; position: absolute; top: 50%; left: 50%; width: 40px; height: 40px; line-height: 37px; margin: -20px;
    border-radius: 50%; background: #fff; color: #16181d; text-align: center; font-size: 19px; letter-spacing: 1px; box-shadow: 0 2px 10px rgb(0 0 0 / .45); }
  #divider:focus-visible::after { box-shadow: 0 0 0 4px var(--accent, #1f5fd0); }
  .bar { display: flex; flex-wrap: wrap; gap: 8px 10px; align-items: center; padding: 8px 16px 0; }
  .bar:last-child { padding-bottom: 10px; }
  label { display: flex; gap: 8px; align-items: center; color: var(--soft, #5b616e); font-size: 13px; }
  .scrub { flex: 1 1 160px; position: relative; }
  #scrub { width: 100%; accent-color: var(--accent, #1f5fd0); }
  #marks { position: absolute; left: 0; right: 0; bottom: -2px; height: 4px; border-radius: 2px; pointer-events: none; background: none; }
  #marks i { position: absolute; top: 0; bottom: 0; background: var(--accent, #1f5fd0); border-radius: 2px; }
  button, select { font: inherit; font-size: 13px; color: inherit; background: var(--page, #f6f6f4); border: 1px solid var(--line, #e2e3e0);
    border-radius: 8px; padding: 5px 10px; max-width: 260px; cursor: pointer; }
  button:hover { border-color: var(--accent, #1f5fd0); }
  button[aria-pressed=true], button[aria-checked=true] { border-color: var(--accent, #1f5fd0); color: var(--accent, #1f5fd0); font-weight: 600; }
  button.primary { min-width: 70px; background: var(--accent, #1f5fd0); border-color: var(--accent, #1f5fd0); color: var(--on-accent, #fff); font-weight: 600; }
  button svg { width: 13px; height: 13px; display: block; margin: 3px 0; fill: none; stroke: currentColor; stroke-width: 1.8; }
  #views { display: flex; flex-wrap: wrap; gap: 4px; } #tools { gap: 8px; } #tools button { padding: 5px 8px; }
  .push { flex: 1; }
  output { font-variant-numeric: tabular-nums; color: var(--soft, #5b616e); font-size: 13px; } #frame { min-width: 5.5em; text-align: right; }
  #values { min-height: 20px; font-size: 12px; font-variant-numeric: tabular-nums; color: var(--soft, #5b616e); }
  :host(:fullscreen) { display: flex; flex-direction: column; background: var(--card, #fff); }
  :host(:fullscreen) #stage { flex: 1; width: 100%; aspect-ratio: auto; max-width: none; min-height: 0; }
  @media (max-width: 520px) { .bar { padding: 8px 10px 0; gap: 6px; } button, select { padding: 5px 7px; } #hint { display: none; } }
`;

const VIEW_BUTTONS = Object.entries(VIEWS)
  .map(([name, { label, says }]) => `<button type="button" data-view="${name}" title="${says}" aria-pressed="false">${label}</button>`).join("");

const PLAYER_PARTS = `
  <div id="stage" tabindex="0" role="group" aria-label="The pictures: plus and minus enlarge, arrows then move">
    <video id="left" muted playsinline preload="auto"></video>
    <video id="right" muted playsinline preload="auto"></video>
    <canvas id="canvas" role="img"></canvas>
    <span class="tag" id="left-tag"></span><span class="tag" id="right-tag"></span>${DIVIDER_LINE}
  </div>
  <div class="bar" id="controls">
    <button type="button" id="play" class="primary">Play</button>
    <button type="button" id="back" aria-label="Previous frame">◂</button>
    <button type="button" id="forward" aria-label="Next frame">▸</button>
    <label class="scrub"><span>Frame</span><input type="range" id="scrub" min="0" value="0" step="1"><span id="marks" hidden><i></i></span></label>
    <output id="frame" for="scrub"></output>
    <button type="button" id="whole" hidden></button>
    <label>Speed <select id="speed"><option value="1">1×</option><option value="0.5">½×</option><option value="0.25">¼×</option></select></label>
    <button type="button" id="loop" aria-pressed="true" aria-label="Loop" title="Loop">↻</button>
    <button type="button" id="sound" aria-pressed="false">Sound off</button>
  </div>
  <div class="bar" id="tools">
    <div id="views" role="group" aria-label="View">${VIEW_BUTTONS}</div>
    <label id="gains">Amplified <select id="gain">${[1, 2, 4, 8, 16, 32].map(gain => `<option value="${gain}" ${gain === 4 ? "selected" : ""}>${gain}×</option>`).join("")}</select></label>
    <span class="push"></span>
    <button type="button" id="farther" aria-label="Enlarge less">−</button>
    <button type="button" id="zoom" title="The whole picture, or its pixels"></button>
    <button type="button" id="closer" aria-label="Enlarge">+</button>
    <button type="button" id="magnify" aria-pressed="false" title="Both pictures around the pointer, enlarged">Magnifier</button>
    <button type="button" id="full" aria-label="Full screen" title="Full screen"><svg viewBox="0 0 14 14" aria-hidden="true"><path d="M1 5V1h4M9 1h4v4M13 9v4H9M5 13H1V9"/></svg></button>
    <button type="button" id="link" title="Copies a link to this place">Link</button>
    <button type="button" id="help" aria-label="Keys" title="Keys">?</button>
  </div>
  <div class="bar" id="choices">
    <label>Left <select id="left-choice"></select></label>
    <label>Right <select id="right-choice"></select></label>
    <button type="button" id="swap" aria-label="Swap left and right" title="Swap left and right">⇄</button>
  </div>
  <div class="bar"><span id="values"></span></div>`;
