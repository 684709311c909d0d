"""Peak memory of a run, measured in a process of its own: ``python -m workbench.bench.measure`` answers one question.

A process that has done other things before keeps memory that a new run reuses, so each number needs a fresh one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass

from workbench.devices import peak_memory
from workbench.errors import WorkbenchError
from workbench.pipeline.settings import Settings
from workbench.startup import own_process


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
    question = {
        "source": None if source is None else os.fspath(source),
        "size": size,
        "settings": settings.to_dict(),
        "device": device,
        "dtype": dtype,
        "revision": revision,
        "frames": frames,
        "stages": stages,
    }
    done = subprocess.run(
        [sys.executable, "-m", "workbench.bench.measure", json.dumps(question)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise WorkbenchError(f"the measuring process ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def _answer(question: str) -> str:
    import time

    from workbench.bench.cost import reset_peak, stage_memory
    from workbench.bench.noise import moving_noise
    from workbench.pipeline.load import load_pipeline
    from workbench.pipeline.memory import estimate_memory, steady_memory

    steady_memory()
    asked = json.loads(question)
    settings = Settings.from_dict(asked["settings"])
    pipe = load_pipeline(asked["source"], device=asked["device"], dtype=asked["dtype"], revision=asked["revision"])
    for _ in pipe.stream(moving_noise((16, 16), 2), settings):
        pass
    size = tuple(asked["size"])
    clip = moving_noise(size, asked["frames"])
    before = reset_peak(pipe.device)
    start = time.perf_counter()
    for _ in pipe.stream(clip, settings):
        pass
    seconds, process = time.perf_counter() - start, peak_memory(pipe.device)
    measured = Measured(
        growth=process - before,
        seconds=seconds,
        stages=stage_memory(pipe, size, settings) if asked["stages"] else {},
        estimated=estimate_memory(pipe, size, settings).working,
        process=process,
    )
    return json.dumps(asdict(measured))


if __name__ == "__main__":
    own_process()
    sys.stdout.write(_answer(sys.argv[1]) + "\n")
