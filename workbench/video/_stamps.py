"""The time stamps of decoded frames, made into a clock that only goes forwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

_STEP_BACK = Fraction(1, 10)  # seconds before where it should be: a clock that starts anew; less is a stamp that is off
_LEAP = 10  # seconds; in formats whose clock may be cut (MPEG-TS and -PS) a longer gap is a cut, as ffmpeg takes it


class BestEffort:
    """Of a decoded frame's two clocks, presentation (pts) and decoding (dts), the one that went back less often.

    AVI has only the second one, and some recordings have a wrong first one. The rule is that of libavcodec, whose
    ``best_effort_timestamp`` PyAV does not hand on.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._faults = {"pts": 0, "dts": 0}

    def __call__(self, pts: int | None, dts: int | None) -> int | None:
        self._see("dts", dts, instead=pts)
        self._see("pts", pts, instead=dts)
        if pts is not None and (dts is None or self._faults["pts"] <= self._faults["dts"]):
            return pts
        return dts

    def _see(self, clock: str, stamp: int | None, *, instead: int | None) -> None:
        if stamp is not None and clock in self._last:
            self._faults[clock] += stamp <= self._last[clock]
        known = instead if stamp is None else stamp
        if known is not None:
            self._last[clock] = known


@dataclass(frozen=True)
class Steady:
    """Rising time stamps, and what was done for it."""

    stamps: tuple[int, ...]
    nudged: int = 0
    """Stamps moved to just after the one before."""
    joints: tuple[int, ...] = ()
    """Places of the frames at which the clock jumped, and was carried on."""


def typical_step(stamps: Sequence[int | None], otherwise: int) -> int:
    """The median of the steps forwards; ``otherwise`` where there are none."""
    known = [stamp for stamp in stamps if stamp is not None]
    steps = np.diff(np.array(known, np.int64))
    steps = steps[steps > 0]
    return int(np.median(steps)) if steps.size else otherwise


def steady(stamps: Sequence[int | None], step: int, time_base: Fraction, *, may_leap: bool, nominal: int = 0) -> Steady:
    """Stamps in the order of showing -> rising ones.

    A missing stamp follows the one before by ``step``, or as ``_counted`` says where a frame's ``nominal`` length is 1;
    a doubled one is nudged; where the clock starts anew (recordings joined into one file), or leaps while ``may_leap``,
    what follows is moved so that it goes on. All in ``time_base``.
    """
    back, leap = _STEP_BACK / time_base, _LEAP / time_base
    steadied: list[int] = []
    joints: list[int] = []
    offset = nudged = 0
    for place, stamp in enumerate(stamps):
        last = steadied[-1] if steadied else None
        if last is None:
            steadied.append(stamp or 0)
            continue
        if stamp is None:
            steadied.append(last + (_counted(steadied) if nominal == 1 else step))
            continue
        ahead = stamp + offset - last
        if ahead < min(step - back, 0) or (may_leap and ahead > leap):
            offset += step - ahead
            ahead = step
            joints.append(place)
        nudged += ahead <= 0
        steadied.append(last + max(ahead, 1))
    return Steady(tuple(steadied), nudged, tuple(joints))


def _counted(stamps: Sequence[int]) -> int:
    """The step to a missing stamp where the clock counts frames, as AVI's does: the last one if it is more than 2, else
    1. It is the ffmpeg program's rule."""
    last = stamps[-1] - stamps[-2] if len(stamps) > 1 else 1
    return last if last > 2 else 1
