"""Values over frames: time by stage, and metrics."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workbench.errors import InputError
from workbench.pipeline.output import Output
from workbench.trace.trace import Trace
from workbench.views.plots.style import COLOURS, new_figure, styled

if TYPE_CHECKING:
    from workbench.comparison import Comparison

STAGES = {
    "input": "#999999",
    "flow": COLOURS[3],
    "warp": COLOURS[6],
    "conditioning": COLOURS[5],
    "features": COLOURS[4],
    "controlnet": COLOURS[1],
    "unet": COLOURS[0],
    "decode": COLOURS[2],
    "output": COLOURS[7],
}
MARKS = "osD^vP*X"
LONGEST_LABEL = 34  # characters on a line of a legend


@styled
def timeline(run: Trace | Iterable[Output]) -> Figure:
    """A bar a frame, from the start of the stream on, made of its stages' seconds."""
    seconds = run.seconds if isinstance(run, Trace) else {out.index: out.seconds for out in run}
    if not seconds:
        raise InputError("there are no frames to draw.")
    stages = [s for s in STAGES if any(s in of_frame for of_frame in seconds.values())]
    total = sum(sum(of_frame.values()) for of_frame in seconds.values())
    figure = new_figure(
        min(7.0, 0.16 * len(seconds) + 1.6),
        f"Seconds by stage, frame after frame: {total / len(seconds):.2f} s a frame on average. A stage's time is "
        "summed over the denoising steps and drawn as one block; the first frame has no flow, ARTG or TPM. Look for "
        "the widest colour, and for frames that stand out.",
    )
    axes = figure.subplots()
    start = 0.0
    for k, of_frame in sorted(seconds.items()):
        for stage in (s for s in stages if s in of_frame):
            axes.barh(k, of_frame[stage], left=start, height=0.85, color=STAGES[stage], edgecolor="white", lw=0.2)
            start += of_frame[stage]
    for stage in stages:
        share = sum(of_frame.get(stage, 0.0) for of_frame in seconds.values()) / total
        axes.barh(0, 0, color=STAGES[stage], label=f"{stage} {100 * share:.0f} %")
    axes.set(xlabel="seconds since the start of the stream", ylabel="frame", xlim=(0, start))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.invert_yaxis()
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


@styled
def curves(values: Mapping[str, Sequence[float]] | Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Values over frames: name -> one value a frame; or metric -> run -> values, with a panel a metric.

    Runs keep their colour and mark in all panels. NaN leaves a gap (a metric that has no value on frame 0).
    """
    return _lines({n: v if isinstance(v, Mapping) else {n: v} for n, v in values.items()})


@styled
def compare(comparison: Comparison, metrics: Sequence[str] | None = None) -> Figure:
    """A comparison's metrics over the frames, a panel a metric; ``metrics``: which (all that it holds)."""
    from workbench.metrics import METRICS  # slow to import, and of use to this figure only

    missing = [name for name in metrics or () if name not in comparison.metrics]
    if missing:
        raise InputError(f"the comparison holds no {', '.join(missing)}; it holds {', '.join(comparison.metrics)}.")
    panels: dict[str, Mapping[str, Sequence[float]]] = {}
    for name in metrics or comparison.metrics:
        metric = METRICS[name]
        label = f"{metric.label} {'↑' if metric.higher_is_better else '↓'}{f' ({metric.unit})' if metric.unit else ''}"
        panels[label] = {column: [_number(v) for v in of[name]] for column, of in comparison.values.items()}
    return _lines(panels)


def _number(value: float | None) -> float:
    """NaN, which leaves a gap, for infinity and for None (a metric of frame pairs on the first frame)."""
    return float("nan") if value is None or np.isinf(value) else value


def _lines(panels: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    if not panels or not all(panels.values()):
        raise InputError("there are no values to draw; give a mapping of names to values.")
    runs = list(dict.fromkeys(run for lines in panels.values() for run in lines))
    labels = {run: textwrap.fill(run, LONGEST_LABEL) for run in runs}
    legend = 0.145 * sum(label.count("\n") + 1 for label in labels.values())  # inches
    figure = new_figure(
        max(1.25, legend + 0.3) * len(panels) + 0.9,
        "Values over frames, one panel a metric. Look for drift (a slope), for recovery after cuts (a dip), and for "
        "runs that part from each other; the number behind a name is its mean.",
    )
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for panel, (metric, lines) in zip(axes, panels.items(), strict=True):
        for run, series in lines.items():
            index = runs.index(run)
            numbers = np.asarray(series, dtype=float)
            panel.plot(
                np.arange(len(numbers)),
                numbers,
                color=COLOURS[index % len(COLOURS)],
                marker=MARKS[index % len(MARKS)],
                markersize=3,
                linewidth=1,
                linestyle="-" if index < len(COLOURS) else "--",
                label=f"{labels[run]} ({np.nanmean(numbers):.4g})",
            )
        panel.set_ylabel(metric)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    axes[-1].set_xlabel("frame")
    return figure
