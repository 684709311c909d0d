// How <job-view> looks. Its colours are the page's (page.css), so both follow light and dark.

const JOB_STYLE = `
  :host { display: block; color: var(--ink); font: 15px/1.5 var(--words, system-ui, sans-serif); --stage-height: 68vh; }
  * { box-sizing: border-box; }
  [hidden] { display: none !important; }
  :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
  h2, h3 { letter-spacing: -.01em; } h3 { font-size: 15px; margin: 28px 0 8px; }
  p { margin: 0; } small { color: var(--soft); font-weight: 400; font-size: 12px; }
  .soft { color: var(--soft); font-size: 13px; max-width: 80ch; }

  #head { display: grid; grid-template-columns: 1fr auto; gap: 4px 14px; align-items: center; padding: 0 0 14px; align-content: start; }
  #what { grid-column: 1 / -1; font-size: 16px; line-height: 1.35; margin: 0 0 2px; overflow-wrap: anywhere; } #what small { margin-left: 6px; font-size: 13px; }
  #said { min-width: 0; min-height: 36px; display: flex; flex-wrap: wrap; gap: 0 8px; align-items: center; }
  #message { color: var(--soft); overflow-wrap: anywhere; }
  #buttons { display: flex; gap: 8px; }
  #counts { grid-column: 1 / -1; color: var(--soft); font-size: 13px; font-variant-numeric: tabular-nums; min-height: 20px; }
  progress { grid-column: 1 / -1; width: 100%; height: 6px; appearance: none; border: 0; border-radius: 99px; overflow: hidden; background: var(--line); }
  progress::-webkit-progress-bar { background: var(--line); } progress::-webkit-progress-value { background: var(--accent); transition: width .3s; }
  progress::-moz-progress-bar { background: var(--accent); }
  #address { grid-column: 1 / -1; font: inherit; font-size: 13px; padding: 6px 10px; border: 1px solid var(--line); border-radius: 8px; color: var(--ink); background: var(--page); }
  button { font: inherit; font-size: 14px; color: inherit; background: var(--page); border: 1px solid var(--line); border-radius: 8px; padding: 5px 14px; cursor: pointer; white-space: nowrap; }
  button:hover { border-color: var(--accent); } button:disabled { opacity: .5; }
  button.danger { color: var(--bad); border-color: var(--bad); font-weight: 600; }
  #error { border: 1px solid var(--bad); border-left-width: 4px; border-radius: 8px; padding: 10px 14px; margin: 0 0 14px; overflow-wrap: anywhere; white-space: pre-line; }

  #stage > *, #stage clip-player, #stage blind-test { display: block; }
  #stage clip-player, #stage blind-test { border: 1px solid var(--line); border-radius: 12px; overflow: hidden; background: var(--card); }
  .curtain { display: grid; place-content: center; justify-items: center; gap: 6px; text-align: center; padding: 24px; color: var(--soft);
    border: 1px solid var(--line); border-radius: 12px; background: var(--card); aspect-ratio: var(--shape); max-height: var(--stage-height); width: 100%; }
  .curtain.empty { aspect-ratio: auto; min-height: 320px; }
  .curtain h2 { color: var(--ink); font-size: 19px; margin: 0; } .curtain p { max-width: 52ch; }
  .lead { color: var(--soft); margin: 0 0 10px; } .lead ~ .soft { font-size: 12px; margin-top: 8px; } .lead strong { color: var(--ink); font-weight: 600; }

  .variants { display: flex; flex-wrap: wrap; gap: 8px; }
  .files { display: flex; flex-wrap: wrap; gap: 8px; margin: 16px 0 10px; }
  .files a { color: var(--ink); text-decoration: none; border: 1px solid var(--line); border-radius: 8px; padding: 5px 12px; font-size: 14px; background: var(--card); }
  .files a:hover { border-color: var(--accent); }
  .files a.main { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; }
  .files a.quiet { border-color: transparent; background: none; color: var(--accent); }

  .scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 12px; background: var(--card); margin: 0 0 10px; }
  table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
  th, td { padding: 9px 14px; text-align: right; border-top: 1px solid var(--line); vertical-align: top; }
  thead th { border-top: 0; color: var(--soft); font-weight: 600; font-size: 13px; }
  th:first-child { text-align: left; font-weight: 600; }
  .figure, figure img { max-width: 100%; height: auto; border-radius: 8px; background: #fff; display: block; }

  .sheet > h3:first-child { margin-top: 0; } .sheet > .files { margin-top: 0; }
  .sliders { display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: 8px 28px; padding: 12px 16px; margin-bottom: 16px; position: sticky; top: 0; z-index: 3;
    background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
  .sliders label { display: grid; grid-template-columns: auto 1fr 5em; gap: 12px; align-items: center; font-size: 14px; }
  .sliders input { width: 100%; accent-color: var(--accent); } .sliders output { color: var(--soft); font-variant-numeric: tabular-nums; text-align: right; }
  figure { margin: 0 0 16px; padding: 14px 16px 16px; border: 1px solid var(--line); border-radius: 12px; background: var(--card); position: relative; }
  figcaption { margin-bottom: 10px; font-size: 14px; }
  figure img { width: 100%; min-height: 120px; padding: 6px; }
  .missing { position: absolute; inset: 46px 16px 16px; display: grid; place-content: center; }

  .bars { display: grid; grid-template-columns: auto 1fr; gap: 6px 16px; margin: 0; font-size: 14px; align-items: center; }
  .bars dd { margin: 0; display: grid; grid-template-columns: 1fr 5em; gap: 12px; align-items: center; font-variant-numeric: tabular-nums; }
  .bars .track { height: 12px; border-radius: 3px; background: var(--page); overflow: hidden; } .bars i { display: block; height: 100%; background: var(--accent); }
  @media (max-width: 640px) { #head { grid-template-columns: 1fr; } :host { --stage-height: 60vh; } }
`;
