"""How a job stands: one small value, written whole by its worker, read by everybody."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

State = Literal["waiting", "running", "done", "stopped", "failed", "interrupted"]
FINAL = ("done", "stopped", "failed", "interrupted")
RESUMABLE = ("stopped", "interrupted", "failed")


@dataclass(frozen=True, kw_only=True)
class Status:
    """``state``: ``waiting`` in the queue, ``running``, or how it ended: ``interrupted`` is by the server's own end.

    ``position``: how many jobs must end before this one can start; None when it does not wait. ``done`` of ``total``
    frames (None: not known yet). ``seconds_per_frame``, ``seconds_left``: as measured so far. ``message``: what it does
    now; ``error``: why it failed. ``files``: label -> name in the job's public folder. ``live``: index of the newest
    frame in live.png and live-bicubic.png. ``result``: what a kind has to say beyond files. ``settings``:
    Settings.to_dict() of what was asked. ``created``, ``updated``: as time.time().
    """

    state: State = "waiting"
    kind: str = ""
    position: int | None = None
    total: int | None = None
    done: int = 0
    seconds_per_frame: float | None = None
    seconds_left: float | None = None
    message: str = ""
    error: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    live: int | None = None
    result: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    created: float = 0.0
    updated: float = 0.0

    @property
    def final(self) -> bool:
        return self.state in FINAL

    def but(self, **changes: Any) -> Status:
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Status:
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

    def write(self, path: Path) -> None:
        """Whole or not at all: a reader never sees half of it."""
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_text(json.dumps(self.to_dict()), encoding="utf-8")
        os.replace(partial, path)

    @classmethod
    def read(cls, path: Path) -> Status:
        """Raises OSError where there is none."""
        return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
