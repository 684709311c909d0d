"""One job as its work function sees it: what is asked, where files go, how to tell how far it is, when to end."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from workbench.app.names import names_of, told
from workbench.app.request import Request
from workbench.app.speed import Speed, Speeds, units
from workbench.app.status import Status
from workbench.devices import resolve_device, resolve_dtype
from workbench.engines.table import AUTO
from workbench.files import replacing
from workbench.pipeline.load import load_pipeline, with_engine
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.video import Clip, open_clip

LIVE, LIVE_OTHER = "live.png", "live-bicubic.png"
LIVE_EVERY = 0.4  # seconds between live pictures; more would cost frames, and nobody could see them
RECENT = 8  # frames whose pace the time left follows


class Stopped(KeyboardInterrupt):
    """A person asked for the end, as Ctrl-C would; everything made is kept."""


@dataclass(frozen=True)
class Warm:
    """A pipeline that is loaded already, and the model (as in ``Request.model``) that it holds."""

    pipe: Pipeline
    model: str = ""


@dataclass
class Task:
    """A job at work.

    Work functions go on with what the folder holds already, so a job that was stopped or killed is just begun again.
    """

    request: Request
    folder: Path
    """The job's own; only files in ``public`` are ever shown."""
    source: Path | None = None
    """The upload: a file, or a folder of frames."""
    others: Sequence[Path] = ()
    """The uploads among ``request.others``, in their order."""
    warm: Warm | None = None
    alone: Callable[[], bool] = lambda: False
    """Tells whether the server that wanted this is gone."""
    status: Status = field(default_factory=Status)
    _begun: float = 0.0
    _shown: float = 0.0
    _ends: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT + 1))

    def __post_init__(self) -> None:
        self.public.mkdir(parents=True, exist_ok=True)
        if self.status_file.is_file():
            self.status = Status.read(self.status_file)

    @property
    def public(self) -> Path:
        return self.folder / "public"

    @property
    def status_file(self) -> Path:
        return self.folder / "status.json"

    @property
    def data(self) -> Path:
        """The store's root, two levels above ``jobs/TOKEN``."""
        return self.folder.parent.parent

    def say(self, **changes: Any) -> None:
        """Changes the status and writes it; ``files`` and ``result`` are added to, not replaced."""
        for name in ("files", "result"):
            if name in changes:
                changes[name] = getattr(self.status, name) | changes[name]
        self.status = self.status.but(**changes, updated=time.time())
        self.status.write(self.status_file)

    def stopping(self) -> bool:
        return (self.folder / "stop").exists() or self.alone()

    def ending(self, done: int) -> bool:
        """Whether to end after ``done`` frames; not after the last, when all is made."""
        return done < (self.status.total or 0) and self.stopping()

    def begin(self, total: int, message: str) -> None:
        """``total`` frames are to be made; the pace is counted from here."""
        self._begun = time.monotonic()
        self._ends.clear()
        self._ends.append(self._begun)
        self.say(total=total, message=message)

    def advance(self, done: int, **changes: Any) -> None:
        """``done`` frames are made; the pace is that of the last few."""
        self._ends.append(time.monotonic())
        pace = (self._ends[-1] - self._ends[0]) / (len(self._ends) - 1)
        left = pace * max((self.status.total or done) - done, 0)
        self.say(done=done, seconds_per_frame=pace, seconds_left=left, **changes)

    def due(self, *, last: bool = False) -> bool:
        """Whether live pictures are to be made now: at most one pair per ``LIVE_EVERY`` seconds, and the last."""
        now = time.monotonic()
        if now - self._shown < LIVE_EVERY and not last:
            return False
        self._shown = now
        return True

    def show(self, picture: np.ndarray, other: np.ndarray, *, last: bool = False) -> bool:
        """Makes (H, W, 3) uint8 pictures the live ones, exact (PNG), where they are due."""
        due = self.due(last=last)
        if due:
            write_png(self.public / LIVE_OTHER, other)
            write_png(self.public / LIVE, picture)
        return due

    def pipeline(self) -> Pipeline:
        """The warm one where it is what is asked for, else loaded now."""
        asked = self.request
        device = resolve_device(asked.device if self.warm is None or asked.device != "auto" else self.warm.pipe.device)
        if self.warm is not None and (asked.model, device) == (self.warm.model, self.warm.pipe.device):
            if resolve_dtype(asked.dtype, device) == self.warm.pipe.models.unet.dtype:
                return with_engine(self.warm.pipe, asked.engine)
            self.warm = None  # its memory is needed
        self.say(message=f"loading {asked.model or 'the embedded model'}")
        return load_pipeline(asked.model or None, device=device, dtype=asked.dtype, engine=asked.engine)

    def learn(self, pipe: Pipeline, settings: Settings, seconds: list[float], size: tuple[int, int]) -> None:
        """Keeps this job's pace for later estimates. ``seconds``: the model's, of each frame since ``begin``."""
        if len(seconds) < 2 or self.request.engine != AUTO:  # a first frame has no flow, no ARTG and no TPM
            return
        kind = self.request.kind
        rest = time.monotonic() - self._begun - sum(seconds)
        extra = {kind: max(rest, 0.0) / len(seconds) / units(kind, size, settings.steps)}
        speed = Speed(size, settings.to_dict(), median(seconds[1:]), extra)
        dtype = str(pipe.models.unet.dtype).removeprefix("torch.")
        Speeds(self.data).put(self.request.model, str(pipe.device), dtype, speed)

    @property
    def source_name(self) -> str:
        """What the person calls the clip."""
        return "" if self.source is None else names_of(self.source)[0]

    def download(self, what: str, name: str) -> str:
        """What a file is saved as: named after the clip."""
        return f"{Path(self.source_name).stem}_{what}{Path(name).suffix}"

    def clip(self) -> Clip:
        """The frames of the upload that are asked for."""
        assert self.source is not None
        return open_clip(self.source)[self.request.frame_range]

    def told(self, text: str) -> str:
        """A message without this server's paths: files are called as the person calls them."""
        text = told(text, [path for path in (self.source, *self.others) if path is not None])
        text = text.replace(f"{self.public}{os.sep}", "").replace(str(self.folder), "the job")
        return text.replace(str(Path.home()), "~")


def write_png(path: Path, picture: np.ndarray) -> None:
    """(H, W, 3) uint8 RGB, whole or not at all."""
    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    with replacing(path) as partial:
        partial.write_bytes(data.tobytes())
