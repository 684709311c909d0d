"""How the server was started."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from workbench.app.limits import Limits
from workbench.app.models import MODELS


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line of the server says."""

    data: Path
    """folder of jobs and uploads"""
    host: str = "127.0.0.1"
    port: int | None = None
    model: str = ""
    """the one that forms start with; "" is the embedded one"""
    models: tuple[str, ...] = tuple(MODELS)
    """those that may be asked for, ``model`` among them"""
    any_model: bool = False
    """whether any other hub id may be asked for too"""
    device: str = "auto"
    share: bool = False
    auth: tuple[str, str] | None = None
    """name and password"""
    mcp: bool = False
    root_path: str | None = None
    keep_hours: float = 24.0
    """how long jobs and uploads stay after their last change"""
    limits: Limits = field(default_factory=Limits)
