"""What every setting changes, beside the default settings."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workbench.ablation.study import Study, StudyRow
from workbench.views.plots.style import COLOURS, new_figure, styled

BETTER, WORSE, SAME = (COLOURS[2], "o"), (COLOURS[3], "X"), ("#999999", "o")
PANELS = (("psnr_y", "PSNR-Y (dB)", True), ("haarpsi", "HaarPSI", True), ("flicker", "flicker (/255)", False))


@styled
def ablation(study: Study) -> Figure:
    """Differences to the default settings with their 95 % intervals, and ratios of time and memory, a row a variant."""
    rows = [row for row in study.rows[1:] if row.time is not None]
    figure = new_figure(
        0.24 * len(rows) + 1.3,
        "Differences to the default settings, with 95 % intervals from scene to scene: green is better, a red cross is "
        "worse, grey does not hold for all tests together or is too small to matter. Right: time and peak memory as "
        "ratios. Look for a row whose bars on the right are short and whose points on the left are at 0: what it "
        "switches off does not earn its cost on these scenes.",
    )
    axes = figure.subplots(1, len(PANELS) + 2, sharey=True)
    places = range(len(rows))
    for panel, (metric, label, up) in zip(axes, PANELS, strict=False):
        panel.axvline(0, color="black", linewidth=0.6)
        for place, row in zip(places, rows, strict=True):
            value = row.values[metric]
            colour, mark = _judged(row, metric, up)
            panel.plot([value.low, value.high], [place, place], color=colour, linewidth=1.5)
            panel.plot(value.difference, place, mark, color=colour, markersize=4.5)
        panel.set_xlabel(label)
        panel.xaxis.set_major_locator(MaxNLocator(2, prune="lower"))
    ratios = [[row.time for row in rows], [study.memory_ratio(row) for row in rows]]
    for panel, label, values in zip(axes[-2:], ("time", "memory"), ratios, strict=True):
        panel.axvline(1, color="black", linewidth=0.6)
        panel.barh(places, [value or 0 for value in values], height=0.6, color=COLOURS[5])
        panel.set_xlabel(f"{label} (ratio)")
    axes[0].set_yticks(places, [row.name for row in rows])
    axes[0].invert_yaxis()
    return figure


def _judged(row: StudyRow, metric: str, up: bool) -> tuple[str, str]:
    value = row.values[metric]
    return SAME if not value.certain else BETTER if (value.difference > 0) == up else WORSE
