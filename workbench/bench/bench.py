"""Seconds per frame and per stage, against the plain loop and against one convolution, in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import numpy as np
import torch

from workbench.bench.plain import plain_stream
from workbench.devices import synchronize
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings


@dataclass(frozen=True)
class Timing:
    """Seconds over repeats. ``spread``: (minimum, maximum)."""

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        return min(self.samples), max(self.samples)

    def __str__(self) -> str:
        low, high = self.spread
        return f"{self.median:8.3f} s   ({low:.3f} .. {high:.3f})"


@dataclass(frozen=True)
class Report:
    """One run of the bench; times are seconds per frame, of frames that have a previous one."""

    size: tuple[int, int]
    settings: Settings
    device: str
    threads: int
    frame: Timing
    plain: Timing
    stages: dict[str, Timing]
    first_frame: float
    convolution: Timing
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def ratio_to_plain(self) -> float:
        """Median over repeats of ours / plain, pair by pair; below 1 is faster."""
        return median(a / b for a, b in zip(self.frame.samples, self.plain.samples, strict=True))

    @property
    def convolutions(self) -> float:
        """Our time per frame in times of the reference convolution."""
        return median(a / b for a, b in zip(self.frame.samples, self.convolution.samples, strict=True))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"ratio_to_plain": self.ratio_to_plain, "convolutions": self.convolutions}

    def __str__(self) -> str:
        h, w = self.size
        lines = [
            f"{w}x{h} -> {4 * w}x{4 * h}, {self.settings.steps} steps, {self.device}, {self.threads} threads",
            f"{'frame':14}{self.frame}",
            *(f"  {name:12}{timing}" for name, timing in self.stages.items()),
            f"{'plain loop':14}{self.plain}",
            f"{'ours / plain':14}{self.ratio_to_plain:8.3f}",
            f"{'first frame':14}{self.first_frame:8.3f} s",
            f"{'convolution':14}{self.convolution}   64->64, 3x3, at {4 * w}x{4 * h}",
            f"{'frame / conv.':14}{self.convolutions:8.2f}",
        ]
        return "\n".join(lines)


def bench(
    pipe: Pipeline, settings: Settings | None = None, *, size: tuple[int, int] = (180, 320), repeats: int = 3
) -> Report:
    """Times frames of ``size`` (h, w): one warm-up, then ours, plain and the convolution in turn, ``repeats`` times."""
    settings = settings or Settings()
    frames = _moving_noise(size, repeats + 2)
    ours, plain = pipe.stream(frames, settings), plain_stream(pipe.models, frames, settings)
    first = _seconds(pipe.device, lambda: next(ours))
    next(plain)
    next(ours), next(plain)  # the first frame has no ARTG and no TPM; the second warms them up
    own, others, reference, stages = [], [], [], []
    convolve = _convolution(size, pipe.device)
    for _ in range(repeats):
        outputs = []
        own.append(_seconds(pipe.device, lambda outputs=outputs: outputs.append(next(ours))))
        others.append(_seconds(pipe.device, lambda: next(plain)))
        reference.append(_seconds(pipe.device, convolve))
        stages.append(outputs[0].seconds)
    return Report(
        size=size,
        settings=settings,
        device=str(pipe.device),
        threads=torch.get_num_threads(),
        frame=Timing(tuple(own)),
        plain=Timing(tuple(others)),
        stages={name: Timing(tuple(s[name] for s in stages)) for name in stages[0]},
        first_frame=first,
        convolution=Timing(tuple(reference)),
        versions={"torch": torch.__version__},
    )


def _seconds(device: torch.device, work: Callable[[], object]) -> float:
    synchronize(device)
    start = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - start


def _convolution(size: tuple[int, int], device: torch.device) -> Callable[[], object]:
    """A 64 -> 64, 3x3, float32 convolution at output size, channels last: the yardstick of this machine."""
    h, w = size
    picture = torch.randn(1, 64, 4 * h, 4 * w, device=device).to(memory_format=torch.channels_last)
    layer = torch.nn.Conv2d(64, 64, 3, padding=1).to(device, memory_format=torch.channels_last)
    with torch.no_grad():
        layer(picture)
    return torch.no_grad()(lambda: layer(picture))


def _moving_noise(size: tuple[int, int], count: int) -> list[np.ndarray]:
    """Frames with texture and motion, so that flow estimation has its usual work."""
    h, w = size
    texture = np.random.default_rng(0).integers(0, 256, (h + 2 * count, w + 2 * count, 3), dtype=np.uint8)
    return [np.ascontiguousarray(texture[k : k + h, 2 * k : 2 * k + w]) for k in range(count)]
