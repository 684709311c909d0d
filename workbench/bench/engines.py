"""Every engine that is here, side by side in one run: frames in turn, so that a busy machine slows all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from math import isnan
from statistics import median
from typing import Any

import numpy as np
import psutil

from workbench.bench.noise import moving_noise
from workbench.devices import forget_peak, peak_reserved, readable, release_memory, synchronize
from workbench.engines.choose import engines_here
from workbench.engines.graphs import GraphRunner
from workbench.engines.parts import needed
from workbench.engines.runner import Runner, Say, make_runner, unsaid
from workbench.engines.table import ENGINES, TORCH
from workbench.errors import WorkbenchError
from workbench.models.models import Models
from workbench.pipeline.frames import padded
from workbench.pipeline.output import Output
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings

LONGEST = 500  # characters of a reason


@dataclass
class EngineRow:
    """One engine; times are seconds, of frames that have a previous one."""

    engine: str
    refused: str = ""
    """why it did not run; then nothing else is here"""
    ready: float = 0.0
    """until everything is exported, compiled and opened: the cache may have held it"""
    first_frame: float = 0.0
    frames: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)
    memory: int = 0
    """bytes by which making ready and two frames raised the process (on a GPU: the most that torch reserved)"""
    difference: int = 0
    """largest difference of a byte to torch's, of 255"""
    share: float = 0.0
    """of the bytes that differ"""
    outside: float = 0.0
    """share of the nodes that run elsewhere than on the wanted provider; nan where that is not told"""

    @property
    def frame(self) -> float:
        """Median seconds."""
        return median(self.frames) if self.frames else float("nan")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | ({"frame": self.frame} if self.frames else {})


def bench_engines(
    models: Models,
    size: tuple[int, int],
    settings: Settings | None = None,
    *,
    names: Sequence[str] | None = None,
    repeats: int = 3,
    until: float = float("inf"),
    say: Say = unsaid,
) -> list[EngineRow]:
    """Rows for ``names`` (None: all in the table), torch first, for frames of ``size`` (h, w).

    ``until``: a ``time.monotonic()`` after which no further engine is begun; its row says so.
    """
    settings = settings or Settings()
    here = engines_here(models.device.type)
    asked = [TORCH, *(name for name in names or ENGINES if name != TORCH)]
    frames = moving_noise(size, repeats + 2)
    running: list[tuple[EngineRow, Iterator[Output]]] = []
    rows = []
    for name in asked:
        row = EngineRow(name, refused=here[name])
        rows.append(row)
        if not row.refused and time.monotonic() > until:
            row.refused = "no time was left for it"
        if not row.refused:
            say(name)
            with _or_refused(row):
                running.append((row, _begin(row, models, size, settings, frames)))
    for k in range(repeats):
        truth: np.ndarray | None = None
        for row, stream in running:
            if row.refused:
                continue
            out = None
            with _or_refused(row):
                seconds, out = _timed(models, lambda stream=stream: next(stream))
                row.frames.append(seconds)
            if out is None:
                continue
            for stage, value in out.seconds.items():
                row.stages.setdefault(stage, []).append(value)
            image = out.image.astype(np.int16)
            truth = image if truth is None else truth
            row.difference = max(row.difference, int(np.abs(image - truth).max()))
            row.share += float((image != truth).mean()) / repeats
        say(f"frame {k + 1} of {repeats}")
    return rows


def engine_table(rows: Sequence[EngineRow]) -> list[list[str]]:
    """A heading, then a row for each engine that ran."""
    table = [
        ["engine", "s/frame", "of torch", "unet", "controlnet", "decode", "ready, s", "first frame, s", "memory",
         "largest difference", "bytes that differ", "nodes elsewhere"]
    ]  # fmt: skip
    ran = [row for row in rows if row.frames]
    for row in ran:
        stages = [f"{median(row.stages[name]):.3f}" if name in row.stages else "-" for name in table[0][3:6]]
        table.append(
            [row.engine, f"{row.frame:.3f}", f"{ratio(row, ran[0]):.2f}", *stages, f"{row.ready:.1f}",
             f"{row.first_frame:.2f}", readable(row.memory), f"{row.difference} of 255", f"{row.share:.1e}",
             "-" if isnan(row.outside) else f"{row.outside:.0%}"]
        )  # fmt: skip
    return table


def ratio(row: EngineRow, torch: EngineRow) -> float:
    """Of the medians."""
    return row.frame / torch.frame


@contextmanager
def _or_refused(row: EngineRow) -> Iterator[None]:
    """One engine's failure, whatever it is, is its row's; the others go on."""
    try:
        yield
    except Exception as error:  # compilers and drivers have errors of their own
        row.refused = " ".join(f"{'' if isinstance(error, WorkbenchError) else type(error).__name__} {error}".split())
        row.refused = row.refused[:LONGEST]
        row.frames.clear()


def _begin(
    row: EngineRow, models: Models, size: tuple[int, int], settings: Settings, frames: list[np.ndarray]
) -> Iterator[Output]:
    """Makes the engine ready and runs its first two frames, which warm it up."""
    before = _memory(models, begins=True)
    row.ready, runner = _timed(models, lambda: _ready(make_runner(models, row.engine), padded(size)))
    stream = Pipeline(models, runner).stream(frames, settings)
    row.first_frame, _ = _timed(models, lambda: next(stream))
    next(stream)
    row.memory = max(0, _memory(models) - before)
    row.outside = _outside(runner, padded(size))
    return stream


def _ready(runner: Runner, size: tuple[int, int]) -> Runner:
    runner.prepare(size)
    return runner


def _outside(runner: Runner, size: tuple[int, int]) -> float:
    if not isinstance(runner, GraphRunner):
        return 0.0
    return max(runner.session(part, size).outside() for part in needed(runner.plain))


def _memory(models: Models, *, begins: bool = False) -> int:
    """Bytes held now; on an NVIDIA GPU, the most that was held since a call that ``begins``."""
    device = models.device
    if device.type == "cpu":
        return psutil.Process().memory_info().rss
    if begins:
        release_memory(device)
        forget_peak(device)
    return peak_reserved(device)


def _timed(models: Models, work: Callable[[], Any]) -> tuple[float, Any]:
    synchronize(models.device)
    start = time.perf_counter()
    result = work()
    synchronize(models.device)
    return time.perf_counter() - start, result
