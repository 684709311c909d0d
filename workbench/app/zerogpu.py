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


def prepare() -> None:
    """Where the package ``spaces`` is, it has to come before anything else asks for a GPU."""
    if find_spec("spaces") is not None:
        import_module("spaces")


def active() -> bool:
    """Whether this is such a machine: there, a GPU is only to be had within ``on_gpu``."""
    return bool(os.environ.get("SPACES_ZERO_GPU"))


def on_gpu(work: Callable[[T], None], seconds: Callable[[T], float | None]) -> Callable[[T], None]:
    """``work`` under ``spaces.GPU``, for about ``seconds(item)`` (None: unknown); itself where there is no ``spaces``.

    The item is sent to another process there, so it has to be plain data.
    """
    if find_spec("spaces") is None:
        return work

    @wraps(work)
    def slotted(item: T) -> None:
        work(item)

    return import_module("spaces").GPU(duration=lambda item: duration(seconds(item)))(slotted)


def duration(seconds: float | None) -> int:
    """How long to ask for a GPU for a job that should take so long; as long as can be where that is not known."""
    return LONGEST if seconds is None else round(min(max(MARGIN * seconds, SHORTEST), LONGEST))
