// What a job that ended shows: { stage, result }, elements for the view's stage and for below it. One function a kind.

function drawResult(view, status) {
  const drawn = (RESULTS[status.kind] ?? (() => ({ stage: null, result: [] })))(view, status);
  const files = downloads(view, status);
  if (files && drawn.stage?.className === "sheet") drawn.stage.prepend(files); // long sheets have them on top
  else if (files) drawn.result.unshift(files);
  return drawn;
}

const RESULTS = {
  upscale(view, status) {
    const { files, result } = status, still = Boolean(files.picture), made = files.picture ?? files.play ?? files.video;
    if (!made) return { stage: null, result: [] };
    const clips = { bicubic: view.url(files.bicubic), upscaled: view.url(made) };
    const player = playerOf({ clips, left: "bicubic", right: "upscaled", still, ...timing(result), sound: Boolean(result.audio) });
    return { stage: player, result: [notes(result)] };
  },

  compare(view, status) {
    const { files, result } = status;
    if (!files.a || !files.b) return { stage: null, result: [] };
    const { a, b } = result.names;
    const clips = Object.fromEntries(Object.entries(result.names).map(([letter, name]) => [name, view.url(files[letter])]));
    if (files.truth) clips[freeName("original", clips)] = view.url(files.truth);
    const player = playerOf({ clips, left: b, right: a, still: !result.fps && !result.times, ...timing(result) });
    if (files.motion) fetch(view.url(files.motion)).then(answer => answer.json()).then(motion => player.follow(motion)).catch(problem => console.warn("motion:", problem.message));
    const below = [blindButton(view, player, result.names, clips, timing(result))];
    if (result.table) below.push(make("section", {}, make("h3", {}, "Measured"), table(result.table), ...paragraph(result.note)));
    if (result.seconds_per_frame) below.push(make("section", {}, make("h3", {}, "Cost"), costs(result)));
    if (result.curves?.length && result.frames > 1) below.push(make("section", {}, make("h3", {}, "Frame by frame"), curves(player, result.curves)));
    return { stage: player, result: below };
  },

  inside(view, status) {
    const { result } = status;
    return result.figures && result.frames ? { stage: insideFigures(view, result), result: [] } : { stage: null, result: [] };
  },

  devices(view, status) {
    const { files, result } = status;
    const parts = [];
    if (result.machine) parts.push(make("h3", {}, "This machine"), make("p", { className: "soft" }, typeof result.machine === "string" ? result.machine : facts(result.machine)));
    if (result.stages) parts.push(make("h3", {}, "Seconds of one frame, by stage"), bars(result.stages));
    if (result.measured?.length) parts.push(make("h3", {}, "Measured here"), measuredTable(result));
    if (result.published?.length)
      parts.push(make("h3", {}, "Published by others"), make("p", { className: "soft" }, "Not measured here: what others wrote about the published model on other machines."), table(result.published));
    if (files.figure) parts.push(picture(view.url(files.figure), "Time per stage"));
    return { stage: parts.length ? make("div", { className: "sheet" }, ...parts) : null, result: [] };
  },
};

/** The player of a result: the address keeps its place. */
function playerOf(data) {
  const player = make("clip-player");
  player.show({ ...data, linked: true });
  return player;
}

function timing(result) {
  return { fps: result.fps, times: result.times, frames: result.frames, size: [result.width, result.height], start: result.start ?? 0 };
}

/** Puts a blind test of the compared versions in the player's place; answers are kept with the job. */
function blindButton(view, player, names, clips, times) {
  const button = make("button", { type: "button", id: "blind" }, "Blind test: which looks better?");
  const send = async vote => {
    const answer = await fetch(view.url("votes"), { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(vote) });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error ?? `the server answers ${answer.status}`);
    return told;
  };
  button.addEventListener("click", () => {
    const test = make("blind-test"), compared = Object.fromEntries(Object.values(names).map(name => [name, clips[name]]));
    player.play(false);
    player.replaceWith(test);
    const back = make("button", { type: "button" }, "Back to the player");
    back.addEventListener("click", () => { test.replaceWith(player); back.replaceWith(button); });
    button.replaceWith(back);
    test.begin({ clips: compared, send, still: !times.fps && !times.times, ...times });
  });
  return make("div", { className: "files" }, button);
}

/** Charts that follow the player, and lead it. */
function curves(player, values) {
  const charts = make("metric-curves");
  charts.show(values);
  charts.mark(player.current);
  charts.addEventListener("frame", event => player.stopAt(event.detail));
  player.addEventListener("frame", event => charts.mark(event.detail));
  return charts;
}

function freeName(name, taken) { return name in taken ? freeName(`${name} (the clip)`, taken) : name; }

/** Sliders for frame and denoising step over the recorded run; every figure follows. */
function insideFigures(view, { frames, steps, figures, first = {}, titles = {} }) {
  const at = { frame: Math.min(1, frames - 1), step: steps - 1 };
  const sheet = make("div", { className: "sheet" });
  const sliders = make("div", { className: "sliders" });
  const shown = Object.entries(figures).map(([name, pattern]) => {
    const image = make("img", { alt: "" }), missing = make("p", { className: "soft missing", hidden: true });
    const caption = make("figcaption", {}, make("strong", {}, titles[name] ?? name), ...(pattern.includes("{step}") ? [] : [" ", make("small", {}, "all steps")]));
    sheet.append(make("figure", { id: `figure-${name}` }, caption, image, missing));
    return { name, pattern, image, missing };
  });
  const update = () => {
    for (const { name, pattern, image, missing } of shown) {
      const starts = first[name] ?? 0, there = at.frame >= starts;
      missing.hidden = there;
      image.style.visibility = there ? "visible" : "hidden";
      missing.textContent = `Nothing yet at frame ${at.frame}: it needs a previous frame, so it begins with frame ${starts}.`;
      const source = view.url(pattern.replace("{frame}", Math.max(at.frame, starts)).replace("{step}", at.step));
      image.alt = `${name}, frame ${at.frame}, step ${at.step}`;
      if (image.dataset.source === source) continue;
      image.dataset.source = source;
      loadPicture(source).then(() => { if (image.dataset.source === source) image.src = source; }).catch(() => {
        missing.hidden = false;
        missing.textContent = "This picture could not be fetched.";
      });
    }
  };
  for (const [name, count, label] of [["frame", frames, "Frame"], ["step", steps, "Denoising step"]]) {
    const input = make("input", { type: "range", id: `${name}-slider`, min: 0, max: count - 1, step: 1, value: at[name], disabled: count < 2 });
    const said = make("output", { htmlFor: input.id });
    const tell = () => { said.value = `${at[name] + (name === "step" ? 1 : 0)} of ${name === "step" ? count : count - 1}`; };
    input.addEventListener("input", () => { at[name] = Number(input.value); tell(); update(); });
    tell();
    sliders.append(make("label", {}, make("span", {}, label), input, said));
  }
  sheet.prepend(sliders);
  update();
  return sheet;
}

const FILE_LABELS = {
  play: "Video for browsers", video: "Video", picture: "Picture", sidecar: "Settings and timings (JSON)", bicubic: "Bicubic, for comparison",
  report: "Report (one HTML file)", json: "Values (JSON)", csv: "Values (CSV)", curves: "Curves (PNG)", truth: "Original",
  trace: "Trace, for a notebook (safetensors)", table: "Table (JSON)", figure: "Figure (PNG)",
};
const MAIN_FILES = ["video", "picture", "report", "trace", "table"];

function downloads(view, status) {
  const isMain = ([label]) => MAIN_FILES.includes(label);
  const entries = Object.entries(status.files)
    .filter(([label, name]) => label !== "motion" && (label !== "play" || name !== status.files.video))
    .sort((one, other) => isMain(other) - isMain(one));
  if (!entries.length) return null;
  const row = make("div", { className: "files" });
  for (const [label, name] of entries)
    row.append(make("a", { href: view.url(name), download: status.downloads?.[name] ?? name, className: isMain([label]) ? "main" : "" }, `↓ ${status.result?.names?.[label] ?? FILE_LABELS[label] ?? label}`));
  if (status.files.report) row.append(make("a", { href: view.url(status.files.report), target: "_blank", rel: "noopener" }, "Open the report"));
  row.append(make("a", { href: `?settings=${encodeURIComponent(JSON.stringify(status.settings))}`, className: "quiet" }, "Link to these settings"));
  return row;
}

/** What was assumed, changed or left out, one line each. */
function notes(result) {
  const said = [...(result.notes ?? []), result.flow ? `flow: ${result.flow}` : ""].filter(Boolean);
  if (!said.length) return "";
  return make("section", { className: "notes" }, make("h3", {}, "Notes on this run"), make("ul", {}, ...said.map(note => make("li", {}, note))));
}

function paragraph(words) { return words ? [make("p", { className: "soft" }, words)] : []; }

function picture(src, alt) { return make("img", { src, alt, className: "figure", loading: "lazy" }); }

function facts(values) { return Object.entries(values).map(([name, value]) => `${name}: ${value}`).join(" · "); }

/** Rows of cells, the first row the heading; or rows of {heading: cell}. */
function table(rows) {
  const lists = Array.isArray(rows[0]) ? rows : [Object.keys(rows[0]), ...rows.map(Object.values)];
  const [heads, ...body] = lists;
  const line = (cells, tag) => make("tr", {}, ...cells.map((cell, k) => {
    const head = tag === "th" || k === 0;
    return make(head ? "th" : "td", head ? { scope: tag === "th" ? "col" : "row" } : {}, shownValue(cell));
  }));
  return make("div", { className: "scroll", tabIndex: 0 }, make("table", {}, make("thead", {}, line(heads, "th")), make("tbody", {}, ...body.map(row => line(row, "td")))));
}

function shownValue(value) {
  if (value === null || value === undefined || Number.isNaN(value) || value === "nan") return "–";
  return typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(4))) : String(value);
}

function measuredTable({ measured, size, device, dtype }) {
  const about = size ? `Frames of ${size[1]}×${size[0]} → ${4 * size[1]}×${4 * size[0]} on ${device}, ${dtype}; the median of a few. The plain loop is diffusers' own classes called one by one.` : "";
  return make("div", {}, table(measured), ...paragraph(about));
}

function mebibytes(bytes) { return bytes ? `${(bytes / 2 ** 20).toFixed(0)} MiB` : null; }

function costs({ names, seconds_per_frame: time, memory = {} }) {
  const rows = [["", "s/frame", "memory, estimated"]];
  for (const side of Object.keys(names)) rows.push([names[side], time[side] ?? null, mebibytes(memory[side])]);
  return table(rows);
}

function bars(stages) {
  const most = Math.max(...Object.values(stages));
  const list = make("dl", { className: "bars" });
  for (const [name, value] of Object.entries(stages)) {
    const bar = make("i");
    bar.style.width = `${100 * value / most}%`;
    list.append(make("dt", {}, name), make("dd", {}, make("span", { className: "track" }, bar), make("span", {}, seconds(value))));
  }
  return list;
}

// Before there is a job

const EMPTY = {
  upscale: ["Four times the pixels, frame by frame", "Choose a clip, then press Upscale. Every frame shows here as soon as it is made, beside the bicubic one."],
  compare: ["Two versions, one moving picture", "Choose a clip and what to set it against, then press Compare: two synchronised players under one divider, and the numbers below."],
  inside: ["Watch it think", "Choose a clip, then record a few frames: the latents and the picture at every denoising step, the flow and the warped previous output, what guides and what is fused."],
  devices: ["How fast is this machine?", "Press Measure here: seconds per stage of one frame, and what fewer steps and the slicing switches change, beside figures that others published."],
};

function emptyState(kind) {
  const [title, words] = EMPTY[kind] ?? ["", ""];
  const box = make("div", { className: "curtain empty" }, make("h2", {}, title), make("p", {}, words));
  if (kind !== "upscale") return box;
  const place = make("div");
  place.append(box);
  example().then(shown => { if (shown) place.replaceChildren(shown); }).catch(problem => console.warn("example:", problem.message));
  return place;
}

/** The example that came with the app, already computed. */
async function example() {
  const answer = await fetch("example/example.json");
  if (!answer.ok) return null;
  const about = await answer.json();
  const player = make("clip-player");
  player.show({
    clips: { bicubic: "example/bicubic.mp4", upscaled: "example/ours.mp4" },
    left: "bicubic", right: "upscaled", fps: about.fps, frames: about.frames, size: [about.width, about.height], sound: false,
  });
  return make("div", {}, make("p", { className: "lead" }, make("strong", {}, "An example, already computed."), " Drag the line, or press Play; then choose your own clip."), player, ...paragraph(about.credit));
}
