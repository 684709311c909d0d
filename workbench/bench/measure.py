"""Peak memory of a run, measured in a process of its own: ``python -m workbench.bench.measure`` answers one question.

A process that has done other things before keeps memory that a new run reuses, so numbers need a fresh one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.bench.cost import HIGH_WATER, reset_peak, stage_memory
from workbench.bench.noise import moving_noise
from workbench.devices import peak_memory
from workbench.errors import WorkbenchError
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings


@dataclass(frozen=True)
class Measured:
    """Bytes: ``growth`` of the peak over what was there with the model loaded and warm; ``stages``: that of each."""

    growth: int
    seconds: float
    stages: dict[str, int]


def measure_memory(
    source: str | os.PathLike[str] | None,
    size: tuple[int, int],
    settings: Settings,
    *,
    device: str = "cpu",
    dtype: str = "auto",
    revision: str | None = None,
    frames: int = 2,
) -> Measured:
    """Runs ``frames`` frames of ``size`` (h, w) in a fresh process; on the CPU its resident memory is read."""
    return measure_in_turn(source, size, [settings], device=device, dtype=dtype, revision=revision, frames=frames)[0]


def measure_in_turn(
    source: str | os.PathLike[str] | None,
    size: tuple[int, int],
    variants: Sequence[Settings],
    *,
    device: str = "cpu",
    dtype: str = "auto",
    revision: str | None = None,
    frames: int = 2,
) -> list[Measured]:
    """The same for several settings, one after the other in one fresh process: quicker, where they differ little.

    What one leaves behind is too small to matter (``steady_memory``). Where the mark of the highest memory cannot be
    lowered in between, which takes Linux or a GPU, each has a process of its own after all.
    """
    if len(variants) > 1 and not (device.startswith("cuda") or HIGH_WATER.exists()):
        options: Any = {"device": device, "dtype": dtype, "revision": revision, "frames": frames}
        return [measure_memory(source, size, settings, **options) for settings in variants]
    question = {
        "source": None if source is None else os.fspath(source),
        "size": size,
        "variants": [settings.to_dict() for settings in variants],
        "device": device,
        "dtype": dtype,
        "revision": revision,
        "frames": frames,
    }
    done = subprocess.run(
        [sys.executable, "-m", "workbench.bench.measure", json.dumps(question)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise WorkbenchError(f"the measuring process ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return [Measured(**answer) for answer in json.loads(done.stdout.splitlines()[-1])]


def _answers(question: str) -> str:
    from workbench.pipeline.load import load_pipeline
    from workbench.pipeline.memory import steady_memory

    steady_memory()
    asked = json.loads(question)
    pipe = load_pipeline(asked["source"], device=asked["device"], dtype=asked["dtype"], revision=asked["revision"])
    size, frames = tuple(asked["size"]), asked["frames"]
    return json.dumps([_measured(pipe, size, Settings.from_dict(s), frames) for s in asked["variants"]])


def _measured(pipe: Pipeline, size: tuple[int, int], settings: Settings, frames: int) -> dict[str, Any]:
    for _ in pipe.stream(moving_noise((16, 16), 2), settings):
        pass
    clip = moving_noise(size, frames)
    before = reset_peak(pipe.device)
    start = time.perf_counter()
    for _ in pipe.stream(clip, settings):
        pass
    growth, seconds = peak_memory(pipe.device) - before, time.perf_counter() - start
    return {"growth": growth, "seconds": seconds, "stages": stage_memory(pipe, size, settings)}


if __name__ == "__main__":
    sys.stdout.write(_answers(sys.argv[1]) + "\n")
