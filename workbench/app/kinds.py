"""The kinds of job, one row each: everything that differs between them outside their work and their tab."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

Kind = Literal["upscale", "compare", "inside", "live", "devices"]


@dataclass(frozen=True, kw_only=True)
class JobKind:
    """One kind of job."""

    title: str
    """Of its tab."""
    work: str
    """The function that does it, ``module:name`` under ``workbench.app.work``: the server never imports it."""
    needs_clip: bool = True
    most_frames: int | None = None
    """Frames of the clip that it takes at most; None for all."""
    unit: str = "frame"
    """What its progress counts."""
    planned: bool = True
    """Whether its time and memory are foreseen; one that is not makes its frames so small that they fit."""
    memory: int = 0
    """Bytes that it needs beside the model."""
    figures: bool = False
    """Whether its time beside the model's grows with the number of figures, not with output pixels."""

    @property
    def module(self) -> str:
        return f"workbench.app.work.{self.work.split(':')[0]}"

    def function(self) -> Callable[[Any], None]:
        """The work, which takes its ``Task``; imports torch."""
        return getattr(import_module(self.module), self.work.split(":")[1])


KINDS: dict[Kind, JobKind] = {
    "upscale": JobKind(title="Upscale", work="upscale:upscale_clip"),
    "compare": JobKind(title="Compare", work="compare:compare_clips"),
    "inside": JobKind(title="Inside", work="inside:look_inside", most_frames=8, memory=3 * 2**28, figures=True),
    "live": JobKind(title="Live", work="live:upscale_live", needs_clip=False, planned=False),
    "devices": JobKind(title="This machine", work="devices:measure_machine", needs_clip=False, unit="setting"),
}
