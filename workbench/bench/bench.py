"""Time and memory per frame and stage, against the plain loop, a convolution and the machine's own peak, in one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import torch

from workbench.bench.cost import input_output, matmul_peak, seconds, trace_off_share
from workbench.bench.noise import moving_noise
from workbench.bench.plain import plain_stream
from workbench.pipeline.memory import flop_per_frame
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
    dtype: str = "float32"
    memory: dict[str, int] = field(default_factory=dict)
    """bytes above the start at each stage's highest point, in a fresh process (``measure_memory``)"""
    flop: int = 0
    """floating-point operations of a frame"""
    matmul: float = 0.0
    """FLOP/s of the best matrix product here"""
    trace_off: float = 0.0
    """share of a frame that its taps cost when nobody listens"""
    video: dict[str, float] = field(default_factory=dict)
    """seconds to read a frame and to write one"""
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def ratio_to_plain(self) -> float:
        """Median over repeats of ours / plain, pair by pair; below 1 is faster."""
        return median(a / b for a, b in zip(self.frame.samples, self.plain.samples, strict=True))

    @property
    def convolutions(self) -> float:
        """Our time per frame in times of the reference convolution."""
        return median(a / b for a, b in zip(self.frame.samples, self.convolution.samples, strict=True))

    @property
    def achieved(self) -> float:
        """FLOP/s of our loop as a share of the best matrix product's."""
        return self.flop / self.frame.median / self.matmul if self.matmul else 0.0

    def to_dict(self) -> dict[str, Any]:
        derived = ("ratio_to_plain", "convolutions", "achieved")
        return asdict(self) | {name: getattr(self, name) for name in derived}

    def __str__(self) -> str:
        h, w = self.size
        machine = f"{self.device}, {self.dtype}, {self.threads} threads"
        lines = [
            f"{w}x{h} -> {4 * w}x{4 * h}, {machine}, {self.settings.changes() or 'default settings'}",
            f"{'frame':14}{self.frame}",
            *(f"  {name:12}{timing}{self._memory(name)}" for name, timing in self.stages.items()),
            *(f"  {name + ' video':12}{time:8.3f} s" for name, time in self.video.items()),
            f"{'plain loop':14}{self.plain}",
            f"{'ours / plain':14}{self.ratio_to_plain:8.3f}",
            f"{'first frame':14}{self.first_frame:8.3f} s",
            f"{'convolution':14}{self.convolution}   64->64, 3x3, at {4 * w}x{4 * h}",
            f"{'frame / conv.':14}{self.convolutions:8.2f}",
            f"{'operations':14}{self.flop / 1e9:8.1f} GFLOP a frame, {self.achieved:.0%} of a matrix product's speed "
            f"({self.matmul / 1e9:.0f} GFLOP/s)",
            f"{'trace off':14}{self.trace_off:8.3%} of a frame",
        ]
        return "\n".join(lines)

    def _memory(self, stage: str) -> str:
        return f"   {self.memory[stage] / 2**20:7.0f} MiB" if stage in self.memory else ""


def growth_with_pixels(reports: Sequence[Report]) -> list[str]:
    """A line for each later size of the same settings: how much more time and memory its pixels took."""
    lines = []
    for settings in dict.fromkeys(report.settings for report in reports):
        first, *others = [report for report in reports if report.settings == settings]
        for report in others:
            (h, w), (before_h, before_w) = report.size, first.size
            words = [
                f"{w}x{h} against {before_w}x{before_h}: {h * w / (before_h * before_w):.2f}x the pixels",
                f"{report.frame.median / first.frame.median:.2f}x the time",
            ]
            if report.memory and first.memory:
                words.append(f"{max(report.memory.values()) / max(first.memory.values()):.2f}x the memory")
            lines.append(", ".join(words))
    return lines


def bench(
    pipe: Pipeline, settings: Settings | None = None, *, size: tuple[int, int] = (180, 320), repeats: int = 3
) -> Report:
    """Times frames of ``size`` (h, w): one warm-up, then ours, plain and the convolution in turn, ``repeats`` times."""
    settings = settings or Settings()
    frames = moving_noise(size, repeats + 2)
    ours, plain = pipe.stream(frames, settings), plain_stream(pipe.models, frames, settings)
    first = seconds(pipe.device, lambda: next(ours))
    next(plain)
    next(ours)
    next(plain)  # the first frame has no ARTG and no TPM; the second warms them up
    own, others, reference, stages = [], [], [], []
    convolve = _convolution(size, pipe.device)
    for _ in range(repeats):
        outputs = []
        own.append(seconds(pipe.device, lambda outputs=outputs: outputs.append(next(ours))))
        others.append(seconds(pipe.device, lambda: next(plain)))
        reference.append(seconds(pipe.device, convolve))
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
        dtype=str(pipe.models.unet.dtype).removeprefix("torch."),
        flop=flop_per_frame(pipe, size, settings),
        matmul=matmul_peak(pipe.device, pipe.models.unet.dtype),
        trace_off=trace_off_share(pipe, size, settings, median(own)),
        video=input_output(size),
        versions={"torch": torch.__version__},
    )


def _convolution(size: tuple[int, int], device: torch.device) -> Callable[[], object]:
    """A 64 -> 64, 3x3, float32 convolution at output size, channels last: the yardstick of this machine."""
    h, w = size
    picture = torch.randn(1, 64, 4 * h, 4 * w, device=device).to(memory_format=torch.channels_last)
    layer = torch.nn.Conv2d(64, 64, 3, padding=1).to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    with torch.no_grad():
        layer(picture)
    return torch.no_grad()(lambda: layer(picture))
