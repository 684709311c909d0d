"""Quality against the strength of a damage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from workbench.degrade import DAMAGES, parse
from workbench.views.plots.series import MARKS
from workbench.views.plots.style import COLOURS, new_figure, styled

if TYPE_CHECKING:
    from workbench.comparison.strengths import Strengths


@styled
def strengths(found: Strengths, metrics: Sequence[str] | None = None) -> Figure:
    """A panel a metric, a line an upscaler; ``metrics``: which (all that it holds)."""
    from workbench.metrics import METRICS  # slow to import, and of use to this figure only

    chosen = list(metrics or found.metrics)
    last = parse(found.degradation).steps[-1][0]
    figure = new_figure(
        2.0 * len(chosen) + 0.9,
        f"Means over the clips against the strength of {last}, damage rising to the right. Look for the strength at "
        "which an upscaler's line meets that of bicubic: from there on it is not worth its time.",
    )
    axes = figure.subplots(len(chosen), 1, sharex=True, squeeze=False)[:, 0]
    places = range(len(found.evaluations))
    for panel, name in zip(axes, chosen, strict=True):
        metric = METRICS[name]
        for k, column in enumerate(found.columns):
            colour, mark = COLOURS[k % len(COLOURS)], MARKS[k % len(MARKS)]
            panel.plot(places, found.means(column, name), color=colour, marker=mark, markersize=4, label=column)
        panel.set_ylabel(f"{metric.label} {'↑' if metric.higher_is_better else '↓'}")
    axes[0].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    axes[-1].set_xticks(places, [f"{strength:g}" for strength in found.evaluations])
    axes[-1].set_xlabel(f"{found.degradation}: {DAMAGES[last].unit}")
    return figure
