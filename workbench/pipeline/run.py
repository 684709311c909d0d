"""A clip to a file: every frame is kept as it is made, and a run that was stopped can go on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from workbench._version import __version__
from workbench.errors import InputError
from workbench.pipeline.output import Output
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.pipeline.state import State
from workbench.video import Clip, ClipWriter

SAVE_STATE_EVERY = 5.0  # seconds; what a kill can cost


@dataclass(frozen=True)
class Run:
    """What a run made. ``frames``: in ``output``, earlier parts included. ``state``: where to go on, if unfinished."""

    output: Path
    frames: int
    finished: bool
    sidecar: Path
    state: Path | None
    notes: tuple[str, ...] = ()


def upscale_to_file(
    pipe: Pipeline,
    clip: Clip,
    output: str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    on_output: Callable[[Output], object] | None = None,
) -> Run:
    """Upscales a clip into ``output`` (see ``ClipWriter``), with a JSON sidecar that says how it was made.

    Ctrl-C, or ``on_output`` returning False, ends the run cleanly: what was made is playable, and ``resume=True`` goes
    on from there, also after a kill (which costs the frames since the last saved state, at most a few seconds' worth).
    A finished output is then left as it is. A frame that cannot be used or written raises, after the same clean end.
    """
    settings, output = settings or Settings(), Path(output)
    state_file, sidecar = beside(output, ".state.safetensors"), beside(output, ".json")
    if resume and output.exists() and (frames := _frames_if_finished(sidecar)):
        return Run(output, frames, finished=True, sidecar=sidecar, state=None, notes=("it was finished before",))
    state = _resumable(pipe, settings, output, state_file) if resume and state_file.exists() else None
    done = 0 if state is None else state.index
    seconds: list[float] = []
    metadata: dict[str, Any] = {}
    finished = stopped = False
    saved = time.monotonic()
    writer = ClipWriter(output, clip, overwrite=overwrite, resume_at=done if resume else None)
    try:
        with writer:
            for out in pipe.stream(clip[done:], settings, state=state):
                writer.write(out)
                state, metadata = out.state, out.metadata
                seconds.append(sum(out.seconds.values()))
                if time.monotonic() - saved > SAVE_STATE_EVERY:
                    saved = time.monotonic()
                    state.save(state_file)
                stopped = on_output is not None and on_output(out) is False
                if stopped:
                    break
        finished = not stopped
    except KeyboardInterrupt:
        pass
    except InputError as error:
        raise InputError(f"{error} Kept: {writer}.") from error
    finally:
        _leave_state(state_file, None if finished else state)
        if writer.frames_written:
            about = _about(pipe, clip, settings, writer, metadata, seconds, finished)
            sidecar.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return Run(
        output=output,
        frames=writer.frames_written,
        finished=finished,
        sidecar=sidecar,
        state=None if finished or state is None else state_file,
        notes=writer.notes,
    )


def beside(output: Path, suffix: str) -> Path:
    """``out.mp4`` -> ``out.mp4.json``."""
    return output.with_name(output.name + suffix)


def saved_settings(output: str | os.PathLike[str]) -> Settings | None:
    """The settings under which an unfinished ``output`` was begun, if it can be gone on with."""
    state_file = beside(Path(output), ".state.safetensors")
    return State.load(state_file).settings if state_file.exists() else None


def _resumable(pipe: Pipeline, settings: Settings, output: Path, state_file: Path) -> State:
    """The saved state, if this run would go on in the same way."""
    state = State.load(state_file)
    changed = settings.diff(state.settings)
    if changed:
        words = ", ".join(f"{name} {mine!r} (was {theirs!r})" for name, (mine, theirs) in changed.items())
        raise InputError(
            f"{output} was begun with other settings: {words}. Give the same settings to go on, or start anew."
        )
    if state.model != pipe.models.source:
        raise InputError(f"{output} was begun with the model {state.model!r}, this is {pipe.models.source!r}.")
    return state


def _frames_if_finished(sidecar: Path) -> int:
    """How many frames a finished run made; 0 where there is no word of one."""
    try:
        about = json.loads(sidecar.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0
    return about["frames"] if about.get("finished") else 0


def _leave_state(path: Path, state: State | None) -> None:
    if state is not None:
        state.save(path)
    else:
        path.unlink(missing_ok=True)


def _about(
    pipe: Pipeline,
    clip: Clip,
    settings: Settings,
    writer: ClipWriter,
    metadata: dict[str, Any],
    seconds: list[float],
    finished: bool,
) -> dict[str, Any]:
    return {
        "output": str(writer.path),
        "source": str(clip.path) if clip.path else None,
        "frames": writer.frames_written,
        "finished": finished,
        "settings": settings.to_dict(),
        "model": {"source": pipe.models.source, "revision": pipe.models.revision},
        "device": str(pipe.device),
        "dtype": str(pipe.models.unet.dtype),
        "in_use": metadata,
        "seconds_per_frame": median(seconds) if seconds else None,
        "notes": [*clip.notes, *writer.notes],
        "versions": {"workbench": __version__} | {name: version(name) for name in ("torch", "diffusers", "av")},
    }
