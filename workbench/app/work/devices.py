"""Time and memory of this machine by stage, what the memory settings and the number of steps change, and what others
published, which is labelled so."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

from workbench.app.work.task import Stopped, Task
from workbench.bench.bench import Report, bench
from workbench.bench.measure import measure_memory
from workbench.bench.published import as_table
from workbench.comparison.machine import machine, versions
from workbench.pipeline.memory import readable
from workbench.pipeline.settings import Settings
from workbench.views.plots.bench import bench as draw

SIZE = (90, 160)  # (h, w)
REPEATS = 2
CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"vae_slicing": True},
    {"attention_slicing": True},
    {"steps": 1},
    {"steps": 2},
)
FRAMES_A_BENCH = 2 * (2 + REPEATS) + 4  # ours and the plain loop in turn, two for counting taps, convolutions of two
RUNS = (FRAMES_A_BENCH + 4) * len(CHANGES)  # each measurement of memory makes four more, in a process of its own


def measure_machine(task: Task) -> None:
    """Leaves what ``work/__init__`` lists; one row for each of ``CHANGES`` to what was asked for."""
    request = task.request
    pipe = task.pipeline()
    variants = _variants(request.settings)
    task.begin(len(variants), "measuring")
    reports: list[Report] = []
    rows: list[dict[str, Any]] = []
    for settings in variants:
        task.say(message=f"measuring {_name(settings, request.settings)}")
        report = bench(pipe, settings, size=SIZE, repeats=REPEATS)
        measured = measure_memory(request.model or None, SIZE, settings, device=str(pipe.device), dtype=report.dtype)
        reports.append(replace(report, memory=measured.stages))
        rows.append(_row(report, measured.growth, _name(settings, request.settings)))
        task.advance(len(rows), result={"measured": table(rows)})
        if task.ending(len(rows)):
            break
    draw(reports).savefig(task.public / "devices.png")
    result = {
        "machine": machine(),
        "versions": versions(),
        "size": list(SIZE),
        "device": reports[0].device,
        "dtype": reports[0].dtype,
        "threads": reports[0].threads,
        "stages": {name: timing.median for name, timing in reports[0].stages.items()},
        "measured": table(rows),
        "rows": rows,
        "published": as_table(),
    }
    whole = result | {"reports": [report.to_dict() for report in reports], "when": time.strftime("%Y-%m-%d %H:%M")}
    (task.public / "devices.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    task.say(message="", seconds_left=0.0, files={"table": "devices.json", "figure": "devices.png"}, result=result)
    if len(rows) < len(variants):
        raise Stopped


def table(rows: list[dict[str, Any]]) -> list[list[str]]:
    """A heading, then one row a measurement, as text."""
    heading = [
        "settings",
        "s/frame",
        "from … to",
        "first frame (s)",
        "memory",
        "GFLOP/frame",
        "time of the plain loop = 1",
    ]
    return [
        heading,
        *(
            [
                row["name"],
                f"{row['seconds_per_frame']:.3g}",
                " … ".join(f"{value:.3g}" for value in row["spread"]),
                f"{row['first_frame']:.3g}",
                readable(row["memory_bytes"]),
                f"{row['gflop']:.0f}",
                f"{row['ratio_to_plain']:.2f}",
            ]
            for row in rows
        ),
    ]


def _variants(base: Settings) -> list[Settings]:
    """The settings themselves, then each change that is one."""
    return list(dict.fromkeys(base.but(**changes) for changes in CHANGES))


def _row(report: Report, memory: int, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "seconds_per_frame": report.frame.median,
        "spread": list(report.frame.spread),
        "first_frame": report.first_frame,
        "memory_bytes": memory,
        "ratio_to_plain": report.ratio_to_plain,
        "gflop": report.flop / 1e9,
    }


def _name(settings: Settings, base: Settings) -> str:
    changed = settings.diff(base)
    words = [f"{name.replace('_', ' ')} {_word(mine)}" for name, (mine, _) in changed.items()]
    return ", ".join(words) or "as set"


def _word(value: Any) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
