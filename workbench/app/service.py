"""What pages and the API call: uploads in, jobs in and out. Thread-safe, without torch, without decoding anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.app.limits import Limits
from workbench.app.request import Request
from workbench.app.status import Status

PUBLISHED = "Jamichsu/Stream-DiffVSR"


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the server was started. ``model``: the one that forms start with ("" is the embedded one).

    ``models``: those that may be asked for, ``model`` among them. ``any_model``: any other hub id too.
    ``data``: folder of jobs and uploads. ``keep_hours``: how long they stay after their last change.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int | None = None
    model: str = ""
    models: tuple[str, ...] = ("", PUBLISHED)
    any_model: bool = False
    device: str = "auto"
    share: bool = False
    auth: tuple[str, str] | None = None
    mcp: bool = False
    root_path: str | None = None
    keep_hours: float = 24.0
    limits: Limits = field(default_factory=Limits)


class Service:
    """Uploads, jobs and their queue. Every method may be called from any thread.

    All raise AppError's kinds with a message for the person: RequestError, NotFound, LimitError, ModelRefused, QueueFull.
    """

    def __init__(self, options: Options) -> None:
        self.options = options

    def add_material(self, path: Path, name: str) -> str:
        """Copies an upload into the store -> its token. ``name``: as the person calls it, for display only.

        Raises LimitError for a file that is too large, RequestError for a kind of file that is not taken.
        """
        raise NotImplementedError

    def material(self, token: str) -> dict[str, Any]:
        """``{"name", "suffix", "size", "created"}`` of an upload; NotFound when it is not there (any more)."""
        raise NotImplementedError

    def probe(self, material: str) -> dict[str, Any]:
        """``{"width", "height", "frames", "fps", "seconds", "audio", "notes"}`` of an upload, looked at in a child.

        Raises InputError for a file that is no clip, LimitError for one beyond the limits. Probed once, then remembered.
        """
        raise NotImplementedError

    def plan(self, request: Request) -> dict[str, Any]:
        """What the job will take, before it starts.

        ``{"frames", "seconds", "memory_bytes", "available_bytes", "fits", "text", "instead"}``; ``instead``: changes of
        settings that would fit, or None.
        """
        raise NotImplementedError

    def devices(self) -> list[dict[str, Any]]:
        """``[{"name": "cpu", "label": ..., "dtypes": [...]}, ...]``: what jobs can ask for here."""
        raise NotImplementedError

    def submit(self, request: Request) -> str:
        """Puts a job in its device's queue -> its token. Refuses what cannot fit or is not allowed."""
        raise NotImplementedError

    def status(self, token: str) -> Status:
        """How a job stands, its queue position included."""
        raise NotImplementedError

    def request(self, token: str) -> Request:
        """What was asked."""
        raise NotImplementedError

    def public_file(self, token: str, name: str) -> Path:
        """A file that may be seen; NotFound for every other name."""
        raise NotImplementedError

    def stop(self, token: str) -> Status:
        """A waiting job leaves the queue; a running one ends after its frame, and what it made stays playable."""
        raise NotImplementedError

    def resume(self, token: str) -> Status:
        """A stopped, failed or interrupted job joins the queue again, and goes on where it was."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends workers and planner; running jobs become ``interrupted`` and go on when the server starts again."""
        raise NotImplementedError
