"""How fast this machine is, from a few frames, and what steps and size a wanted rate leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings

SIZES = ((96, 128), (192, 256))  # (h, w); the second only where frames have a fixed cost, as on a GPU
FRAMES = 3  # of each size: the first has no state, the second pays for what is made once
SMALLEST = 32  # pixels of the longer side
MARGIN = 1.2  # what capturing and writing take beside the loop


@dataclass(frozen=True)
class Cost:
    """Seconds that a frame takes."""

    fixed: float
    """for each low-resolution pixel"""
    step: float
    """for each low-resolution pixel and denoising step"""
    always: float = 0.0
    """for each frame, of any size"""

    def seconds(self, size: tuple[int, int], steps: int) -> float:
        """``size``: (width, height) of the low-resolution frame."""
        return self.always + size[0] * size[1] * (self.fixed + steps * self.step)

    def times(self, factor: float) -> Cost:
        """The cost on a machine that takes so many times as long, such as one that is busy."""
        return Cost(self.fixed * factor, self.step * factor, self.always * factor)


def calibrate(pipe: Pipeline, settings: Settings) -> Cost:
    """Upscales a few small frames of moving noise under ``settings``, with one step."""
    (height, width), *larger = SIZES
    fixed, step = _measure(pipe, settings, (height, width))
    pixels = height * width
    if pipe.device.type == "cpu":
        return Cost(fixed / pixels, step / pixels)
    more = np.prod(larger[0])
    fixed_more, step_more = _measure(pipe, settings, larger[0])
    slope = max(fixed_more - fixed, 0.0) / (more - pixels), max(step_more - step, 0.0) / (more - pixels)
    return Cost(float(slope[0]), float(slope[1]), always=max(0.0, float(fixed + step - pixels * sum(slope))))


def _measure(pipe: Pipeline, settings: Settings, size: tuple[int, int]) -> tuple[float, float]:
    """Seconds of a frame of ``size`` (h, w) outside its steps, and of one step."""
    noise = np.random.default_rng(0).integers(0, 256, (size[0], size[1] + FRAMES, 3), dtype=np.uint8)
    frames = (np.ascontiguousarray(noise[:, k : k + size[1]]) for k in range(FRAMES))
    stages = [out.seconds for out in pipe.stream(frames, settings.but(steps=1))][1:]
    best = min(stages, key=lambda seconds: sum(seconds.values()))
    step = best.get("unet", 0.0) + best.get("controlnet", 0.0)
    return sum(best.values()) - step, step


def choose(
    cost: Cost, size: tuple[int, int], steps: int, rate: float | None, most_side: int | None = None
) -> tuple[int, int]:
    """(steps, longer side) for frames of ``size`` (width, height) that are to come at ``rate`` a second.

    Steps are given up first (they cost the picture least), down to one; then size. Without a rate both stay, but for
    ``most_side``.
    """
    side = min(max(size), most_side or max(size))
    if rate is None:
        return steps, side
    allowed, scaled = 1 / rate / MARGIN, within(size, side)
    for fewer in range(steps, 0, -1):
        if cost.seconds(scaled, fewer) <= allowed:
            return fewer, side
    return 1, min(side, side_for(cost, scaled, 1, allowed))


def side_for(cost: Cost, size: tuple[int, int], steps: int, seconds: float) -> int:
    """The longer side of a frame of ``size``'s shape that takes so many seconds; at most that of ``size``."""
    room = max(seconds - cost.always, 0.0) / (cost.seconds(size, steps) - cost.always)
    return max(SMALLEST, min(max(size), int(max(size) * math.sqrt(room))))


def within(size: tuple[int, int], side: int) -> tuple[int, int]:
    """``size`` (width, height) brought down to ``side`` for the longer one; the other follows, 16 at least."""
    scale = min(1.0, side / max(size))
    return max(16, round(size[0] * scale)), max(16, round(size[1] * scale))
