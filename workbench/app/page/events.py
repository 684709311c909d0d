"""How the page's events are registered, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from workbench.app.page import boxes
from workbench.errors import WorkbenchError

# Not part of the API; many people at once; the page itself shows that something goes on.
PRIVATE: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": None, "show_progress": "hidden"}
NEWEST: dict[str, Any] = {**PRIVATE, "trigger_mode": "always_last"}


def said(handler: Callable[..., Any], outputs: int = 2) -> Callable[..., Any]:
    """A handler whose refusals become a box: it returns (view, message), and a refusal leaves the view alone."""
    import gradio as gr

    @wraps(handler)
    def told(*values: Any) -> Any:
        try:
            return handler(*values)
        except WorkbenchError as error:
            return (*(gr.skip() for _ in range(outputs - 1)), boxes.error(error))

    return told
