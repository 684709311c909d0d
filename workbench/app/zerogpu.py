"""Hugging Face's ZeroGPU: a GPU for a bounded time, asked for by a decorator; everywhere else nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from typing import ParamSpec

P = ParamSpec("P")

SHORTEST, LONGEST = 30, 300  # seconds; a longer job ends with its slot, and is resumed in the next
MARGIN = 1.5  # an estimate is no promise


def on_gpu(work: Callable[P, None], seconds: Callable[P, float]) -> Callable[P, None]:
    """``work`` under ``spaces.GPU``, for about ``seconds(*arguments)``, where the package ``spaces`` is; else itself."""
    if find_spec("spaces") is None:
        return work
    import spaces

    def slot(*args: P.args, **kwargs: P.kwargs) -> int:
        return duration(seconds(*args, **kwargs))

    return spaces.GPU(duration=slot)(wraps(work)(lambda *args, **kwargs: work(*args, **kwargs)))


def duration(seconds: float) -> int:
    """How long to ask for a GPU for a job that should take so long."""
    return round(min(max(MARGIN * seconds, SHORTEST), LONGEST))
