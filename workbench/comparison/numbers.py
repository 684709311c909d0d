"""The numbers of a comparison: values of every frame, and what they amount to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.comparison.statistics import confidence
from workbench.metrics import METRICS


@dataclass(frozen=True)
class Summary:
    """One metric of one column. ``mean`` over frames; ``difference`` to the first column over the same frames, with its
    95 % interval ``low``..``high`` (all nan for the first column itself)."""

    mean: float
    difference: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Numbers:
    """One number a frame, by column and metric."""

    values: dict[str, dict[str, list[float | None]]]
    """``values[column][metric]``; metrics of frame pairs begin with None"""
    seconds: dict[str, list[float]]
    """``seconds[column]``; nan for a recording, whose maker's time is not known"""
    about: dict[str, Any]
    """columns with their settings, metrics, clip, versions, machine"""

    @property
    def columns(self) -> list[str]:
        return list(self.values)

    @property
    def metrics(self) -> list[str]:
        return list(self.about["metrics"])

    @property
    def frames(self) -> int:
        return len(self.seconds[self.columns[0]])

    def summary(self, column: str, metric: str) -> Summary:
        """Mean, and difference to the first column with its confidence."""
        mine, first = self._present(column, metric), self._present(self.columns[0], metric)
        mean = float(np.mean(mine)) if mine else float("nan")
        if column == self.columns[0]:
            return Summary(mean, *[float("nan")] * 3)
        finite = bool(mine) and np.isfinite([*mine, *first]).all()
        difference = float(np.mean(np.subtract(mine, first))) if finite else float("nan")
        return Summary(mean, difference, *confidence(mine, first))

    def _present(self, column: str, metric: str) -> list[float]:
        """Without the first frame, where a metric of pairs has none."""
        return [value for value in self.values[column][metric] if value is not None]

    def best(self, metric: str) -> list[str]:
        """The columns with the best mean."""
        means = {column: self.summary(column, metric).mean for column in self.columns}
        known = [mean for mean in means.values() if not np.isnan(mean)]
        if not known:
            return []
        top = (max if METRICS[metric].higher_is_better else min)(known)
        return [column for column, mean in means.items() if mean == top]

    def seconds_per_frame(self, column: str) -> float:
        """The median: the first frame, which does less and warms up, does not count for it."""
        return float(np.median(self.seconds[column][1:] or self.seconds[column]))

    def time(self, column: str) -> str:
        """``seconds_per_frame`` in three figures, or a dash where it is not known."""
        seconds = self.seconds_per_frame(column)
        return "–" if np.isnan(seconds) else f"{seconds:.3g}"

    def rows(self) -> list[list[str]]:
        """The table as text: a heading, then one row a column."""
        titles = [f"{METRICS[m].label}{' ↑' if METRICS[m].higher_is_better else ' ↓'}" for m in self.metrics]
        rows = [["", "s/frame", *titles]]
        for column in self.columns:
            cells = [self._cell(column, metric) for metric in self.metrics]
            rows.append([column, self.time(column), *cells])
        return rows

    def _cell(self, column: str, metric: str) -> str:
        summary = self.summary(column, metric)
        if np.isnan(summary.difference):
            return significant(summary.mean)
        return f"{significant(summary.mean)} ({significant(summary.difference, sign=True)}{'*' * summary.certain})"

    def __str__(self) -> str:
        note = f"{self.frames} frames of {self.about['clip']['name']}. In brackets: difference to the first row; "
        return f"{aligned(self.rows())}\n{note}* where its 95 % interval leaves out 0."


def aligned(rows: list[list[str]], *, left: int = 1) -> str:
    """A table for the terminal: the first ``left`` cells of each row to the left, a rule below the first row."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "  ".join(c.ljust(w) if k < left else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    return "\n".join([lines[0], "─" * len(lines[0]), *lines[1:]])


def significant(value: float, *, sign: bool = False) -> str:
    """Four figures, never in exponents where a person would not write them."""
    if np.isnan(value):
        return "–"
    if not np.isfinite(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    if abs(value) < 1e-3:
        return f"{value:{'+' if sign else ''}.2e}"
    digits = max(0, 3 - int(np.floor(np.log10(abs(value))))) if abs(value) >= 1 else 4
    return f"{value:{'+' if sign else ''}.{min(digits, 4)}f}"
