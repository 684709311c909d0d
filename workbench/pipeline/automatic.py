"""Settings that are left to the workbench: decided by the memory estimate, and said."""

from __future__ import annotations

from workbench.devices import readable
from workbench.pipeline.memory import available_memory, estimate_memory
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings

MARGIN = 1.25  # what a run may need for each byte estimated: 15 % of error, and what else goes on in the process


def choose_slicing(
    pipe: Pipeline, size: tuple[int, int], settings: Settings, *, available: int | None = None
) -> tuple[Settings, str]:
    """``vae_slicing`` for frames of ``size`` (h, w): on where they do not fit otherwise and it helps, else off, since
    strips take longer. With the reason, in a sentence. ``available`` bytes; None: asked of the device."""
    room = available_memory(pipe.device) if available is None else available
    whole = estimate_memory(pipe, size, settings.but(vae_slicing=False)).working
    told = f"whole frames need about {readable(whole)}, and {readable(room)} are free"
    if MARGIN * whole <= room:
        return settings.but(vae_slicing=False), f"vae_slicing is off: {told}."
    sliced = estimate_memory(pipe, size, settings.but(vae_slicing=True)).working
    on = sliced < whole
    result = f"strips need {readable(sliced)}" if on else "strips need no less"
    return settings.but(vae_slicing=on), f"vae_slicing is {'on' if on else 'off'}: {told}; {result}."
