"""Peak memory of an upscaler in a process of its own: ``python -m workbench.bench.footprint`` answers one question.

What counts is what the upscaler needs beyond Python and its libraries: its weights, and what it works with. Libraries
that only this workbench needs would be counted against the tools that it compares otherwise.
"""

from __future__ import annotations

from workbench.bench.fresh import answer, ask

WHOLE = (180, 320)  # a small clip's frame, (h, w), as for the other tables of memory


def footprint(name: str, size: tuple[int, int] = WHOLE) -> int:
    """Bytes, on the CPU. ``name``: as ``comparison.upscaler`` takes it.

    Raises WorkbenchError with the last words of a process that failed.
    """
    return ask("workbench.bench.footprint", name=name, size=size)


def _answer(name: str, size: list[int]) -> int:
    import torch

    from workbench.bench.cost import reset_peak
    from workbench.bench.noise import moving_noise
    from workbench.comparison import PipelineUpscaler, upscaler
    from workbench.devices import peak_memory
    from workbench.engines.table import TORCH
    from workbench.models.hub import SHIPPED
    from workbench.pipeline.load import load_pipeline
    from workbench.pipeline.memory import steady_memory
    from workbench.pipeline.settings import Settings
    from workbench.types import Frame

    steady_memory()
    height, width = size
    ours = name in SHIPPED
    images = moving_noise((height, width), 2 if ours else 1)  # only our models have a past
    cpu = torch.device("cpu")
    before = reset_peak(cpu)
    source = PipelineUpscaler(load_pipeline(name, device="cpu", engine=TORCH), Settings(), name) if ours else name
    for _ in upscaler(source, device="cpu").upscale(Frame(image, index) for index, image in enumerate(images)):
        pass
    return peak_memory(cpu) - before


if __name__ == "__main__":
    answer(_answer)
