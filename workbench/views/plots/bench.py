"""What frames cost here: time and memory by stage, one bar a run."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from workbench.bench.bench import Report
from workbench.pipeline.settings import Settings
from workbench.views.plots.style import COLOURS, new_figure, styled


@styled
def bench(reports: Sequence[Report]) -> Figure:
    """Median seconds of each stage, stacked, with the plain loop marked; and the highest memory of each run."""
    figure = new_figure(
        1.6 + 0.4 * len(reports),
        "Left: median seconds per frame by stage; the line: the plain loop in the same run. Right: the highest memory "
        "above the start, and the stage it is in. Where a bar ends left of its line, our loop is the faster one.",
    )
    time, memory = figure.subplots(1, 2, width_ratios=(2, 1))
    places = range(len(reports))
    left = [0.0] * len(reports)
    for number, stage in enumerate(dict.fromkeys(name for report in reports for name in report.stages)):
        widths = [report.stages[stage].median if stage in report.stages else 0.0 for report in reports]
        hatch = "//" if number >= len(COLOURS) else None
        time.barh(places, widths, left=left, color=COLOURS[number % len(COLOURS)], hatch=hatch, label=stage)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for place, report in zip(places, reports, strict=True):
        time.plot([report.plain.median] * 2, [place - 0.45, place + 0.45], color="black", linewidth=1)
        if report.memory:
            stage = max(report.memory, key=lambda name: report.memory[name])
            memory.barh(place, report.memory[stage] / 2**20, color=COLOURS[0])
            memory.text(0, place, f" {stage}", va="center", color="white")
    time.set_yticks(places, [_name(report) for report in reports])
    memory.set_yticks([])
    time.set_xlabel("seconds per frame")
    memory.set_xlabel("MiB")
    figure.legend(*time.get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False)
    return figure


def _name(report: Report) -> str:
    h, w = report.size
    changed = ", ".join(f"{name}={value[0]}" for name, value in report.settings.diff(Settings()).items())
    return f"{w}x{h}\n{changed}" if changed else f"{w}x{h}"
