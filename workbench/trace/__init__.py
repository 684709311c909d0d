"""Names for what happens inside a run: record them, edit them, save them, replay them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.trace.trace import Trace

__all__ = ["Trace"]


def __getattr__(name: str) -> Any:
    if name == "Trace":  # lazily: ``workbench.trace.tap`` must stay free of torch
        from workbench.trace.trace import Trace

        return Trace
    raise AttributeError(f"module 'workbench.trace' has no attribute {name!r}")
