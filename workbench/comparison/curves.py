"""A metric over the frames as an inline SVG: one line a column, readable without scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT = 560, 210
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 10, 26


def curve(series: Mapping[str, Sequence[float | None]], *, label: str) -> str:
    """``series``: values by column, one a frame, None or infinite where there is none to draw."""
    known = [v for values in series.values() for v in values if v is not None and np.isfinite(v)]
    frames = max(len(values) for values in series.values())
    ticks = nice_ticks(min(known, default=0.0), max(known, default=1.0))
    low, high = ticks[0], ticks[-1]

    def x(frame: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * frame / max(frames - 1, 1)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    digits = max(0, -int(np.floor(np.log10(ticks[1] - ticks[0]) + 1e-9)))
    grid = "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(t):.1f}" y2="{y(t):.1f}"/>'
        f'<text class="tick" x="{LEFT - 8}" y="{y(t) + 4:.1f}" text-anchor="end">{t:.{digits}f}</text>'
        for t in ticks
    )
    below = "".join(
        f'<text class="tick" x="{x(f):.1f}" y="{HEIGHT - 6}" text-anchor="middle">{f}</text>'
        for f in frame_ticks(frames)
    )
    lines = "".join(
        f'<path class="line c{k % 8}" d="{_path([(x(i), v if v is None else y(v)) for i, v in _finite(values)])}"/>'
        for k, values in enumerate(series.values())
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)} over the frames, '
        f'{escape(", ".join(series))}" data-left="{LEFT}" data-right="{RIGHT}" data-frames="{frames}">'
        f'{grid}{below}{lines}<line class="cursor" x1="0" x2="0" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/></svg>'
    )


def nice_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers around low..high, at least two."""
    spread = (high - low) or abs(high) * 0.1 or 1.0
    step = spread / count
    power = 10.0 ** np.floor(np.log10(step))
    step = next(m for m in (1, 2, 5, 10) if m * power >= step * 0.999) * power
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    return [float(k * step) for k in np.arange(first, max(last, first + 1) + 1)]


def frame_ticks(frames: int) -> list[int]:
    """At most eight round frame numbers."""
    step = next(s for k in range(9) for s in (10**k, 2 * 10**k, 5 * 10**k) if frames / s <= 8)
    return list(range(0, frames, step))


def _finite(values: Sequence[float | None]) -> list[tuple[int, float | None]]:
    return [(i, v if v is not None and np.isfinite(v) else None) for i, v in enumerate(values)]


def _path(points: list[tuple[float, float | None]]) -> str:
    """A pen that is lifted over gaps."""
    path, down = "", False
    for x, y in points:
        if y is not None:
            path += f"{'L' if down else 'M'}{x:.1f} {y:.1f}"
        down = y is not None
    return path
