"""``wb.show``: one frame, where you are: inline in a notebook, in the system's viewer elsewhere."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from PIL import Image

from workbench.errors import InputError
from workbench.pipeline.output import Output
from workbench.pixels import image_to_unit, unit_to_image
from workbench.types import Frame


def show(picture: Any) -> None:
    """Shows an ``Output``, a ``Frame``, a (3, H, W) tensor in [0, 1] or an (H, W, 3) uint8 array."""
    image = as_pil(picture)
    if "ipykernel" in sys.modules:
        from IPython.display import display

        display(image)
    else:
        image.show()


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
