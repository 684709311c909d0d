"""Values that pass between the rooms: a decoded frame in, an upscaled frame out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.pixels import unit_to_image

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.pipeline.state import State


@dataclass(frozen=True)
class Frame:
    """One low-resolution frame of a clip.

    ``image``: (h, w, 3) RGB, full range, uint8 or uint16 (sources deeper than 8 bit). ``index`` counts within the
    clip it was taken from; ``time`` and ``duration`` are seconds on the source's clock, None where there is no clock.
    ``numpy.asarray(frame)`` is the image.
    """

    image: np.ndarray
    index: int
    time: float | None = None
    duration: float | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False and dtype is not None and dtype != self.image.dtype:
            raise ValueError("a frame cannot change its dtype without a copy")
        return np.array(self.image, dtype=dtype, copy=True if copy else None)

    def __repr__(self) -> str:
        h, w = self.image.shape[:2]
        at = "" if self.time is None else f", t={self.time:.3f}s"
        return f"Frame({self.index}, {w}x{h}, {self.image.dtype}{at})"


@dataclass(frozen=True)
class Output:
    """One upscaled frame.

    ``frame``: (3, H, W) float32 in [0, 1] on the CPU. ``index``: frames since the stream began. ``state``: what the
    next frame needs; pass it to ``stream(..., state=)`` to go on from here. ``seconds``: wall time by stage.
    ``metadata``: what was in use (flow estimator, any substitution, edits). ``time`` and ``duration``: the source
    frame's, in seconds, where it had them.
    """

    frame: Tensor
    index: int
    state: State
    seconds: dict[str, float] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    time: float | None = None
    duration: float | None = None

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8, rounded half to even as the published post-processing does."""
        return unit_to_image(self.frame)

    def __repr__(self) -> str:
        _, height, width = self.frame.shape
        return f"Output({self.index}, {width}x{height}, {sum(self.seconds.values()):.2f}s)"
