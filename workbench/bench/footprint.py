"""Peak memory of an upscaler in a process of its own: ``python -m workbench.bench.footprint`` answers one question.

What counts is what the upscaler needs beyond Python and its libraries: its weights, and what it works with. Libraries
that only this workbench needs would be counted against the tools that it compares otherwise.
"""

from __future__ import annotations

import json
import subprocess
import sys

from workbench.errors import WorkbenchError
from workbench.startup import own_process

WHOLE = (180, 320)  # a small clip's frame, (h, w), as for the other tables of memory


def footprint(name: str | None, size: tuple[int, int] = WHOLE) -> int:
    """Bytes, on the CPU. ``name``: as ``comparison.upscaler`` takes it; None, the embedded model as it is used.

    Raises WorkbenchError with the last words of a process that failed.
    """
    question = json.dumps({"name": name, "size": size})
    command = [sys.executable, "-m", "workbench.bench.footprint", question]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WorkbenchError(f"measuring {name or 'the embedded model'} failed: {done.stderr.strip()[-500:]}")
    return int(done.stdout.splitlines()[-1])


def _answer(question: str) -> int:
    import torch

    from workbench.bench.cost import reset_peak
    from workbench.bench.noise import moving_noise
    from workbench.comparison import PipelineUpscaler, upscaler
    from workbench.devices import peak_memory
    from workbench.pipeline.load import load_pipeline
    from workbench.pipeline.memory import steady_memory
    from workbench.pipeline.settings import Settings
    from workbench.types import Frame

    steady_memory()
    asked = json.loads(question)
    images = moving_noise(tuple(asked["size"]), 2 if asked["name"] is None else 1)  # only the model has a past
    frames = [Frame(image, index) for index, image in enumerate(images)]
    cpu = torch.device("cpu")
    before = reset_peak(cpu)
    if asked["name"] is None:
        made = PipelineUpscaler(load_pipeline(device="cpu"), Settings(), "ours")
    else:
        made = upscaler(asked["name"], device="cpu")
    for _ in made.upscale(frames):
        pass
    return peak_memory(cpu) - before


if __name__ == "__main__":
    own_process()
    sys.stdout.write(f"{_answer(sys.argv[1])}\n")
