"""``wb.show``: a frame, or a comparison in its player, where you are: inline in a notebook, in a window elsewhere."""

from __future__ import annotations

import sys
import tempfile
import webbrowser
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from workbench.comparison import Comparison
from workbench.errors import InputError
from workbench.pipeline.output import Output
from workbench.pixels import image_to_unit, unit_to_image
from workbench.types import Frame

PLAYER_HEIGHT = 620  # pixels of a notebook's page


def show(thing: Any) -> None:
    """Shows an ``Output``, a ``Frame``, a (3, H, W) tensor in [0, 1] or an (H, W, 3) uint8 array as a picture, and a
    ``Comparison`` as moving clips in the player of the app and the reports."""
    if isinstance(thing, Comparison):
        _show_player(thing)
        return
    image = as_pil(thing)
    if _in_notebook():
        from IPython.display import display

        display(image)
    else:
        image.show()


def _show_player(comparison: Comparison) -> None:
    page = comparison.player()
    if _in_notebook():
        from IPython.display import display

        display({"text/html": as_frame(page), "text/plain": str(comparison)}, raw=True)
        return
    with tempfile.NamedTemporaryFile("w", suffix=".html", encoding="utf-8", delete=False) as file:
        file.write(page)
    webbrowser.open(Path(file.name).as_uri())


def as_frame(page: str) -> str:
    """A page inside another one: it needs no file and no server, so a saved notebook still has it."""
    look = f"width: 100%; height: {PLAYER_HEIGHT}px; border: 0"
    return f'<iframe srcdoc="{escape(page)}" title="The player" allow="fullscreen" style="{look}"></iframe>'


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules


def as_pil(picture: Any) -> Image.Image:
    """The same as a PIL image, 8 bit."""
    if isinstance(picture, Output | Frame):
        picture = picture.image
    if not isinstance(picture, np.ndarray) and hasattr(picture, "detach"):
        picture = unit_to_image(picture)
    pixels = np.asarray(picture)
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise InputError(f"a picture must be (H, W, 3), or a (3, H, W) tensor; got shape {pixels.shape}.")
    return Image.fromarray(unit_to_image(image_to_unit(pixels)))
