"""What a frame costs apart from its time: operations, memory by stage, an unused trace, reading and writing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import torch

from workbench.bench.noise import moving_noise
from workbench.devices import peak_memory, synchronize
from workbench.pipeline import stream
from workbench.pipeline.clock import Clock
from workbench.pipeline.frames import draw_noise, pad, to_network_range
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.pipeline.state import State
from workbench.trace.tap import Tap, Untapped, untapped

HIGH_WATER = Path("/proc/self/clear_refs")  # Linux: "5" lowers the mark to what is resident now


def matmul_peak(device: torch.device, dtype: torch.dtype, n: int = 1024, repeats: int = 5) -> float:
    """FLOP/s of the best of some n x n matrix products: what this machine can do when nothing else is in the way."""
    a = torch.randn(n, n, device=device).to(dtype)
    torch.matmul(a, a)
    return 2 * n**3 / min(seconds(device, lambda: a @ a) for _ in range(repeats))


def stage_memory(pipe: Pipeline, size: tuple[int, int], settings: Settings) -> dict[str, int]:
    """Bytes by which memory was above its start at the highest point of each stage of a second frame, measured.

    On a GPU what torch has allocated; on Linux the resident process; nothing elsewhere, where no mark can be reset.
    """
    if pipe.device.type != "cuda" and not HIGH_WATER.exists():
        return {}
    before = reset_peak(pipe.device)
    first, second = moving_noise(size, 2)
    _, state = pipe.step(first, None, settings)
    clock = PeakClock(pipe.device, before)
    _step(pipe, second, state, settings, clock=clock, tap=untapped)
    return clock.peaks


class PeakClock(Clock):
    """A clock that also keeps the highest memory of each stage, in bytes above ``before``."""

    def __init__(self, device: torch.device, before: int) -> None:
        super().__init__(device)
        self.before = before
        self.peaks: dict[str, int] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        reset_peak(self.device)
        with super().__call__(stage):
            yield
        high = peak_memory(self.device) - self.before
        self.peaks[stage] = max(self.peaks.get(stage, 0), high)


def reset_peak(device: torch.device) -> int:
    """Lowers the high-water mark of memory to what is held now, and returns that."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    if HIGH_WATER.exists():
        HIGH_WATER.write_text("5")
    return psutil.Process().memory_info().rss


def trace_off_share(pipe: Pipeline, size: tuple[int, int], settings: Settings, frame_seconds: float) -> float:
    """Share of a frame that its taps cost when nobody listens: their number times what one call takes."""
    tap = _Counting()
    first, second = moving_noise(size, 2)
    _, state = pipe.step(first, None, settings)
    _step(pipe, second, state, settings, clock=Clock(pipe.device), tap=tap)
    value, many = torch.zeros(1), 10_000
    start = time.perf_counter()
    for _ in range(many):
        untapped("name", value, 0)
    return tap.calls * (time.perf_counter() - start) / many / frame_seconds


class _Counting(Untapped):
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, name: str, value: torch.Tensor, step: int | None = None) -> torch.Tensor:
        self.calls += 1
        return value


def _step(pipe: Pipeline, frame: np.ndarray, state: State, settings: Settings, *, clock: Clock, tap: Tap) -> None:
    lr = pad(to_network_range(frame)).to(pipe.device)
    noise = draw_noise(0, 1, (pipe.models.vae.config["latent_channels"], *lr.shape[-2:])).to(pipe.device)
    with torch.no_grad():
        flow = pipe.motion(settings, state.size).between
        stream.step(pipe.models, lr, noise, state, settings, flow=flow, clock=clock, tap=tap)


def input_output(size: tuple[int, int], frames: int = 8) -> dict[str, float]:
    """Seconds per frame to read a lossy video of ``size`` (h, w) and to write one four times as large."""
    from workbench.video.clip import open_clip  # timing the networks needs no video library

    h, w = size
    small, large = moving_noise(size, frames), moving_noise((4 * h, 4 * w), frames)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.mp4"
        _write(source, small)
        start = time.perf_counter()
        read = sum(1 for _ in open_clip(source))
        middle = time.perf_counter()
        _write(Path(folder) / "out.mp4", large)
        return {"read": (middle - start) / read, "write": (time.perf_counter() - middle) / frames}


def _write(path: Path, frames: list[np.ndarray]) -> None:
    from workbench.video.write import ClipWriter

    with ClipWriter(path, fps=24) as writer:
        for frame in frames:
            writer.write(frame)


def seconds(device: torch.device, work: Callable[[], object]) -> float:
    """How long ``work`` takes, the device waited for before and after."""
    synchronize(device)
    start = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - start
