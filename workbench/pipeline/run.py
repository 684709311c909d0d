"""A clip to a file: every frame is kept as it is made, and a run that was stopped can go on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from workbench._version import __version__
from workbench.errors import InputError
from workbench.pipeline.automatic import continue_engine
from workbench.pipeline.output import Output
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.record import Record, begun_from, sidecar_of, state_of, write_record
from workbench.pipeline.settings import Settings
from workbench.pipeline.size import OutputSize
from workbench.pipeline.state import State
from workbench.video import Clip, ClipWriter, frames_in
from workbench.video.mark import Mark
from workbench.video.place import check_format, check_place, check_vacant, hold

SAVE_STATE_EVERY = 5.0  # seconds; what a kill can cost


@dataclass(frozen=True)
class Run:
    """What a run made."""

    output: Path
    frames: int
    """in the output, earlier parts included"""
    finished: bool
    sidecar: Path
    state: Path | None
    """where to go on, if unfinished"""
    notes: tuple[str, ...] = ()


def upscale_to_file(
    pipe: Pipeline,
    clip: Clip,
    output: str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    size: OutputSize | None = None,
    resume: bool = False,
    overwrite: bool = False,
    save_every: float | None = None,
    patience: float = 0.0,
    on_output: Callable[[Output], object] | None = None,
) -> Run:
    """Upscales a clip into ``output`` (see ``ClipWriter``), with a JSON sidecar that says how it was made.

    Ctrl-C, or ``on_output`` returning False, ends the run cleanly: what was made is playable, and ``resume=True`` goes
    on from there, also after a kill (which costs the frames since the last saved state, at most a few seconds' worth).
    A finished output is then left as it is. A frame that cannot be used or written raises, after the same clean end.

    ``size``: of the output, and of what ``on_output`` is given; without it, x4. ``save_every``: seconds between two
    saved states; None: ``SAVE_STATE_EVERY``. ``patience``: seconds to wait for another run of the output to end.

    Raises OutputError before any work where the output is another run's at this moment, where it was begun from
    something else, and where a file would be harmed that no run of it made.
    """
    output, settings, size = Path(output).expanduser(), settings or Settings(), size or OutputSize()
    if resume:
        continue_engine(pipe, output, clip)
    begun = begun_from(pipe, clip, settings, size.of(clip.size), output)
    check_format(output)
    with hold(output, patience):
        record = check_output(output, clip, begun, resume=resume, overwrite=overwrite)
        if record is not None and resume and record.finished and frames_in(output) == record.frames:
            state_of(output).unlink(missing_ok=True)
            notes = ("it was finished before",)
            return Run(output, record.frames, finished=True, sidecar=sidecar_of(output), state=None, notes=notes)
        work = _Work(pipe, clip, output, settings, size, begun, Mark() if record is None else Mark(record.run))
        work.save_every = SAVE_STATE_EVERY if save_every is None else save_every
        return work.run(resume=resume, overwrite=overwrite, on_output=on_output)


def check_output(
    output: Path, clip: Clip, begun: Mapping[str, Any] | None = None, *, resume: bool = False, overwrite: bool = False
) -> Record | None:
    """The record of what is at ``output``; raises OutputError unless a run begun from ``begun`` may write there.

    ``begun``: None where the model is not there yet.
    """
    check_format(output)
    record = Record.read(output)
    check_place(output, clip, run="" if record is None else record.run)
    if not resume and not overwrite:
        check_vacant(output)
    if resume and record is not None and begun is not None:
        record.check_same(output, begun)
    return record


class _Work:
    """One run of one output, which is held."""

    def __init__(
        self,
        pipe: Pipeline,
        clip: Clip,
        output: Path,
        settings: Settings,
        size: OutputSize,
        begun: dict[str, Any],
        mark: Mark,
    ) -> None:
        self.pipe, self.clip, self.output, self.settings, self.size = pipe, clip, output, settings, size
        self.begun = begun
        self.mark = replace(mark, about=travelling(clip, begun))
        self.state_file = state_of(output)
        self.state: State | None = None
        self.save_every = SAVE_STATE_EVERY
        self.seconds: list[float] = []
        self.in_use: dict[str, Any] = {}

    def run(self, *, resume: bool, overwrite: bool, on_output: Callable[[Output], object] | None) -> Run:
        if resume and self.state_file.exists():
            self.state = State.load(self.state_file)
        else:
            self.state_file.unlink(missing_ok=True)  # it belongs to the record that is replaced next
        before = self._begin()
        finished, writer = False, None
        try:
            done = 0 if self.state is None else self.state.index
            resume_at = done if resume else None
            writer = ClipWriter(self.output, self.clip, overwrite=overwrite, resume_at=resume_at, mark=self.mark)
            with writer:
                stopped = self._make(writer, done, on_output)
            finished = not stopped
        except KeyboardInterrupt:
            pass
        except InputError as error:
            raise InputError(f"{error} Kept: {writer}.") from error
        finally:
            notes = self._end(writer, before, finished=finished)
        return Run(
            output=self.output,
            frames=writer.frames_written if writer else 0,
            finished=finished,
            sidecar=sidecar_of(self.output),
            state=None if finished or self.state is None else self.state_file,
            notes=notes,
        )

    def _begin(self) -> bytes | None:
        """Writes the record, before anything is written or removed; gives back the one before."""
        sidecar = sidecar_of(self.output)
        before = sidecar.read_bytes() if sidecar.exists() else None
        done = 0 if self.state is None else self.state.index
        write_record(self.output, self._about([], frames=done, finished=False))
        return before

    def _make(self, writer: ClipWriter, done: int, on_output: Callable[[Output], object] | None) -> bool:
        """Makes and writes the frames from ``done`` on; whether ``on_output`` asked for an end."""
        saved = time.monotonic()
        for out in self.pipe.stream(self.clip[done:], self.settings, state=self.state):
            written = replace(out, frame=self.size.apply(out.frame))
            writer.write(written)
            self.state, self.in_use = out.state, out.metadata
            self.seconds.append(sum(out.seconds.values()))
            if time.monotonic() - saved > self.save_every:
                out.state.save(self.state_file)
                saved = time.monotonic()
            if on_output is not None and on_output(written) is False:
                return True
        return False

    def _end(self, writer: ClipWriter | None, before: bytes | None, *, finished: bool) -> tuple[str, ...]:
        """Leaves the record, and the state of what is unfinished. Returns the notes for the person."""
        if self.state is not None and not finished:
            self.state.save(self.state_file)
        if writer is None or not writer.frames_written:
            self._take_back(before)
            return ()
        substitution = self.in_use.get("flow_substitution")
        notes = (*self.clip.notes, *([substitution] if substitution else []), *writer.notes)
        write_record(self.output, self._about(list(notes), frames=writer.frames_written, finished=finished))
        if finished:
            self.state_file.unlink(missing_ok=True)
        return notes

    def _take_back(self, before: bytes | None) -> None:
        """Nothing was made, so the earlier record is written back."""
        sidecar = sidecar_of(self.output)
        if before is not None:
            sidecar.write_bytes(before)
        else:
            sidecar.unlink(missing_ok=True)

    def _about(self, notes: list[str], *, frames: int, finished: bool) -> dict[str, Any]:
        return {
            "output": str(self.output),
            "source": str(self.clip.path) if self.clip.path else None,
            "frames": frames,
            "finished": finished,
            "settings": self.settings.to_dict(),
            "size": self.begun["size"],
            "model": {"source": self.pipe.models.source, "revision": self.pipe.models.revision},
            "device": str(self.pipe.device),
            "dtype": str(self.pipe.models.unet.dtype),
            "engine": self.begun["model"]["engine"],
            "in_use": self.in_use,
            "seconds_per_frame": median(self.seconds) if self.seconds else None,
            "notes": notes,
            "versions": {"workbench": __version__} | {name: version(name) for name in ("torch", "diffusers", "av")},
            "run": self.mark.run,
            "begun_from": self.begun,
        }


def travelling(clip: Clip, begun: Mapping[str, Any]) -> dict[str, Any]:
    """What a result says of itself, wherever it goes: no path of this machine."""
    model = {name: begun["model"][name] for name in ("source", "revision", "weights")}
    kept = {name: begun[name] for name in ("settings", "frames", "size")}
    return {"source": clip.info.name, "model": model, **kept}


def saved_settings(output: str | os.PathLike[str]) -> Settings | None:
    """The settings under which ``output`` was begun, where there is a record of it."""
    record = Record.read(Path(output).expanduser())
    return None if record is None else record.settings
