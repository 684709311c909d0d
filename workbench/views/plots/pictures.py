"""Frames side by side: before and after, and what changed between two runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from workbench.errors import InputError
from workbench.pipeline.output import Output
from workbench.pixels import image_to_unit, upscale
from workbench.trace.trace import Trace
from workbench.views.plots import style

Run = Trace | Iterable[Output]
"""A trace that holds ``frame`` (and ``lr`` for ``frames``), or outputs."""

MOST_FRAMES = 4
ZOOM = 6  # the detail is a 6th of the picture's width


@style.styled
def frames(run: Run, *, frames: Sequence[int] | None = None) -> Figure:
    """Some frames before (bicubic x4) and after, with the detail of greatest change. ``frames``: which ones."""
    before, after = _inputs(run), _pictures(run)
    chosen = _chosen(after, frames)
    _, height, width = after[chosen[0]].shape
    rows, columns = _detail(sum((after[k] - before[k]).abs().mean(0) for k in chosen))  # type: ignore[arg-type]
    figure = style.new_figure(
        4 * style.WIDTH / (len(chosen) + 0.2) * height / width + 0.7,
        "Before (bicubic x4) and after, with the detail where they differ most. Look for sharper edges and texture in "
        "the detail, and for anything that the input does not support.",
    )
    axes = style.grid(figure, 4, len(chosen))
    for column, k in enumerate(chosen):
        for row, shown in ((0, before[k]), (2, after[k])):
            style.picture(axes[row, column], shown, "" if row else f"frame {k}")
            _outline(axes[row, column], rows, columns)
            style.picture(axes[row + 1, column], shown[:, rows, columns])
    for row, label in enumerate(("before", "detail", "after", "detail")):
        axes[row, 0].set_ylabel(label)
    return figure


@style.styled
def difference(a: Run, b: Run, *, names: tuple[str, str] = ("A", "B"), frames: Sequence[int] | None = None) -> Figure:
    """What changed between two runs: frames of both, and maps of their difference on one scale."""
    first, second = _pictures(a), _pictures(b)
    common = {k: value for k, value in first.items() if k in second}
    chosen = _chosen(common, frames)
    sizes = {tuple(shown[k].shape) for shown in (first, second) for k in chosen}
    if len(sizes) > 1:
        raise InputError(f"the two runs must have frames of one size, got {sorted(sizes)}.")
    apart = [(first[k] - second[k]).abs().mean(0) for k in chosen]  # (H, W)
    _, height, width = first[chosen[0]].shape
    figure = style.new_figure(
        3 * style.WIDTH / (len(chosen) + 0.5) * height / width + 0.9,
        f"How {names[1]!r} differs from {names[0]!r}: mean absolute difference of a pixel, one scale for all frames. "
        "Black is unchanged; look whether the change follows edges, texture or motion, and whether it grows with time.",
    )
    axes = style.grid(figure, 3, len(chosen))
    limits = style.from_zero(apart)
    for column, k in enumerate(chosen):
        style.picture(axes[0, column], first[k], f"frame {k}")
        style.picture(axes[1, column], second[k])
        style.heat(axes[2, column], apart[column], limits, f"mean {float(apart[column].mean()):.2g}", style.ERRORS)
    for row, label in enumerate((*names, "|difference|")):
        axes[row, 0].set_ylabel(label)
    style.colour_bar(figure, axes[2], "mean |difference|", limits, style.ERRORS)
    return figure


def _pictures(run: Run) -> dict[int, Tensor]:
    """Frame -> (3, H, W)."""
    if isinstance(run, Trace):
        return {k: run.image("frame", k) for k in run.frames("frame")}
    return {out.index: out.frame for out in run}


def _inputs(run: Run) -> dict[int, Tensor]:
    """Frame -> its input, enlarged x4 bicubically, (3, H, W)."""
    if isinstance(run, Trace):
        inputs = {k: run.image("lr", k) for k in run.frames("lr")}
    else:
        inputs = {out.index: image_to_unit(out.input) for out in run}
    return {k: upscale(lr[None])[0].clamp(0, 1) for k, lr in inputs.items()}


def _chosen(held: dict[int, Tensor], wanted: Sequence[int] | None) -> list[int]:
    if not held:
        raise InputError("there are no frames to draw.")
    missing = [k for k in wanted or () if k not in held]
    if missing:
        raise InputError(f"frames {missing} are not there; there are {sorted(held)}.")
    return list(wanted) if wanted else style.some(sorted(held), MOST_FRAMES)


def _detail(change: Tensor) -> tuple[slice, slice]:
    """(H, W) -> rows and columns of the window with the most of it."""
    height, width = change.shape
    window = (max(8, height // ZOOM), max(8, width // ZOOM))
    sums = F.avg_pool2d(change[None, None], window, stride=(max(1, window[0] // 4), max(1, window[1] // 4)))[0, 0]
    best = int(sums.argmax())
    top, left = best // sums.shape[1] * max(1, window[0] // 4), best % sums.shape[1] * max(1, window[1] // 4)
    return slice(top, top + window[0]), slice(left, left + window[1])


def _outline(axes: Axes, rows: slice, columns: slice) -> None:
    corner, size = (columns.start, rows.start), (columns.stop - columns.start, rows.stop - rows.start)
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=style.COLOURS[1], linewidth=0.8))
