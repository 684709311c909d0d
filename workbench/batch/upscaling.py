"""What a worker does with one clip: the run of ``workbench upscale --resume``, and metrics by an original."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.batch._storage import Mirror, fetch, is_address, local_path, work_folder
from workbench.batch.clips import Task
from workbench.batch.runner import Tell
from workbench.pipeline.settings import Settings
from workbench.pipeline.size import OutputSize

if TYPE_CHECKING:
    from workbench.pipeline.output import Output
    from workbench.pipeline.pipeline import Pipeline
    from workbench.pipeline.run import Run
    from workbench.video import Clip

CHECKPOINT = 30.0  # seconds between two checkpoints of an output that lies elsewhere
SOURCE, REFERENCE = "source", "reference"  # folders of what was fetched
PATIENCE = 60.0  # seconds that the worker of a driver that is gone may still be at its last frame


@dataclass(frozen=True)
class Orders:
    """What all clips of a batch have in common, as ``workbench upscale`` takes it."""

    settings: Settings = field(default_factory=Settings)
    slicing: bool = True
    """whether ``vae_slicing`` is chosen for each clip"""
    size: OutputSize = field(default_factory=OutputSize)
    frames: tuple[int | None, ...] = (None,)
    """the arguments of a slice"""
    deinterlace: str = "auto"
    colours: str = "source"
    overwrite: bool = False
    metrics: tuple[str, ...] | None = None
    """for clips with an original"""


@dataclass(frozen=True)
class UpscaleClip:
    """A job. Tells (frames done, frames in all, seconds of the last one), of nothing but frames that are made and kept;
    returns what the summary says of the clip."""

    task: Task
    orders: Orders

    def __call__(self, pipe: Pipeline, tell: Tell) -> dict[str, Any]:
        folder = work_folder(self.task.output)
        try:
            made = self._made(pipe, tell, folder)
        except Exception:  # a stopped clip, which raises KeyboardInterrupt, goes on with what was fetched
            _forget_fetched(folder)
            raise
        shutil.rmtree(folder, ignore_errors=True)  # what is kept was brought to its address
        return made

    def _made(self, pipe: Pipeline, tell: Tell, folder: Path) -> dict[str, Any]:
        task, begun = self.task, time.monotonic()
        away = is_address(task.output)
        mirror = Mirror(task.output, folder / task.name) if away else None
        source = fetch(task.source, folder / SOURCE) if is_address(task.source) else local_path(task.source)
        output = folder / task.name if mirror else local_path(task.output)
        if mirror is not None:
            mirror.pull()
        clip, run = self._upscale(pipe, source, output, tell, mirror)
        if mirror is not None:
            mirror.push()
        if not run.finished:
            raise KeyboardInterrupt
        made = {
            "frames": run.frames,
            "seconds": round(time.monotonic() - begun, 3),
            "device": str(pipe.device),
            "notes": list(run.notes),
        }
        if task.reference is not None:
            made["metrics"] = self._measured(clip, output, task.reference, folder)
        return made

    def _upscale(
        self, pipe: Pipeline, source: Path, output: Path, tell: Tell, mirror: Mirror | None
    ) -> tuple[Clip, Run]:
        from workbench.pipeline.automatic import choose_engine, continue_engine, settle
        from workbench.pipeline.run import saved_settings, upscale_to_file
        from workbench.video.write import open_for

        orders = self.orders
        clip = open_for(source, output, self._open)[slice(*orders.frames)]
        begun = None if orders.overwrite else saved_settings(output)
        size = (clip.height, clip.width)
        settings, _ = settle(pipe, size, orders.settings, slicing=orders.slicing, begun=begun)
        if begun is None or not continue_engine(pipe, output, clip):
            choose_engine(pipe, size, settings, len(clip))
        output.parent.mkdir(parents=True, exist_ok=True)

        def advance(out: Output) -> None:
            if mirror is not None and mirror.due(CHECKPOINT):
                mirror.push()
            tell((out.index + 1, len(clip), sum(out.seconds.values())))

        run = upscale_to_file(
            pipe, clip, output, settings, size=orders.size, resume=not orders.overwrite, overwrite=orders.overwrite,
            save_every=0.0, patience=PATIENCE, on_output=advance,
        )  # fmt: skip
        return clip, run

    @property
    def _open(self) -> Callable[..., Clip]:
        from workbench.video import open_clip

        opened: Callable[..., Clip] = open_clip
        return partial(opened, deinterlace=self.orders.deinterlace, colours=self.orders.colours)

    def _measured(self, clip: Clip, output: Path, reference: str, folder: Path) -> dict[str, float]:
        """Means over the frames, of the result as it was saved."""
        from workbench.comparison import Recorded, compare

        original = fetch(reference, folder / REFERENCE) if is_address(reference) else local_path(reference)
        column = Recorded(self._open(output), "result")
        truth = self._open(original)[slice(*self.orders.frames)]
        measured = compare(
            None, clip, reference=truth, against=[column], metrics=self.orders.metrics, size=self.orders.size
        )
        return {name: measured.summary("result", name).mean for name in measured.metrics}


def _forget_fetched(folder: Path) -> None:
    """What a failed clip has made stays, for another try."""
    for name in (SOURCE, REFERENCE):
        shutil.rmtree(folder / name, ignore_errors=True)
    with suppress(OSError):  # it is not empty
        folder.rmdir()
