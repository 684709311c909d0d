"""A queue of one: who puts never waits, who takes gets the newest, and what was passed over is counted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Captured:
    """One frame of a live source."""

    picture: Callable[[], np.ndarray]
    """(h, w, 3) RGB, uint8 or uint16: made when it is asked for, so that a frame that is passed over costs no more than
    its decoding"""
    number: int
    """place in the source, from 0 on"""
    at: float
    """when it came, on ``time.monotonic``'s clock"""
    epoch: int = 0
    """how often the source had to be opened again: frames of two epochs have nothing to do with each other"""


class Ended(Exception):  # noqa: N818 (a state, not a fault)
    """The source has ended, and its last frame was taken."""


class Newest:
    """The queue between the thread that captures and the loop that upscales."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: Captured | None = None
        self._ended = False
        self._error: BaseException | None = None

    def put(self, frame: Captured) -> None:
        """Holds this frame; one that was held before is passed over."""
        with self._changed:
            self._held = frame
            self._changed.notify()

    def end(self, error: BaseException | None = None) -> None:
        """No more will come. ``error``: why, where that is none of the usual."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify()

    def take(self, timeout: float) -> Captured | None:
        """The newest frame, waited for; None where none came within ``timeout`` seconds.

        Raises Ended after the last one, or the error that ended the source.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._held is not None or self._ended, timeout)
            held, self._held = self._held, None
            if held is None and self._ended:
                raise self._error or Ended
            return held
