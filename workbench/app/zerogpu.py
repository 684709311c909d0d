"""Hugging Face's ZeroGPU: a GPU for a bounded time, asked for by a decorator; everywhere else nothing changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from typing import TypeVar

T = TypeVar("T")

SHORTEST, LONGEST = 30, 300  # seconds; a job that needs longer is cut off, and goes on from there when resumed
MARGIN = 1.5  # an estimate is no promise


def first() -> list[str]:
    """``spaces`` where it is installed: it must be imported before anything else asks for a GPU."""
    return [] if find_spec("spaces") is None else ["spaces"]


def prepare() -> None:
    """Imports what comes first."""
    for name in first():
        import_module(name)


def active() -> bool:
    """Whether this is a ZeroGPU machine, where only work within ``on_gpu`` has a GPU."""
    return bool(os.environ.get("SPACES_ZERO_GPU"))


def on_gpu(work: Callable[[T], None], seconds: Callable[[T], float | None]) -> Callable[[T], None]:
    """``work`` with a GPU for about ``seconds(item)`` (None: unknown); without ``spaces``, ``work`` itself.

    ``spaces`` sends the item to another process, so it must be plain data.
    """
    if find_spec("spaces") is None:
        return work

    @wraps(work)
    def slotted(item: T) -> None:
        work(item)

    return import_module("spaces").GPU(duration=lambda item: duration(seconds(item)))(slotted)


def duration(seconds: float | None) -> int:
    """Seconds to ask for a GPU, for a job that should take ``seconds``; None (unknown): LONGEST."""
    return LONGEST if seconds is None else round(min(max(MARGIN * seconds, SHORTEST), LONGEST))
