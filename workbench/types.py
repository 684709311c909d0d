"""A frame of a clip: the value that passes from the video room to all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Frame:
    """One low-resolution frame of a clip. ``numpy.asarray(frame)`` is its image."""

    image: np.ndarray
    """(h, w, 3) RGB, full range, uint8, or uint16 where the source is deeper than 8 bit"""
    index: int
    """place within the clip it was taken from"""
    time: float | None = None
    """seconds on the source's clock; None where there is no clock"""
    duration: float | None = None
    """seconds that it is shown; None where there is no clock"""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False and dtype is not None and dtype != self.image.dtype:
            raise ValueError("a frame cannot change its dtype without a copy")
        return np.array(self.image, dtype=dtype, copy=True if copy else None)

    def __repr__(self) -> str:
        h, w = self.image.shape[:2]
        at = "" if self.time is None else f", t={self.time:.3f}s"
        return f"Frame({self.index}, {w}x{h}, {self.image.dtype}{at})"
