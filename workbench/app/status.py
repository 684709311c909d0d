"""How a job stands: one small value, written whole by its worker, read by everybody."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from workbench.app.kinds import KINDS, Kind
from workbench.app.values import Value
from workbench.files import replacing

State = Literal["waiting", "running", "done", "stopped", "failed", "interrupted"]
FINAL = ("done", "stopped", "failed", "interrupted")
RESUMABLE = ("stopped", "interrupted", "failed")


@dataclass(frozen=True, kw_only=True)
class Status(Value):
    """A job's state, and everything that a page needs to show it."""

    state: State = "waiting"
    """``waiting`` in the queue, ``running``, or how it ended: ``interrupted`` is by the server's own end."""
    kind: str = ""
    clip: str = ""
    """What the person calls the clip; empty for a job without one."""
    source: str | None = None
    """Token of the clip's upload."""
    asked: str = ""
    """What was asked, in a few words: which frames, and the settings that are not the usual ones."""
    position: int | None = None
    """How many jobs must end before this one can start; None when it does not wait."""
    total: int | None = None
    """How many frames (of This machine: settings) there are to do; None: not known yet."""
    done: int = 0
    seconds_per_frame: float | None = None
    seconds_left: float | None = None
    message: str = ""
    """What it does now."""
    error: str | None = None
    """Why it failed."""
    resumable: bool = True
    """Whether going on can help, once it ended otherwise than ``done``."""
    files: dict[str, str] = field(default_factory=dict)
    """Label -> name in the job's public folder."""
    downloads: dict[str, str] = field(default_factory=dict)
    """Name in the public folder -> the name that it is saved under, made from the clip's."""
    live: int | None = None
    """Index of the newest frame in live.png and live-bicubic.png."""
    result: dict[str, Any] = field(default_factory=dict)
    """What a kind has to say beyond files."""
    settings: dict[str, Any] = field(default_factory=dict)
    """``Settings.to_dict()`` of what was asked."""
    created: float = 0.0
    """As time.time()."""
    updated: float = 0.0

    @property
    def final(self) -> bool:
        return self.state in FINAL

    def write(self, path: Path) -> None:
        """Whole or not at all: a reader never sees half of it."""
        with replacing(path) as partial:
            partial.write_text(json.dumps(self.to_dict()), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Status:
        """Raises OSError where there is none."""
        return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))


def why_ended(why: str | None, kind: Kind) -> str:
    """What a worker's end without a word means. ``why``: as the runner tells it; None for a job that did not begin."""
    if why is None:
        return "the job could not be started; the server's log has more. Resume it to try again."
    if "SIGKILL" in why:
        less = " Give a smaller clip, or fewer frames." if KINDS[kind].needs_clip else " Try again when less runs here."
        return f"the system ended the job, most likely because memory ran out.{less}"
    return f"the job broke down ({why}); the server's log has more. Resume it to try again."
