"""Peak memory of a run, which each time is measured in a process of its own: ``python -m workbench.bench.measure``."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from workbench.bench.fresh import answer, ask
from workbench.devices import peak_memory
from workbench.pipeline.settings import Settings


@dataclass(frozen=True)
class Measured:
    """What a run in a process of its own took; memory in bytes."""

    growth: int
    """of the peak, over what was there with the model loaded and warm"""
    seconds: float
    stages: dict[str, int]
    """growth of each stage"""
    estimated: int
    """what ``estimate_memory`` says of the growth"""
    process: int
    """the peak of everything, Python included"""


def measure_memory(
    source: str | os.PathLike[str] | None,
    size: tuple[int, int],
    settings: Settings,
    *,
    device: str = "cpu",
    dtype: str = "auto",
    revision: str | None = None,
    frames: int = 2,
    stages: bool = True,
) -> Measured:
    """Runs ``frames`` frames of ``size`` (h, w) in a fresh process; on the CPU its resident memory is read.

    ``stages``: runs two more for the stages' own peaks.
    """
    measured = ask(
        "workbench.bench.measure", source=None if source is None else os.fspath(source), size=size,
        settings=settings.to_dict(), device=device, dtype=dtype, revision=revision, frames=frames, stages=stages,
    )  # fmt: skip
    return Measured(**measured)


def _answer(
    *, size: list[int], settings: dict[str, Any], frames: int, stages: bool, source: str | None, **load: Any
) -> dict[str, Any]:
    import time

    from workbench.bench.cost import reset_peak, stage_memory
    from workbench.bench.noise import moving_noise
    from workbench.engines.table import TORCH
    from workbench.pipeline.load import load_pipeline
    from workbench.pipeline.memory import estimate_memory, steady_memory

    steady_memory()
    wanted, (height, width) = Settings.from_dict(settings), size
    pipe = load_pipeline(source, engine=TORCH, **load)
    for _ in pipe.stream(moving_noise((16, 16), 2), wanted):
        pass
    clip = moving_noise((height, width), frames)
    before = reset_peak(pipe.device)
    start = time.perf_counter()
    for _ in pipe.stream(clip, wanted):
        pass
    seconds, process = time.perf_counter() - start, peak_memory(pipe.device)
    measured = Measured(
        growth=process - before,
        seconds=seconds,
        stages=stage_memory(pipe, (height, width), wanted) if stages else {},
        estimated=estimate_memory(pipe, (height, width), wanted).working,
        process=process,
    )
    return asdict(measured)


if __name__ == "__main__":
    answer(_answer)
