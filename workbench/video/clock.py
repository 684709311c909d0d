"""When each frame that is written is shown: the clip's own times, or an even rate."""

from __future__ import annotations

from fractions import Fraction

from workbench.errors import InputError
from workbench.video.audio import Sound
from workbench.video.clip import Clip

_ASSUMED_RATE = Fraction(25)


class Clock:
    """Time stamps in units of ``time_base`` (seconds), counted from the clip's first frame."""

    def __init__(self, clip: Clip | None, rate: Fraction | None, notes: list[str]) -> None:
        """``rate``: an even rate instead of the clip's times. What is assumed or left out is added to ``notes``."""
        self._boundaries: tuple[float, ...] = ()
        self._clip = clip
        if clip is not None and rate is None and clip.times and clip.span and clip.rate:
            self._boundaries = (*clip.times, clip.span[1])
            self.rate = clip.rate
            self.time_base = clip.info.time_base or 1 / clip.rate
            return
        known = rate or (None if clip is None else clip.rate)
        if known is None:
            notes.append(f"no frame rate known: {_ASSUMED_RATE} frames per second assumed")
        if clip is not None and clip.audio is not None:
            notes.append("sound left out: with another frame rate it would not stay in step")
        self.rate = known or _ASSUMED_RATE
        self.time_base = 1 / self.rate

    def stamp(self, index: int) -> int:
        """Time stamp of frame ``index``. Raises InputError past the end of the clip."""
        if not self._boundaries:
            return index
        if index + 1 >= len(self._boundaries):
            raise InputError(f"the clip has {index} frames, so one more has no time; write frames of that clip only")
        return round(Fraction(self._boundaries[index] - self._boundaries[0]) / self.time_base)

    def duration(self, index: int) -> Fraction:
        """Seconds that frame ``index`` is shown."""
        if not self._boundaries:
            return 1 / self.rate
        return Fraction(self._boundaries[index + 1] - self._boundaries[index])

    def sound(self, count: int) -> Sound | None:
        """The sound of the first ``count`` frames, if the clip has any and it is in step."""
        clip = self._clip
        if not self._boundaries or clip is None or clip.audio is None or clip.path is None:
            return None
        return Sound(clip.path, self._boundaries[0], self._boundaries[count])
