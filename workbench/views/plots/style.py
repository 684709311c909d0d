"""How all figures look: size, fonts, colour maps, panels."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from torch import Tensor

WIDTH = 7.16  # inches: two columns of a paper
SEQUENTIAL = "viridis"  # from none to much
DIVERGING = "PuOr_r"  # around zero
ERRORS = "magma"  # black where nothing differs
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")  # Okabe & Ito, 2008
MOST_COLUMNS = 8

FONTS: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
}

Limits = tuple[float, float]

P = ParamSpec("P")
R = TypeVar("R")


class Plot(Figure):
    """A figure that a notebook shows by itself, without pyplot."""

    caption = ""

    def _repr_png_(self) -> bytes:
        image = io.BytesIO()
        self.savefig(image, format="png")
        return image.getvalue()


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """The function draws with our fonts; matplotlib's own settings stay as they were."""

    @wraps(draw)
    def with_fonts(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(FONTS):
            return draw(*args, **kwargs)

    return with_fonts


def new_figure(height: float, caption: str, width: float = WIDTH) -> Plot:
    """An empty figure, sizes in inches, with its caption under it."""
    figure = Plot(figsize=(width, height), dpi=150, layout="constrained")
    figure.caption = caption
    lines = textwrap.wrap(caption, int(width * 17))
    figure.supxlabel("\n".join(lines), fontsize=8, x=0.01, ha="left", linespacing=1.3)
    return figure


def parts(figure: Figure, rows: int, columns: int, **ratios: Sequence[float]) -> list[SubFigure]:
    """Sub-figures, row by row, each with a layout of its own."""
    return list(np.ravel(figure.subfigures(rows, columns, **ratios)))  # type: ignore[arg-type]


def grid(figure: Figure | SubFigure, rows: int, columns: int, used: int | None = None) -> np.ndarray:
    """Axes (rows, columns) without ticks, for pictures and maps; ``used``: how many, the others are hidden."""
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel in axes.flat:
        bare(panel)
    for panel in axes.flat[rows * columns if used is None else used :]:
        panel.set_visible(False)
    return axes


def bare(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)


def picture(axes: Axes, value: Tensor, title: str = "") -> None:
    """(3, H, W) in [0, 1]."""
    axes.imshow(value.float().clamp(0, 1).permute(1, 2, 0).numpy())
    axes.set_title(title)


def heat(axes: Axes, value: Tensor, limits: Limits, title: str = "", cmap: str = SEQUENTIAL, **options: Any) -> None:
    """(H, W) on a given scale."""
    vmin, vmax = limits
    axes.imshow(value.float().numpy(), cmap=cmap, vmin=vmin, vmax=vmax, interpolation="nearest", **options)
    axes.set_title(title)


def colour_bar(
    figure: Figure | SubFigure, axes: Axes | np.ndarray, label: str, limits: Limits, cmap: str = SEQUENTIAL
) -> None:
    """One bar for all the panels that share the scale."""
    scale = ScalarMappable(Normalize(*limits), cmap)
    figure.colorbar(scale, ax=axes, label=label, shrink=0.9, pad=0.01, aspect=30)


def symmetric(values: Iterable[Tensor]) -> Limits:
    """One scale around zero for all of them."""
    most = max(float(value.float().abs().max()) for value in values) or 1.0
    return -most, most


def from_zero(values: Iterable[Tensor]) -> Limits:
    """One scale from zero for all of them."""
    return 0.0, max(float(value.float().max()) for value in values) or 1.0


def strength(features: Tensor) -> Tensor:
    """(C, y, x) -> (y, x): root mean square over the channels."""
    return features.float().square().mean(0).sqrt()


def some(items: Sequence[int], most: int = MOST_COLUMNS) -> list[int]:
    """All of them, or that many of them evenly chosen with the first and the last."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]
