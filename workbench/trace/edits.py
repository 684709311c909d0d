"""Replacing values that flow on: how ablations are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import Tensor

from workbench.errors import TraceError

EditFunction = Callable[[Tensor, int, "int | None"], Tensor]
"""(value, frame, step) -> the value that flows on; same shape, dtype and device, no batch dimension."""


@dataclass
class Edit:
    """A function that acts on the values of some taps."""

    name: str
    """the taps, by a glob"""
    function: EditFunction
    applied: int = 0
    """how often it acted"""

    def fits(self, name: str) -> bool:
        return fnmatchcase(name, self.name)

    def __call__(self, name: str, value: Tensor, frame: int, step: int | None) -> Tensor:
        """Checks what comes back: an edit that changes the shape would fail far from its cause."""
        at = f"the edit of {name!r} (frame {frame}{'' if step is None else f', step {step}'})"
        edited = self.function(value.clone(), frame, step)
        if not isinstance(edited, Tensor):
            raise TraceError(f"{at} must return a tensor of shape {tuple(value.shape)}, got {type(edited).__name__}.")
        for what in ("shape", "dtype", "device"):
            wanted, got = getattr(value, what), getattr(edited, what)
            if wanted != got:
                raise TraceError(f"{at} must keep the {what}: expected {_shown(wanted)}, got {_shown(got)}.")
        return edited


def _shown(what: object) -> str:
    return str(tuple(what)) if isinstance(what, tuple) else str(what)
