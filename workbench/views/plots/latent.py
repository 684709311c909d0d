"""The latent after one denoising step."""

from __future__ import annotations

from matplotlib.figure import Figure

from workbench.trace.trace import Trace
from workbench.views.plots.style import DIVERGING, WIDTH, colour_bar, grid, heat, new_figure, styled, symmetric


@styled
def latent(trace: Trace, frame: int, step: int) -> Figure:
    """The channels of a latent side by side, on the scale of all its steps, so that steps can be leafed through."""
    latents = trace["latent", frame]  # (steps, 4, h, w)
    limits = symmetric([latents])
    channels, height, width = latents.shape[1:]
    figure = new_figure(
        WIDTH / (channels + 0.4) * height / width + 0.7,
        f"Frame {frame}, after step {step + 1} of {len(latents)}: the latent's channels on one scale, the same for all "
        "steps. Structure of the picture should stand out more with every step.",
    )
    axes = grid(figure, 1, channels)
    for channel, panel in enumerate(axes.flat):
        heat(panel, latents[step, channel], limits, f"channel {channel}", DIVERGING)
    colour_bar(figure, axes, "latent", limits, DIVERGING)
    return figure
