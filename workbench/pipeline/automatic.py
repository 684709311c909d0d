"""What is left to the workbench, decided and said: settings by the memory estimate, the engine by what it saves."""

from __future__ import annotations

from pathlib import Path

import torch

from workbench.devices import readable
from workbench.engines.automatic import AutomaticRunner
from workbench.engines.runner import Say, unsaid
from workbench.engines.table import TORCH
from workbench.pipeline.frames import padded
from workbench.pipeline.memory import available_memory, check_memory, estimate_memory, flop_per_frame
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.record import Record
from workbench.pipeline.settings import Settings
from workbench.video import Clip

SPEED = 6e10  # floating-point operations a second and thread, of torch on a CPU: to tell long runs from short ones
MARGIN = 1.25  # what a run may need for each byte estimated: 15 % of error, and what else goes on in the process


def choose_slicing(
    pipe: Pipeline, size: tuple[int, int], settings: Settings, *, available: int | None = None
) -> tuple[Settings, str]:
    """``vae_slicing`` for frames of ``size`` (h, w), and the reason in a sentence. Strips take longer, so it is on
    only where whole frames do not fit and strips need less. ``available`` bytes; None: asked of the device."""
    room = available_memory(pipe.device) if available is None else available
    whole = estimate_memory(pipe, size, settings.but(vae_slicing=False)).working
    told = f"whole frames need about {readable(whole)}, and {readable(room)} are free"
    if MARGIN * whole <= room:
        return settings.but(vae_slicing=False), f"vae_slicing is off: {told}."
    sliced = estimate_memory(pipe, size, settings.but(vae_slicing=True)).working
    on = sliced < whole
    result = f"strips need {readable(sliced)}" if on else "strips need no less"
    return settings.but(vae_slicing=on), f"vae_slicing is {'on' if on else 'off'}: {told}; {result}."


def settle(
    pipe: Pipeline, size: tuple[int, int], settings: Settings, *, slicing: bool, begun: Settings | None = None
) -> tuple[Settings, list[str]]:
    """The settings for frames of ``size`` (h, w), and notes on what was chosen or replaced.

    ``slicing``: choose ``vae_slicing``, unless the output was ``begun`` under some settings, whose choice stays. Raises
    SettingsError where they do not fit the memory, with the nearest that do.
    """
    motion = pipe.motion(settings, size)
    notes = []
    leave_room(pipe, size, settings)
    if motion.substitution:
        notes.append(f"{motion.substitution} Using {motion.estimator} on the {motion.size} grid.")
    if slicing and begun is not None:
        settings = settings.but(vae_slicing=begun.vae_slicing)
    elif slicing:
        settings, why = choose_slicing(pipe, size, settings)
        notes.append(why)
    check_memory(pipe, size, settings)
    return settings, notes


def choose_engine(pipe: Pipeline, size: tuple[int, int], settings: Settings, frames: int, say: Say = unsaid) -> str:
    """Decides what ``auto`` means for so many frames of ``size`` (h, w); a sentence about it, empty for other engines.

    May export graphs, where so long a run wins that time back.
    """
    engine = pipe.engine
    if not isinstance(engine, AutomaticRunner):
        engine.say = say
        return ""
    if why := leave_room(pipe, size, settings):
        return why
    seconds = frames * flop_per_frame(pipe, size, settings) / SPEED / torch.get_num_threads() if engine.best else 0.0
    return engine.settle(padded(size), seconds, say, reusing=settings.reuse_deep_features)


def leave_room(pipe: Pipeline, size: tuple[int, int], settings: Settings, *, available: int | None = None) -> str:
    """Where ``auto``'s engine does not fit the memory, it is torch, which needs less; a sentence about that."""
    if not isinstance(pipe.engine, AutomaticRunner) or pipe.engine.best is None:
        return ""
    room = available_memory(pipe.device) if available is None else available
    found = estimate_memory(pipe, size, settings)
    more = pipe.engine.extra_memory(found.stages, found.weights, sliced=settings.vae_slicing)
    if MARGIN * (found.working - found.engine + more) <= room:
        return ""
    name = pipe.engine.best.name
    use_engine(pipe, size, TORCH)
    return f"engine {TORCH}: {name} needs {readable(more)} more than {TORCH}, and {readable(room)} are free."


def continue_engine(pipe: Pipeline, output: Path, clip: Clip) -> bool:
    """Where the engine is ``auto`` and an output is resumed, takes the engine that the output was begun with.
    Returns whether there was one."""
    record = Record.read(output)
    if record is None or not isinstance(pipe.engine, AutomaticRunner):
        return False
    use_engine(pipe, (clip.height, clip.width), record.engine)
    return True


def use_engine(pipe: Pipeline, size: tuple[int, int], name: str) -> None:
    """Where the engine is ``auto``, it is this one for frames of ``size`` (h, w) from now on."""
    if isinstance(pipe.engine, AutomaticRunner):
        pipe.engine.use(padded(size), name)
