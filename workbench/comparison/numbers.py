"""The numbers of a comparison: values of every frame, and what they amount to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from workbench.comparison.statistics import BETTER, WORSE, over_frames
from workbench.comparison.tables import aligned, significant
from workbench.comparison.verdicts import STARS, Judged, detailed, judged
from workbench.errors import counted
from workbench.metrics import METRICS
from workbench.pixels import SCALE


@dataclass(frozen=True)
class Summary:
    """One metric of one column, over the frames."""

    mean: float
    difference: float
    """to the first column, over the same frames"""
    low: float
    high: float
    """its 95 % interval; nan for the first column, and where there are too few frames"""
    verdict: str
    """what may be said of the difference, corrected for all tests of the table; empty for the first column"""

    @property
    def certain(self) -> bool:
        """Whether it has a star."""
        return self.verdict in (BETTER, WORSE)


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
    def picture_size(self) -> tuple[int, int]:
        """(width, height) of what was compared; x4 where nothing else is said."""
        width, height = self.about.get("size") or [SCALE * side for side in self.about["clip"]["size"]]
        return width, height

    @property
    def frames(self) -> int:
        return len(self.seconds[self.columns[0]])

    def summary(self, column: str, metric: str) -> Summary:
        """Mean, and difference to the first column with what may be said of it."""
        mine = self.present(column, metric)
        mean = METRICS[metric].pool(mine) if mine else float("nan")
        if column == self.columns[0]:
            nothing = float("nan")
            return Summary(mean, nothing, nothing, nothing, "")
        found, said = self._judged[column, metric]
        return Summary(mean, found.mean, found.low, found.high, said)

    @cached_property
    def _judged(self) -> Judged:
        tests = {
            (column, metric): over_frames(self.differences(column, metric))
            for column in self.columns[1:]
            for metric in self.metrics
        }
        return judged(tests)

    def differences(self, column: str, metric: str) -> list[float]:
        """To the first column, frame by frame; nan where equal pictures make both infinite."""
        pairs = zip(self.present(column, metric), self.present(self.columns[0], metric), strict=True)
        return [mine - first for mine, first in pairs]

    def present(self, column: str, metric: str) -> list[float]:
        """Its values, without the first frame, where a metric of pairs has none."""
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
        if np.isnan(summary.mean):  # a metric of frame pairs, of one frame
            return "–"
        if np.isnan(summary.difference):
            return significant(summary.mean)
        return f"{significant(summary.mean)} ({significant(summary.difference, sign=True)}{'*' * summary.certain})"

    @property
    def note(self) -> str:
        """What stands under the table."""
        return f"{counted(self.frames, 'frame')} of {self.about['clip']['name']}. {STARS}"

    def __str__(self) -> str:
        return "\n".join([aligned(self.rows()), self.note, *detailed(self._judged, self.columns[0])])
