"""Figures of a live run: frames, drops, rate, and the delay from a frame's arrival to its output."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

WINDOW = 300  # frames that the figures are of


@dataclass
class Pace:
    """Figures over the last ``WINDOW`` frames, and counts from the beginning. Its memory does not grow."""

    frames: int = 0
    dropped: int = 0
    """passed over, since a newer one was there"""
    _delays: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _ends: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def add(self, *, came: float, done: float, passed: int) -> None:
        """A frame that came and was put out at these times (seconds), after ``passed`` were passed over."""
        self.frames += 1
        self.dropped += passed
        self._delays.append(done - came)
        self._ends.append(done)

    @property
    def rate(self) -> float:
        """Output frames per second; 0 before there are two."""
        span = self._ends[-1] - self._ends[0] if len(self._ends) > 1 else 0.0
        return (len(self._ends) - 1) / span if span else 0.0

    def delay(self, percent: float = 50) -> float:
        """Seconds: the median, or another percentile; 0 before there is a frame."""
        return float(np.percentile(self._delays, percent)) if self._delays else 0.0

    def __str__(self) -> str:
        return (
            f"{self.frames} frames, {self.rate:.2f} frames/s, {self.dropped} dropped, "
            f"delay {self.delay():.2f} s (95 %: {self.delay(95):.2f} s)"
        )
