"""How sure a mean over frames is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

REPEATS = 2000


def confidence(
    values: Sequence[float], baseline: Sequence[float] | None = None, *, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """(low, high) of the mean over frames, or of the mean difference to ``baseline`` over the same frames.

    Circular block bootstrap (Politis & Romano, 1992), percentile interval: neighbouring frames resemble each other, so
    runs of n^(1/3) frames are drawn together. (nan, nan) for fewer than two frames or values that are not finite.
    """
    sample = np.asarray(values, dtype=np.float64)
    if baseline is not None:
        sample = sample - np.asarray(baseline, dtype=np.float64) if np.isfinite(baseline).all() else sample * np.nan
    count = len(sample)
    if count < 2 or not np.isfinite(sample).all():
        return (float("nan"), float("nan"))
    block = max(1, round(count ** (1 / 3)))
    starts = np.random.default_rng(seed).integers(0, count, (REPEATS, -(-count // block)))
    drawn = (starts[:, :, None] + np.arange(block)).reshape(REPEATS, -1)[:, :count] % count
    low, high = np.quantile(sample[drawn].mean(1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
