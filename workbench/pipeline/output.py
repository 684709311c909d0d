"""What a stream yields for each frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from workbench.pipeline.state import State
from workbench.pixels import unit_to_image


@dataclass(frozen=True)
class Output:
    """One upscaled frame, and what the next one needs."""

    frame: Tensor
    """(3, H, W) float32 in [0, 1] on the CPU"""
    index: int
    """frames since the stream began"""
    state: State
    """pass it to ``stream(..., state=)`` to go on from here"""
    input: np.ndarray
    """(h, w, 3): the low-resolution frame as it came"""
    seconds: dict[str, float] = field(default_factory=dict)
    """wall time of each stage"""
    metadata: dict[str, Any] = field(default_factory=dict)
    """what was in use: flow estimator, any substitution, edits"""
    time: float | None = None
    """the source frame's, in seconds, where it had one"""
    duration: float | None = None
    """the source frame's, in seconds, where it had one"""

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8, rounded half to even as the published post-processing does."""
        return unit_to_image(self.frame)

    def __repr__(self) -> str:
        _, height, width = self.frame.shape
        return f"Output({self.index}, {width}x{height}, {sum(self.seconds.values()):.2f}s)"
