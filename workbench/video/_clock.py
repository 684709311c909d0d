"""When each frame that is written is shown: the clip's own times, or an even rate."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from workbench.errors import InputError
from workbench.video.clip import Clip

_ASSUMED_RATE = Fraction(25)


@dataclass(frozen=True)
class Window:
    """The part of the source's clock that an output shows, in seconds."""

    start: Fraction
    end: Fraction
    begins: bool
    """whether it begins with the source: what sounds before the first picture then belongs to it"""
    ends: bool
    """whether it ends with the source: what sounds after the last picture then belongs to it"""


class Clock:
    """Time stamps in units of ``time_base`` (seconds), counted from the clip's first frame."""

    def __init__(self, clip: Clip | None, rate: Fraction | None, notes: list[str]) -> None:
        """``rate``: an even rate instead of the clip's times. What is assumed is added to ``notes``."""
        self._boundaries: tuple[float, ...] = ()
        self._clip = clip
        self.even = True
        known = rate or (None if clip is None else clip.rate)
        if known is None:
            notes.append(f"no frame rate known: {_ASSUMED_RATE} frames per second assumed")
        self.rate = known or _ASSUMED_RATE
        self.time_base = 1 / self.rate
        if clip is None or rate is not None or not clip.times or not clip.span:
            return
        self._boundaries = (*clip.times, clip.span[1])
        tick = clip.info.time_base or self.time_base
        # A container's clock may be too coarse for the rate (Matroska: 1 ms): the stamps then lie within a tick of it.
        first = self._boundaries[0]
        drift = max(abs(time - first - float(k / self.rate)) for k, time in enumerate(clip.times))
        self.even = drift <= float(tick) * 1.01
        if not self.even:
            self.time_base = tick

    def stamp(self, index: int) -> int:
        """Time stamp of frame ``index``. Raises InputError past the end of the clip."""
        if self._boundaries and index + 1 >= len(self._boundaries):
            raise InputError(f"the clip has {index} frames, so one more has no time; write frames of that clip only")
        if self.even:
            return index
        return round(Fraction(self._boundaries[index] - self._boundaries[0]) / self.time_base)

    def duration(self, index: int) -> Fraction:
        """Seconds that frame ``index`` is shown."""
        if self.even:
            return 1 / self.rate
        return Fraction(self._boundaries[index + 1] - self._boundaries[index])

    def window(self, count: int) -> Window | None:
        """What the first ``count`` frames show of the source; None where they do not follow its clock."""
        if not self._boundaries or self._clip is None or self._clip.info.boundaries is None:
            return None
        whole = self._clip.info.boundaries
        start, end = self._boundaries[0], self._boundaries[count]
        return Window(Fraction(start), Fraction(end), begins=start == whole[0], ends=end == whole[-1])
