"""What frames cost: time and memory by stage here, one bar a run; and beside it what others published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from workbench.bench.published import NOT_MEASURED, PUBLISHED
from workbench.views.plots.series import STAGES
from workbench.views.plots.style import COLOURS, new_figure, styled

if TYPE_CHECKING:
    from workbench.bench.bench import Report


@styled
def bench(reports: Sequence[Report]) -> Figure:
    """Median seconds of each stage, stacked, with the plain loop marked; and the highest memory of each run."""
    figure = new_figure(
        1.6 + 0.4 * len(reports),
        "Median seconds per frame by stage; the line: the plain loop in the same run. Where a bar ends left of its "
        "line, our loop is the faster one. To the right, where it was measured: the highest memory above the start, "
        "and the stage it is in.",
    )
    measured = any(report.memory for report in reports)
    axes = figure.subplots(1, 2 if measured else 1, width_ratios=(2, 1) if measured else None, squeeze=False)[0]
    time = axes[0]
    places = range(len(reports))
    left = [0.0] * len(reports)
    for number, stage in enumerate(dict.fromkeys(name for report in reports for name in report.stages)):
        widths = [report.stages[stage].median if stage in report.stages else 0.0 for report in reports]
        colour = STAGES.get(stage, COLOURS[number % len(COLOURS)])
        time.barh(places, widths, left=left, color=colour, edgecolor="white", linewidth=0.2, label=stage)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for place, report in zip(places, reports, strict=True):
        time.plot([report.plain.median] * 2, [place - 0.45, place + 0.45], color="black", linewidth=1)
        if report.memory:
            stage = max(report.memory, key=lambda name: report.memory[name])
            axes[1].barh(place, report.memory[stage] / 2**20, color=STAGES.get(stage, COLOURS[0]))
            axes[1].text(0, place, f" {stage}", va="center", color="white")
    time.set_yticks(places, [_name(report) for report in reports])
    time.set_xlabel("seconds per frame")
    if measured:
        axes[1].set_yticks([])
        axes[1].set_xlabel("MiB")
    figure.legend(*time.get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False)
    return figure


@styled
def devices(reports: Sequence[Report], model: str) -> Figure:
    """Seconds per frame measured here with ``model``, and those published for the full model on other machines."""
    figure = new_figure(
        0.28 * (len(reports) + len(PUBLISHED)) + 1.5,
        f"Above: measured here, with {model}; the marks are the fastest and the slowest frame. Below, in grey: "
        f"{NOT_MEASURED}, of the full-width model at 720p. They are other models, sizes and ways of measuring: look at "
        "orders of magnitude, not at ratios.",
    )
    axes = figure.subplots()
    names = []
    for place, report in enumerate(reports):
        low, high = report.frame.spread
        axes.barh(place, report.frame.median, color=COLOURS[0], label="measured here" if place == 0 else None)
        axes.plot([low, high], [place, place], color="black", marker="|", linewidth=1)
        names.append(f"{report.device}, {report.dtype}, {_name(report)}".replace("\n", ", "))
    for place, figure_ in enumerate(PUBLISHED, start=len(reports)):
        low, high = figure_.seconds
        label = NOT_MEASURED if place == len(reports) else None
        axes.barh(place, low, color="#DDDDDD")
        axes.barh(place, high - low, left=low, color="white", edgecolor="#777777", hatch="////", label=label)
        axes.plot([low, high], [place, place], color="black", marker="|", linewidth=1)
        names.append(f"{figure_.device}, {figure_.output}")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("seconds per frame")
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


def _name(report: Report) -> str:
    h, w = report.size
    changed = report.settings.changes()
    return f"{w}x{h}\n{changed}" if changed else f"{w}x{h}"
