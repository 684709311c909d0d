"""The latent after one denoising step."""

from __future__ import annotations

from math import ceil

from matplotlib.figure import Figure

from workbench.trace.trace import Trace
from workbench.views.plots import style

MOST_IN_A_ROW = 4


@style.styled
def latent(trace: Trace, frame: int, step: int) -> Figure:
    """The channels of a latent side by side, each on the scale of its last step, for leafing through the steps."""
    latents = trace["latent", frame]  # (steps, L, h, w)
    channels, height, width = latents.shape[1:]
    columns = min(channels, MOST_IN_A_ROW)
    rows = ceil(channels / columns)
    figure = style.new_figure(
        rows * (style.WIDTH / (columns + 0.1) * height / width + 0.25) + 0.45,
        f"Frame {frame}, after step {step + 1} of {len(latents)}: each channel on a scale of its own (above it), "
        "that of its last step. Structure of the picture should stand out more with every step.",
    )
    axes = style.grid(figure, rows, columns, used=channels)
    for channel, panel in enumerate(axes.flat[:channels]):
        limits = style.symmetric([latents[-1, channel]])
        style.heat(panel, latents[step, channel], limits, f"channel {channel}, ±{limits[1]:.2g}", style.DIVERGING)
    return figure
