"""A live run: the newest frame of a source through the loop into a sink, until one of them ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from workbench.pipeline.output import Output
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.pixels import eight_bit
from workbench.realtime._pace import Pace
from workbench.realtime.calibrate import MARGIN, Cost, choose, within
from workbench.realtime.newest import Captured, Ended, Newest
from workbench.realtime.session import Session
from workbench.realtime.sinks import Closed, Sink
from workbench.realtime.sources import Source, start

SILENT = 1.0  # seconds without a frame, after which a source is said to be silent


@dataclass
class Report:
    """How a run stands, and at its end how it was."""

    pace: Pace = field(default_factory=Pace)
    size: tuple[int, int] = (0, 0)
    """(width, height) of the frames that are upscaled"""
    settings: Settings = field(default_factory=Settings)
    end: str = ""
    """why it ended"""


def run_live(
    pipe: Pipeline,
    source: Source,
    sink: Sink,
    settings: Settings,
    *,
    cost: Cost | None = None,
    target_rate: float | None = None,
    most_rate: float | None = None,
    most_side: int | None = None,
    say: Callable[[str], object] = lambda _: None,
    on_output: Callable[[Output, Report], object] = lambda *_: None,
    most_frames: int | None = None,
) -> Report:
    """Upscales until the source or the sink ends, ``most_frames`` are made, or Ctrl-C, which leaves a whole output.

    ``cost``, ``target_rate``: of this machine, and the frames a second that are wanted: steps and size follow (see
    ``choose``). ``most_rate``: frames a second that are taken from the source; ``most_side``: pixels of the longer
    side.
    ``say`` is told what a person should know; ``on_output`` sees each frame once the sink has it.
    """
    newest, report = Newest(), Report(settings=settings)
    session = Session(pipe, settings, say)
    fit = _Scale(say, cost, target_rate, most_side, session)
    stop = threading.Event()
    start(source, newest, say, most_rate=most_rate, stop=stop)
    try:
        while most_frames is None or report.pace.frames < most_frames:
            captured = _wait(newest, source.name, say)
            output = session.step(captured, fit(captured))
            sink.write(output.image, captured.at)
            report.pace.add(came=captured.at, done=time.monotonic(), passed=session.passed)
            report.size, report.settings = output.input.shape[1::-1], session.settings
            on_output(output, report)
        report.end = "as many frames as were wanted are made"
    except Ended:
        report.end = "the source ended"
    except Closed:
        report.end = "the reader has enough"
    except KeyboardInterrupt:
        report.end = "Ctrl-C"
    finally:
        stop.set()
        sink.close()
    return report


def _wait(newest: Newest, name: str, say: Callable[[str], object]) -> Captured:
    """The next frame; a source that stays silent is waited for, and that is said, as is its return."""
    begun = time.monotonic()
    captured = newest.take(SILENT)
    if captured is None:
        say(f"{name}: no frame for {SILENT:g} s; waiting")
        while (captured := newest.take(SILENT)) is None:
            pass
        say(f"{name}: frames come again, after {time.monotonic() - begun:.1f} s")
    return captured


def scaled(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w, 3) uint8 brought down to ``size`` (width, height)."""
    same = image.shape[1::-1] == size
    return image if same else cv2.resize(image, size, interpolation=cv2.INTER_AREA)


class _Scale:
    """Captured frame -> the picture that is upscaled. Steps and size are chosen anew where the frames' size changes."""

    def __init__(
        self,
        say: Callable[[str], object],
        cost: Cost | None,
        rate: float | None,
        most_side: int | None,
        session: Session,
    ) -> None:
        self._say, self._cost, self._rate, self._most_side, self._session = say, cost, rate, most_side, session
        self._steps = session.settings.steps
        self._from, self._to = (0, 0), (0, 0)

    def __call__(self, captured: Captured) -> np.ndarray:
        image = eight_bit(captured.picture())
        size = (image.shape[1], image.shape[0])
        if size != self._from:
            if self._from != (0, 0):
                self._session.forget(f"frames are {size[0]}x{size[1]} now, and were {self._from[0]}x{self._from[1]}")
            self._from, self._to = size, self._chosen(size)
        return scaled(image, self._to)

    def _chosen(self, size: tuple[int, int]) -> tuple[int, int]:
        session = self._session
        steps, side = self._steps, min(max(size), self._most_side or max(size))
        if self._cost is not None:
            steps, side = choose(self._cost, size, self._steps, self._rate, self._most_side)
        chosen = within(size, side)
        session.settings = session.settings.but(steps=steps)
        foreseen = (
            "" if self._cost is None else f", about {1 / self._cost.seconds(chosen, steps) / MARGIN:.2g} frames/s here"
        )
        self._say(
            f"frames of {size[0]}x{size[1]} are taken at {chosen[0]}x{chosen[1]}, with {steps} "
            f"step{'' if steps == 1 else 's'}: {4 * chosen[0]}x{4 * chosen[1]} out{foreseen}"
        )
        return chosen
