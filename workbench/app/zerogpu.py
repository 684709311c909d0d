"""Hugging Face's ZeroGPU: a GPU for a bounded time, asked for by a decorator; everywhere else nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from typing import TypeVar

T = TypeVar("T")

SHORTEST, LONGEST = 30, 300  # seconds; a job that needs longer is cut off, and goes on from there when resumed
MARGIN = 1.5  # an estimate is no promise


def on_gpu(work: Callable[[T], None], seconds: Callable[[T], float]) -> Callable[[T], None]:
    """``work`` under ``spaces.GPU``, for about ``seconds(task)``, where the package ``spaces`` is; else itself."""
    if find_spec("spaces") is None:
        return work

    @wraps(work)
    def slotted(task: T) -> None:
        work(task)

    return import_module("spaces").GPU(duration=lambda task: duration(seconds(task)))(slotted)


def duration(seconds: float) -> int:
    """How long to ask for a GPU for a job that should take so long."""
    return round(min(max(MARGIN * seconds, SHORTEST), LONGEST))
