"""Frames for timing: texture and motion, so that flow estimation has its usual work."""

from __future__ import annotations

import numpy as np


def moving_noise(size: tuple[int, int], count: int) -> list[np.ndarray]:
    """``count`` frames (h, w, 3), uint8, that move by (1, 2) pixels a frame."""
    h, w = size
    texture = np.random.default_rng(0).integers(0, 256, (h + count, w + 2 * count, 3), dtype=np.uint8)
    return [np.ascontiguousarray(texture[k : k + h, 2 * k : 2 * k + w]) for k in range(count)]
