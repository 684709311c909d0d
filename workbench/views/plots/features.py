"""Any recorded maps: features beside each other, and where attention looks."""

from __future__ import annotations

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from torch import Tensor

from workbench.errors import TraceError
from workbench.trace.trace import Trace
from workbench.views.plots import style

PLACES = ((0.25, 0.25), (0.5, 0.5), (0.75, 0.75))  # of the queries that are shown, as shares of height and width


@style.styled
def features(trace: Trace, *names: str, frame: int, step: int = -1, channels: int = 4) -> Figure:
    """Feature maps, a tap a row: strength over all channels, and the most varied channels (the same in all rows, where
    they have the same number).

    ``step`` is of use for taps that fire at every step. Raises TraceError for taps that are no (C, y, x) maps.
    """
    rows = {name: _map(trace, name, frame, step) for name in names}
    if not rows:
        raise TraceError("give the names of the taps to draw, like plots.features(trace, 'tpm.0.fused', frame=3).")
    groups = [list(rows.values())] if len({len(v) for v in rows.values()}) == 1 else [[v] for v in rows.values()]
    chosen = [_varied(group, channels) for group in groups for _ in group]
    _, height, width = next(iter(rows.values())).shape
    columns = 1 + max(len(numbers) for numbers in chosen)
    figure = style.new_figure(
        len(rows) * (style.WIDTH / (columns + 0.6) * height / width + 0.25) + 0.7,
        f"Frame {frame}: strength over all channels (left) and the channels whose maps vary most (right, one scale a "
        "row, around zero). Look which channels follow edges, texture or motion, and what changes from row to row.",
    )
    axes = style.grid(figure, len(rows), columns)
    for row, (name, value) in enumerate(rows.items()):
        strong, shown = style.strength(value), value[chosen[row]]
        limits = style.symmetric([shown])
        style.heat(axes[row, 0], strong, style.from_zero([strong]), f"strength (RMS), 0 to {float(strong.max()):.2g}")
        axes[row, 0].set_ylabel(f"{name}\n{len(value)} channels")
        for panel, number, plane in zip(axes[row, 1:], chosen[row], shown, strict=False):
            style.heat(panel, plane, limits, f"channel {number}", style.DIVERGING)
        for unused in axes[row, 1 + len(shown) :]:
            unused.set_visible(False)
        style.colour_bar(figure, axes[row, 1:], "", limits, style.DIVERGING)
    return figure


@style.styled
def attention(trace: Trace, name: str, frame: int, *, step: int = -1) -> Figure:
    """Where attention looks, averaged over heads: from three places (self-attention), or how much each place takes
    from each of the prompt's tokens (cross-attention, the first four tokens).

    Needs ``trace.attention(...)`` and ``lr``; ``name`` is one of ``trace.names``.
    """
    if not name.startswith("attention."):
        raise TraceError(f"{name!r} is no attention map; record trace.attention('mid_block') and choose from names.")
    weights = trace[name, frame][step].float().mean(0)  # (queries, keys)
    lr = trace.image("lr", frame)
    rows, columns = attention_grid(len(weights), trace["lr", frame].shape[-2:])
    within = weights.shape[1] == len(weights)
    places = [(int(y * rows), int(x * columns)) for y, x in PLACES]
    if within:
        maps = [weights[y * columns + x].view(rows, columns) for y, x in places]
        titles = [f"from place {k + 1}" for k in range(len(maps))]
    else:
        maps = [weights[:, token].view(rows, columns) for token in range(min(4, weights.shape[1]))]
        titles = [f"to token {k}" for k in range(len(maps))]
    limits = style.from_zero(maps)
    figure = style.new_figure(
        style.WIDTH / (len(maps) + 1.5) * rows / columns + 0.9,
        f"Frame {frame}, {rows}x{columns} places: "
        + (
            "where each of three places looks. Look for places that find others like them; an even map is an average "
            "over the whole picture."
            if within
            else "how much each place takes from each of the constant tokens of the prompt; an even map means that the "
            "token says the same everywhere."
        ),
    )
    axes = style.grid(figure, 1, len(maps) + 1)[0]
    style.picture(axes[0], lr, "LR frame")
    for k, (y, x) in enumerate(places if within else ()):
        _mark(axes[0], (y + 0.5) / rows * lr.shape[1], (x + 0.5) / columns * lr.shape[2], k)
    for k, (panel, value) in enumerate(zip(axes[1:], maps, strict=True)):
        style.heat(panel, value, limits, titles[k])
        if within:
            _mark(panel, places[k][0], places[k][1], k)
    style.colour_bar(figure, axes[1:], "weight", limits)
    return figure


def attention_grid(queries: int, size: tuple[int, int] | torch.Size) -> tuple[int, int]:
    """Rows and columns of the level that has so many places, of a padded LR frame of ``size`` (h, w)."""
    height, width = size
    for scale in (1, 2, 4, 8, 16, 32):
        rows, columns = -(-height // scale), -(-width // scale)
        if rows * columns == queries:
            return rows, columns
    raise TraceError(f"{queries} places fit no level of a frame of {width}x{height}.")


def _map(trace: Trace, name: str, frame: int, step: int) -> Tensor:
    value = trace[name, frame].float()
    value = value[step] if value.ndim == 4 else value
    if value.ndim != 3 or name.startswith("attention."):
        raise TraceError(f"{name!r} is no map of features (C, y, x), it has shape {tuple(value.shape)}.")
    return value


def _varied(values: list[Tensor], count: int) -> list[int]:
    """The channels whose maps vary most, as a share of the most varied one, over all the values."""
    spreads = [value.flatten(1).std(1) for value in values]
    shares = sum(spread / spread.max().clamp(min=1e-12) for spread in spreads)
    return sorted(torch.as_tensor(shares).topk(min(count, len(values[0]))).indices.tolist())


def _mark(axes: Axes, y: float, x: float, number: int) -> None:
    axes.plot(
        x, y, marker="o", markersize=6, markerfacecolor=style.COLOURS[3], markeredgecolor="white", linestyle="none"
    )
    label = axes.annotate(str(number + 1), (x, y), xytext=(5, 3), textcoords="offset points", color="black", fontsize=8)
    label.set_path_effects([withStroke(linewidth=2, foreground="white")])
