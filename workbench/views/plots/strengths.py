"""Quality against the strength of a damage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from workbench.degrade import DAMAGES, parse
from workbench.views.plots.series import MARKS
from workbench.views.plots.style import COLOURS, new_figure, styled

if TYPE_CHECKING:
    from workbench.comparison.strengths import Strengths


@styled
def strengths(found: Strengths, metrics: Sequence[str] | None = None) -> Figure:
    """A panel a metric, a line an upscaler: what it is above bicubic, where that is among them.

    ``metrics``: which (all that it holds)."""
    from workbench.comparison.strengths import PLAIN  # slow to import, and of use to this figure only
    from workbench.metrics import METRICS

    chosen = list(metrics or found.metrics)
    last = parse(found.degradation).steps[-1][0]
    figure = new_figure(
        2.0 * len(chosen) + 0.9,
        f"Means over the clips against the strength of {last}, damage rising to the right. Look for the strength at "
        f"which an upscaler's line meets that of {PLAIN}: from there on it is not worth its time.",
    )
    axes = figure.subplots(len(chosen), 1, sharex=True, squeeze=False)[:, 0]
    places = range(len(found.evaluations))
    for panel, name in zip(axes, chosen, strict=True):
        metric = METRICS[name]
        plain = np.array(found.means(PLAIN, name)) if PLAIN in found.columns else 0
        for k, column in enumerate(found.columns):
            colour, mark = COLOURS[k % len(COLOURS)], MARKS[k % len(MARKS)]
            panel.plot(
                places,
                np.array(found.means(column, name)) - plain,
                color=colour,
                marker=mark,
                markersize=4,
                label=column,
            )
        above = f"\nover {PLAIN}" if PLAIN in found.columns else ""
        panel.set_ylabel(f"{metric.label} {'↑' if metric.higher_is_better else '↓'}{above}")
    axes[0].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    axes[-1].set_xticks(places, [f"{strength:g}" for strength in found.evaluations])
    axes[-1].set_xlabel(f"{found.degradation}: {DAMAGES[last].unit}")
    return figure
