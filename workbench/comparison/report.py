"""A comparison as one HTML file: everything inside, nothing fetched, works from disk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import cv2
import numpy as np

from workbench.comparison.curves import curve
from workbench.comparison.motion import flow_track
from workbench.comparison.numbers import Numbers
from workbench.comparison.pictures import Crop, most_different, mp4, png, shrunk
from workbench.comparison.store import INPUT, REFERENCE, Folder, encode
from workbench.comparison.tables import significant
from workbench.comparison.watched import Place, heat_metric, heat_name, places, prepare
from workbench.errors import OutputError
from workbench.metrics import METRICS, display_of
from workbench.player import script

LONGEST = 120  # frames of the moving clip
NO_CLOCK = 12.0  # frames per second of a clip that has no clock of its own
THUMBNAIL = 420


def write_report(comparison: Numbers, store: Folder, path: Path) -> Path:
    """``store``: where the comparison's pictures lie. Raises OutputError when the file cannot be written."""
    page = report_page(comparison, store)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"the report could not be written to {path} ({error}).") from error
    return path


def report_page(comparison: Numbers, store: Folder, *, embedded: bool = False) -> str:
    """The page. ``embedded``: only its player shows, as with ``?embed`` in the address."""
    page = _text("page.html")
    parts = {
        "LOOK": "embed" if embedded else "",
        "ELEMENTS": script(),  # the same that the app's page shows
        "TITLE": escape(str(comparison.about["clip"]["name"])),
        "FACTS": _facts(comparison),
        "LEGEND": _legend(comparison),
        "TABLE": _table(comparison),
        "CURVES": _curves(comparison),
        "CROPS": _crops(comparison, store),
        "SEEN": _seen(comparison, store),
        "DETAILS": _details(comparison),
        "DATA": _script_data(comparison, store),
    }
    for name, content in parts.items():
        page = page.replace(f"<!--{name}-->", content)
    return page


def _text(name: str) -> str:
    return files("workbench.comparison").joinpath(name).read_text(encoding="utf-8")


def _facts(comparison: Numbers) -> str:
    (width, height), large = comparison.about["clip"]["size"], comparison.picture_size
    fps = comparison.about["clip"]["fps"]
    facts = [f"{comparison.frames} frames", f"{width}×{height} → {large[0]}×{large[1]}"]
    facts += [f"{fps:.4g} frames/s"] if fps else []
    facts += [f"the player has the first {LONGEST}"] if comparison.frames > LONGEST else []
    facts.append("with reference" if comparison.about["reference"] else "no reference")
    return "".join(f"<li>{escape(fact)}</li>" for fact in facts)


def _legend(comparison: Numbers) -> str:
    return "".join(
        f'<li><i class="swatch c{k % 8}"></i>{escape(column)}</li>' for k, column in enumerate(comparison.columns)
    )


def _table(comparison: Numbers) -> str:
    metrics = [METRICS[name] for name in comparison.metrics]
    heads = "".join(
        f'<th scope="col" title="{escape(m.source)}">{escape(m.label)} <small>{escape(m.unit)}</small>'
        f'<small class="way">{"higher" if m.higher_is_better else "lower"} is better</small></th>'
        for m in metrics
    )
    best = {name: comparison.best(name) for name in comparison.metrics}
    rows = ""
    for k, column in enumerate(comparison.columns):
        cells = "".join(_cell(comparison, column, name, column in best[name]) for name in comparison.metrics)
        seconds = f"<td><b>{comparison.time(column)}</b></td>"
        rows += f'<tr><th scope="row"><i class="swatch c{k % 8}"></i>{escape(column)}</th>{seconds}{cells}</tr>'
    time_head = '<th scope="col">Time <small>s/frame</small><small class="way">median</small></th>'
    return f"<table><thead><tr><th></th>{time_head}{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(comparison: Numbers, column: str, metric: str, best: bool) -> str:
    summary = comparison.summary(column, metric)
    mean = f"<b>{significant(summary.mean)}</b>" + ('<span class="best">best</span>' if best else "")
    if np.isnan(summary.difference):
        return f"<td>{mean}</td>"
    kind = summary.verdict if summary.certain else "unsure"
    said = f'{significant(summary.difference, sign=True)} <span class="word">{summary.verdict}</span>'
    interval = f"{significant(summary.low, sign=True)} … {significant(summary.high, sign=True)}"
    known = "" if np.isnan(summary.low) else f"<small>{interval}</small>"
    return f'<td>{mean}<small class="{kind}">{said}</small>{known}</td>'


def _curves(comparison: Numbers) -> str:
    charts = ""
    for name in comparison.metrics:
        metric = METRICS[name]
        series = {column: comparison.values[column][name] for column in comparison.columns}
        way = "higher is better" if metric.higher_is_better else "lower is better"
        charts += (
            f'<figure class="chart card" data-metric="{name}"><figcaption>{escape(metric.label)} '
            f"<small>{escape(metric.unit)} {way}</small></figcaption>{curve(series, label=metric.label)}"
            '<p class="readout" aria-hidden="true"></p></figure>'
        )
    return charts


def _crops(comparison: Numbers, store: Folder) -> str:
    return "".join(
        _crop(crop, comparison, store) for crop in most_different(store, len(comparison.columns), comparison.frames)
    )


def _crop(crop: Crop, comparison: Numbers, store: Folder) -> str:
    whole = store.picture(0, crop.index)
    height, width = whole.shape[:2]
    box = ";".join(
        f"{name}:{100 * value:.2f}%"
        for name, value in (
            ("left", crop.x / width),
            ("top", crop.y / height),
            ("width", crop.size / width),
            ("height", crop.size / height),
        )
    )
    small = cv2.resize(store.picture(INPUT, crop.index), (width, height), interpolation=cv2.INTER_NEAREST)
    shown = [("input", crop.of(small))]
    shown += [(c, crop.of(store.picture(k, crop.index))) for k, c in enumerate(comparison.columns)]
    if comparison.about["reference"]:
        shown.append(("reference", crop.of(store.picture(REFERENCE, crop.index))))
    figures = "".join(
        f'<figure><img src="{png(np.ascontiguousarray(picture))}" alt="{escape(name)}, enlarged" width="{crop.size}" '
        f'height="{crop.size}"><figcaption>{escape(name)}</figcaption></figure>'
        for name, picture in shown
    )
    where = f"frame {crop.index}, {crop.size}×{crop.size} pixels at ({crop.x}, {crop.y})"
    return (
        f'<article class="crop card"><div class="where"><div class="thumb"><img src="{png(shrunk(whole, THUMBNAIL))}" '
        f'alt="frame {crop.index} of {escape(comparison.columns[0])}"><span style="{box}"></span></div>'
        f"<p>{where}<br><small>mean difference {crop.score:.1f} of 255</small></p>"
        f'<button type="button" data-frame="{crop.index}">show in the clip</button></div>'
        f'<div class="row">{figures}</div></article>'
    )


def _seen(comparison: Numbers, store: Folder) -> str:
    """Each column at the moment when its difference is seen most; "" where ColorVideoVDP was not measured."""
    metric = heat_metric(comparison)
    if metric is None:
        return ""
    frames = min(comparison.frames, LONGEST)
    figures = ""
    for k, column in enumerate(comparison.columns):
        values = [np.inf if value is None else value for value in comparison.values[column][metric][:frames]]
        worst = int(np.argmin(values))
        place = urlencode({"frame": worst, "view": "beside", "left": heat_name(column), "right": column})
        prepare(comparison, store, f"heat-{k}", frames)
        picture = shrunk(store.picture(f"heat-{k}", worst), THUMBNAIL)
        figures += (
            f'<figure><img src="{png(picture)}" alt="heat map of {escape(column)}"><figcaption>{escape(column)}, frame '
            f"{worst}: {significant(values[worst])} JOD</figcaption>"
            f'<button type="button" data-place="{escape(place)}">show in the clip</button></figure>'
        )
    return (
        "<h2>Where an eye sees a difference</h2>"
        f"<p class='about'>ColorVideoVDP’s heat maps at each one’s worst moment, on the display "
        f"{escape(str(display_of(metric)))}: cyan where nothing is seen, white where a difference is, yellow "
        "where it is large. They are among the player’s clips. 10 JOD: no difference can be seen.</p>"
        f"<div class='card seen'>{figures}</div>"
    )


def _details(comparison: Numbers) -> str:
    about = comparison.about
    columns = ""
    for column in about["columns"]:
        facts = {name: value for name, value in column.items() if name not in ("name", "settings")}
        columns += _list(column["name"], facts | column.get("settings", {}))
    command = _list("command", {"made by": about["command"]}, "wide") if "command" in about else ""
    return (
        f'<div class="lists">{columns}</div><div class="lists">{command}{_list("machine", about["machine"])}'
        f"{_list('versions', about['versions'])}"
        f"{_list('metrics', {METRICS[m].label: METRICS[m].source for m in comparison.metrics}, 'wide')}</div>"
    )


def _list(title: str, content: dict[str, Any], kind: str = "") -> str:
    rows = "".join(f"<dt>{escape(str(k))}</dt><dd>{escape(str(v))}</dd>" for k, v in content.items())
    return f"<section class='{kind}'><h3>{escape(title)}</h3><dl>{rows}</dl></section>"


def _script_data(comparison: Numbers, store: Folder) -> str:
    """What the page's script reads: clips by name, and the values behind the curves."""
    data = player_data(comparison, store) | {"columns": comparison.columns, "values": encode(comparison.values)}
    return script_json(data)


def script_json(data: dict[str, Any]) -> str:
    """JSON that may stand in a page's script element."""
    return json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")


def player_data(comparison: Numbers, store: Folder, names: Sequence[str] | None = None) -> dict[str, Any]:
    """What a player shows, its clips as base64 by name. ``names``: of ``watched.places``; None, all."""
    frames = min(comparison.frames, LONGEST)
    fps = comparison.about["clip"]["fps"] or NO_CLOCK
    clips = {}
    for name, place in places(comparison).items():
        if names is None or name in names:
            prepare(comparison, store, place, frames)
            clips[name] = mp4(_played(store, place, frames), fps)
    others = comparison.columns[1:]
    left = next((name for name in ("bicubic", *reversed(others)) if name in others), comparison.columns[0])
    enlarged = comparison.picture_size[0] / comparison.about["clip"]["size"][0]
    return {
        "fps": fps,
        "frames": frames,
        "size": list(comparison.picture_size),
        "left": left,
        "right": comparison.columns[0],
        "clips": clips,
        "motion": flow_track(_played(store, INPUT, frames), enlarged),
    }


def _played(store: Folder, place: Place, frames: int) -> Iterator[np.ndarray]:
    return (store.picture(place, index) for index in range(frames))
