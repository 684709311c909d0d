"""Optical flow: colours, arrows, magnitude, and what warping along it gets wrong."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from skimage.color import lab2rgb
from torch import Tensor

from workbench.pixels import signed_to_unit, upscale
from workbench.trace.trace import Trace
from workbench.views.plots import style

STILL, FAR = (95.0, 0.0), (62.0, 55.0)  # CIELAB lightness and chroma: no motion, and the largest one
ARROWS = 18  # across the picture
SHORTEST = 0.1  # of the longest arrow; shorter ones would be dots


@style.styled
def flow(trace: Trace, frame: int) -> Figure:
    """Flow of a frame as arrows, colours and magnitude, and the error of the previous output warped along it.

    Needs ``flow``. The arrows lie on ``frame`` where it was recorded, else on the low-resolution frame, enlarged. The
    error needs ``warped`` and ``frame``; shows ``occlusion`` where it was recorded.
    """
    field = trace["flow", frame].float()
    height, width = field.shape[-2:]
    if ("frame", frame) in trace:
        height, width = trace["frame", frame].shape[-2:]
    field = field[:, :height, :width]
    length = field.norm(dim=0)
    most = float(length.max())
    compared = ("frame", frame) in trace and ("warped", frame) in trace
    figure = style.new_figure(
        (0.92 * style.WIDTH * height / width + 1.2) * (1 if compared else 0.6),
        f"Frame {frame}: where in the previous frame each pixel comes from (arrows point there; the wheel gives the "
        f"direction, its rim is {most:.1f} output pixels)."
        + (
            " The warped previous output should be wrong only where something was uncovered or the flow is wrong "
            "(bright in the last panel)."
            if compared
            else ""
        ),
    )
    axes = style.grid(figure, 2, 2) if compared else style.grid(figure, 1, 3)
    panels = list(axes.flat)
    style.picture(panels[0], _under_arrows(trace, frame, height, width), "frame, and flow as arrows")
    _arrows(panels[0], field)
    panels[1].imshow(flow_colours(field, most))
    panels[1].set_title("direction and size")
    _wheel(panels[1])
    style.heat(panels[2], length, style.from_zero([length]), "magnitude")
    style.colour_bar(figure, panels[2], "output pixels", style.from_zero([length]))
    if compared:
        _warping_error(figure, panels[3], trace, frame)
    return figure


def _under_arrows(trace: Trace, frame: int, height: int, width: int) -> Tensor:
    """(3, H, W) in [0, 1]: the output, or the low-resolution frame at its size."""
    if ("frame", frame) in trace:
        return trace["frame", frame].float()
    return upscale(signed_to_unit(trace["lr", frame].float())[None])[0, :, :height, :width]


def _warping_error(figure: Figure, axes: Axes, trace: Trace, frame: int) -> None:
    """What warping the previous output gets wrong, with occlusions outlined where they were recorded."""
    output = trace["frame", frame].float()
    _, height, width = output.shape
    error = (trace.image("warped", frame) - output).abs().mean(0)
    style.heat(axes, error, style.from_zero([error]), "warped previous output - frame", style.ERRORS)
    style.colour_bar(figure, axes, "mean |difference|", style.from_zero([error]), style.ERRORS)
    if ("occlusion", frame) not in trace:
        return
    mask = trace["occlusion", frame][0, :height, :width].float().numpy()
    if mask.any() and not mask.all():
        axes.contour(mask, levels=[0.5], colors="#56B4E9", linewidths=0.7)
    axes.set_title("warped previous output - frame; outlined: occluded")


def flow_colours(field: Tensor, most: float) -> np.ndarray:
    """(2, H, W) -> (H, W, 3) in [0, 1]: hue is the direction, depth of colour the length as a share of ``most``.

    Hues lie on a circle in CIELAB, so that equal turns look equally different; no motion is near white.
    """
    x, y = field.double().numpy()
    share = np.clip(np.hypot(x, y) / (most or 1.0), 0, 1)
    angle = np.arctan2(y, x)
    lightness, chroma = (still + share * (far - still) for still, far in zip(STILL, FAR, strict=True))
    return lab2rgb(np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=-1)).clip(0, 1)


def _wheel(axes: Axes) -> None:
    """The legend of directions, in a corner."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 101), torch.linspace(-1, 1, 101), indexing="ij")
    colours = flow_colours(torch.stack([x, y]), 1.0)
    round_ = (x.square() + y.square() <= 1).double().numpy()
    legend = axes.inset_axes((0.78, 0.02, 0.2, 0.3))
    legend.imshow(np.dstack([colours, round_]))
    style.bare(legend)
    legend.patch.set_alpha(0)


def _arrows(axes: Axes, field: Tensor) -> None:
    _, height, width = field.shape
    apart = max(4, width // ARROWS)
    rows, columns = torch.arange(apart // 2, height, apart), torch.arange(apart // 2, width, apart)
    x, y = field[:, rows][:, :, columns].numpy()
    length = np.hypot(x, y)
    longest = float(length.max()) or 1.0
    x = np.where(length < SHORTEST * longest, np.nan, x)
    axes.quiver(
        *np.meshgrid(columns.numpy(), rows.numpy()),
        x,
        y,
        angles="xy",
        scale_units="xy",
        scale=longest / apart,
        color="white",
        edgecolor="black",
        linewidth=0.3,
        width=0.004,
    )
