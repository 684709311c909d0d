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


def footprint(name: str, size: tuple[int, int] = WHOLE) -> int:
    """Bytes, on the CPU. ``name``: as ``comparison.upscaler`` takes it.

    Raises WorkbenchError with the last words of a process that failed.
    """
    question = json.dumps({"name": name, "size": size})
    command = [sys.executable, "-m", "workbench.bench.footprint", question]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WorkbenchError(f"measuring {name} failed: {done.stderr.strip()[-500:]}")
    return int(done.stdout.splitlines()[-1])


def _answer(question: str) -> int:
    import torch

    from workbench.bench.cost import reset_peak
    from workbench.bench.noise import moving_noise
    from workbench.comparison import upscaler
    from workbench.devices import peak_memory
    from workbench.models.hub import SHIPPED
    from workbench.pipeline.memory import steady_memory
    from workbench.types import Frame

    steady_memory()
    asked = json.loads(question)
    name = asked["name"]
    images = moving_noise(tuple(asked["size"]), 2 if name in SHIPPED else 1)  # only our models have a past
    cpu = torch.device("cpu")
    before = reset_peak(cpu)
    for _ in upscaler(name, device="cpu").upscale(Frame(image, index) for index, image in enumerate(images)):
        pass
    return peak_memory(cpu) - before


if __name__ == "__main__":
    own_process()
    sys.stdout.write(f"{_answer(sys.argv[1])}\n")
