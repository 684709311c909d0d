"""One live stream through the loop: frames that are passed over, sizes and settings that change, and sources that
return."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from workbench.pipeline.output import Output
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.pipeline.state import State
from workbench.realtime.newest import Captured
from workbench.types import Frame

if TYPE_CHECKING:
    from workbench.trace.trace import Trace

LONGEST_GAP = 2.0  # seconds: what was seen before says nothing of what is seen after


class Session:
    """Gives captured frames to ``Pipeline.step``, one by one, and keeps the state between them.

    A frame's flow, ARTG and TPM are always between it and the last frame that was *given*: where frames were passed
    over, they span the gap, and the state counts the frames of the gap (``State.skip``), so that index and noise go on
    as they do in the source. A new size, a gap of more than ``LONGEST_GAP`` seconds and
    a source that was opened again begin a new state; ``said`` is told.

    ``settings`` may be changed between two frames, and so may ``pipe``, which begins a new state.
    """

    def __init__(self, pipe: Pipeline, settings: Settings, said: Callable[[str], object] = lambda _: None) -> None:
        self._pipe, self.settings, self._said = pipe, settings, said
        self._state: State | None = None
        self._last: Captured | None = None
        self.passed = 0
        """frames that were passed over before the last one"""

    @property
    def pipe(self) -> Pipeline:
        return self._pipe

    @pipe.setter
    def pipe(self, pipe: Pipeline) -> None:
        self._pipe, self._state = pipe, None

    def forget(self, why: str) -> None:
        """The next frame begins a new state."""
        if self._state is not None:
            self._said(f"{why}: a new state begins")
        self._state = None

    def step(self, captured: Captured, image: np.ndarray, trace: Trace | None = None) -> Output:
        """``image``: (h, w, 3), of the captured frame."""
        state, last = self._state, self._last
        self.passed = captured.number - (0 if last is None else last.number + 1)
        if state is not None and (why := self._breaks(state, captured, image)):
            self.forget(why)
            state = None
        if state is not None:
            state = state.skip(self.passed)
        output, self._state = self._pipe.step(
            Frame(image, captured.number, captured.at), state, self.settings, trace=trace
        )
        self._last = captured
        return output

    def _breaks(self, state: State, captured: Captured, image: np.ndarray) -> str:
        """Why the state says nothing of this frame; empty where it does."""
        assert self._last is not None
        height, width = image.shape[:2]
        if (height, width) != state.size:
            return f"frames are {width}x{height} now, and were {state.size[1]}x{state.size[0]}"
        if captured.epoch != self._last.epoch:
            return "the source was opened again"
        gap = captured.at - self._last.at
        if gap > LONGEST_GAP and self.passed == 0:
            return f"no frame came for {gap:.1f} s"
        return ""
