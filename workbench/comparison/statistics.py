"""How sure a mean difference is: over the frames of one clip, which resemble each other, and over clips, which do not.

A mean's error is that of as many independent values as the frames are worth. Their autocorrelation is taken as that of
an AR(1) process, corrected for its bias (Kendall, 1954) and raised by one standard error, because a short series shows
less of it than there is. The interval is Student's with that many values less one; it covers the truth at least as
often as it says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

LEVEL = 0.95
FEWEST_VALUES = 5.0  # independent ones that a series must be worth; below, its autocorrelation cannot be told
FEWEST_CLIPS = 3

Intervals = tuple[np.ndarray, np.ndarray, np.ndarray]
"""low, high, p: an array each."""

IDENTICAL = "identical"
TOO_FEW = "too few frames"
TOO_FEW_CLIPS = "too few clips"
NOTHING_FOUND = "no difference found"
NOTHING_THAT_MATTERS = "no difference that matters"
BETTER, WORSE = "better", "worse"


@dataclass(frozen=True)
class Difference:
    """A mean difference; all but the mean are nan where they cannot be had."""

    mean: float
    low: float
    high: float
    """of its 95 % interval"""
    p: float
    """two-sided, of there being no difference"""


def over_frames(differences: Sequence[float] | np.ndarray) -> Difference:
    """Of one clip's differences, frame after frame."""
    return _difference(differences, frame_intervals)


def over_clips(differences: Sequence[float] | np.ndarray) -> Difference:
    """Of one difference a clip: how sure it is for other clips like these."""
    return _difference(differences, clip_intervals)


def frame_intervals(series: np.ndarray) -> Intervals:
    """(..., frames) -> low, high and p of each mean; nan where the frames are worth too few independent values."""
    worth = independent_values(series)
    worth = np.where(worth < FEWEST_VALUES, np.nan, worth)
    # The deviation within a series is too small by its mean's own error, hence one value less.
    return _student(series.mean(-1), series.std(-1, ddof=1) / np.sqrt(worth - 1), worth - 1)


def clip_intervals(series: np.ndarray) -> Intervals:
    """(..., clips) -> low, high and p of each mean; nan for fewer than three clips."""
    clips = series.shape[-1] if series.shape[-1] >= FEWEST_CLIPS else np.nan
    return _student(series.mean(-1), series.std(-1, ddof=1) / np.sqrt(clips), clips - 1)


def independent_values(series: np.ndarray) -> np.ndarray:
    """(..., frames) -> how many independent values they are worth, at the least."""
    count = series.shape[-1]
    apart = series - series.mean(-1, keepdims=True)
    power = np.square(apart).sum(-1)
    alike = (apart[..., 1:] * apart[..., :-1]).sum(-1) / np.where(power > 0, power, 1)
    cautious = alike + (1 + 3 * alike.clip(0)) / count + np.sqrt((1 - alike**2).clip(0) / count)
    cautious = cautious.clip(0, 1)
    return count * (1 - cautious) / (1 + cautious)


def holm(p: Sequence[float], level: float = 1 - LEVEL) -> list[bool]:
    """Which of many tests hold together (Holm, 1979): the chance of one false star in all is at most ``level``.

    Tests that could not be made (nan) neither count nor hold.
    """
    values = np.asarray(p, dtype=float)
    order = [int(k) for k in np.argsort(values) if np.isfinite(values[k])]
    held = [False] * len(values)
    for rank, k in enumerate(order):
        if values[k] > level / (len(order) - rank):
            break
        held[k] = True
    return held


def verdict(difference: Difference, star: bool, matters: float, higher_is_better: bool, too_few: str = TOO_FEW) -> str:
    """What may be said of a difference. ``star``: it holds among all tests of its table; ``matters``: the smallest that
    does."""
    if difference.low == difference.high == 0:
        return IDENTICAL
    if not np.isfinite(difference.low):
        return too_few
    if star and abs(difference.mean) >= matters:
        return BETTER if (difference.mean > 0) == higher_is_better else WORSE
    small = star or max(abs(difference.low), abs(difference.high)) < matters
    return NOTHING_THAT_MATTERS if small else NOTHING_FOUND


def _difference(differences: Sequence[float] | np.ndarray, intervals: Callable[[np.ndarray], Intervals]) -> Difference:
    series = np.asarray(differences, dtype=np.float64)
    mean = float(series.mean()) if len(series) else float("nan")
    if len(series) and not series.any():
        return Difference(0.0, 0.0, 0.0, 1.0)
    if len(series) < 2 or not np.isfinite(series).all():
        return Difference(mean, *[float("nan")] * 3)
    return Difference(mean, *(float(number) for number in intervals(series)))


def _student(mean: np.ndarray, error: np.ndarray, freedom: np.ndarray | float) -> Intervals:
    reach = error * stdtrit(freedom, (1 + LEVEL) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * stdtr(freedom, -np.abs(mean / error))
    return mean - reach, mean + reach, p
