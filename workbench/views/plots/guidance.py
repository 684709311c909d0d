"""ARTG: what the ControlNet adds to the UNet, by level and step, and the past's share in the picture."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from workbench.errors import TraceError
from workbench.trace.trace import Trace
from workbench.views.plots import style

MOST_NUMBERS = 8  # steps up to which the cells carry their number


@style.styled
def artg(trace: Trace, frame: int) -> Figure:
    """Root mean square of every residual at every step, and where it lies at the last step.

    Needs ``artg.*``. Levels are the UNet's skip connections, finest first, and its middle.
    """
    names = [name for name in trace.names if name.startswith(("artg.down.", "artg.mid")) and (name, frame) in trace]
    if not names:
        raise TraceError(f"frame {frame} holds no ARTG residuals; record 'artg.*', with settings.artg above 0.")
    residuals = {name.removeprefix("artg."): trace[name, frame].float() for name in names}  # (steps, C, y, x)
    energy = torch.stack([value.square().mean((1, 2, 3)).sqrt() for value in residuals.values()])  # (levels, steps)
    shown = _one_a_resolution(residuals)
    limits = style.from_zero([style.strength(value[-1]) for value in shown.values()])
    figure = style.new_figure(
        max(2.6, 0.22 * len(names) + 1.2),
        f"Frame {frame}: strength (root mean square, RMS) of the residuals that ARTG adds, by level and step (left), "
        "and where they act at the last step (right, one scale). Strong early steps fix the layout, strong late ones "
        "the detail; maps should follow edges and moving things.",
    )
    left, right = style.parts(figure, 1, 2, width_ratios=(1, 1.25))
    axes = left.subplots()
    levels, steps = energy.shape
    style.heat(axes, energy, style.from_zero([energy]), aspect="auto")
    axes.set(xlabel="step", ylabel="level", yticks=range(levels), xticks=range(steps))
    axes.set_yticklabels(list(residuals))
    axes.set_xticklabels([str(step + 1) for step in range(steps)])
    if steps <= MOST_NUMBERS:
        _write_numbers(axes, energy.numpy())
    style.colour_bar(left, axes, "RMS", style.from_zero([energy]))
    columns = min(2, len(shown))
    panels = style.grid(right, -(-len(shown) // columns), columns, used=len(shown))
    for panel, (name, value) in zip(panels.flat, shown.items(), strict=False):
        style.heat(panel, style.strength(value[-1]), limits, f"{name}, {value.shape[-1]}x{value.shape[-2]}")
    style.colour_bar(right, panels, "RMS over channels", limits)
    return figure


@style.styled
def fit(trace: Trace, frame: int) -> Figure:
    """The warped previous output before and after what the LR frame contradicts was taken back, and how much that was.

    Needs ``warped`` and ``fitted``, which only models that declare a fit have.
    """
    return _change(
        trace,
        frame,
        "fit",
        ("warped", "fitted"),
        "what the fit changed",
        "what the low-resolution frame contradicts is taken back from the warped previous output. That should be "
        "bright where something moved or was uncovered.",
    )


@style.styled
def blend(trace: Trace, frame: int) -> Figure:
    """The picture before and after the past's share entered it, and how much that changed.

    Needs ``decoded`` and ``blended``, which only models that declare a blend have.
    """
    return _change(
        trace,
        frame,
        "blend",
        ("decoded", "blended"),
        "what the blend changed",
        "where the decoded picture and the warped previous output agree, a share of that one enters the picture. It "
        "should change texture, and nothing where something moved or was uncovered.",
    )


def _change(trace: Trace, frame: int, what: str, names: tuple[str, str], title: str, caption: str) -> Figure:
    """The taps before and after, and their difference."""
    if any((name, frame) not in trace for name in names):
        raise TraceError(
            f"frame {frame} holds no {what}; record {names[0]!r} and {names[1]!r}, with settings.artg above 0 and a "
            "model that declares one."
        )
    before, after = (trace.image(name, frame) for name in names)
    change = (after - before).abs().mean(0)
    height, width = change.shape
    figure = style.new_figure(0.36 * style.WIDTH * height / width + 0.8, f"Frame {frame}: {caption}")
    panels = style.grid(figure, 1, 3)[0]
    for panel, value, name in zip(panels, (before, after), names, strict=False):
        style.picture(panel, value, name)
    style.heat(panels[2], change, style.from_zero([change]), title, style.ERRORS)
    style.colour_bar(figure, panels[2], "mean |difference|", style.from_zero([change]), style.ERRORS)
    return figure


def _one_a_resolution(residuals: dict[str, Tensor]) -> dict[str, Tensor]:
    """The last residual of each size, and the middle: one map a scale tells where it acts."""
    by_size = {tuple(value.shape[-2:]): name for name, value in residuals.items() if name != "mid"}
    names = [*by_size.values(), *(["mid"] if "mid" in residuals else [])]
    return {name: residuals[name] for name in names[:6]}


def _write_numbers(axes: Axes, values: np.ndarray) -> None:
    for (row, column), value in np.ndenumerate(values):
        colour = "black" if value > 0.6 * values.max() else "white"
        axes.text(column, row, f"{value:.2g}", ha="center", va="center", color=colour, fontsize=6)


@style.styled
def residual(trace: Trace, frame: int) -> Figure:
    """What the decoder makes of this LR frame alone beside the warped previous output, and what they differ by.

    Needs ``base`` and ``warped``; only models that read the past beside a base have the first.
    """
    return _change(
        trace,
        frame,
        "base",
        ("base", "warped"),
        "what the past has beyond it",
        "ARTG and TPM read what the warped previous output has beyond the picture that the decoder makes of this frame "
        "alone. It should be detail; whole shapes in it are wrong flow, or what was hidden.",
    )
