"""A frame forming over the denoising steps."""

from __future__ import annotations

from matplotlib.figure import Figure

from workbench.trace.trace import Trace
from workbench.views.plots import style


@style.styled
def denoising(trace: Trace, frame: int) -> Figure:
    """Latent channels after every step, from the noise on, and the picture that each step's x0 stands for.

    Needs ``noise``, ``latent`` and ``x0`` (or ``x0.picture``); x0 is decoded as ``trace.image`` does it.
    """
    noise, latents = trace["noise", frame], trace["latent", frame]  # (L, h, w), (steps, L, h, w)
    columns = [-1, *style.some(range(len(latents)))]
    limits = style.symmetric([noise, latents])
    channels, height, width = noise.shape
    side = style.WIDTH / (len(columns) + 0.8)
    figure = style.new_figure(
        (channels + 1) * side * height / width + 0.7,
        f"Frame {frame}, step by step: one latent channel a row, all on one scale. Noise should give way to the "
        "structure of the picture; the last row shows what the prediction of each step already stands for.",
    )
    axes = style.grid(figure, channels + 1, len(columns))
    for column, step in enumerate(columns):
        value = noise if step < 0 else latents[step]
        for channel in range(channels):
            title = "" if channel else "noise" if step < 0 else f"step {step + 1}"
            style.heat(axes[channel, column], value[channel], limits, title, style.DIVERGING)
        if step >= 0:
            style.picture(axes[-1, column], trace.image("x0", frame, step))
    for channel in range(channels):
        axes[channel, 0].set_ylabel(f"channel {channel}")
    axes[-1, 0].set_ylabel("x0, decoded")
    style.colour_bar(figure, axes[:-1], "latent", limits, style.DIVERGING)
    return figure


@style.styled
def x0(trace: Trace, frame: int) -> Figure:
    """The picture of every step's x0, and how far it is from the last one. Needs ``x0`` or ``x0.picture``."""
    count = len(trace["x0" if ("x0", frame) in trace else "x0.picture", frame])
    columns = style.some(range(count))
    pictures = [trace.image("x0", frame, step) for step in columns]
    apart = [(shown - pictures[-1]).abs().mean(0) for shown in pictures]  # (H, W)
    limits = style.from_zero(apart)
    _, height, width = pictures[0].shape
    figure = style.new_figure(
        2 * style.WIDTH / (len(columns) + 0.4) * height / width + 0.8,
        f"Frame {frame}: the clean picture that each step predicts, and its distance to the last one. Large shapes "
        "should settle first; what stays bright below is what the late steps still decide.",
    )
    axes = style.grid(figure, 2, len(columns))
    for column, step in enumerate(columns):
        style.picture(axes[0, column], pictures[column], f"step {step + 1}")
        style.heat(axes[1, column], apart[column], limits, f"mean {float(apart[column].mean()):.2g}")
    axes[0, 0].set_ylabel("x0, decoded")
    axes[1, 0].set_ylabel("distance to the last")
    style.colour_bar(figure, axes[1], "mean |difference|", limits)
    return figure
