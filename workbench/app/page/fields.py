"""Fields that take any number: Gradio's own limits end in a message far from the field, once for every reader of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from workbench.app.uploads import uploaded


@dataclass(frozen=True)
class Upload:
    """A file that was uploaded, and what its owner calls it."""

    path: Path
    name: str


def whole(**options: Any) -> gr.Number:
    """A field for a whole number; whoever reads it checks its range."""
    return gr.Number(precision=0, **options)


def uploads(files: Any) -> list[Upload]:
    """What an upload box gives to an event with ``preprocess=False``: Gradio's own preprocessing loses the names."""
    given: Sequence[Any] = files if isinstance(files, list) else [] if files is None else [files]
    return [Upload(*uploaded(file)) for file in given]
