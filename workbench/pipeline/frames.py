"""A frame's way into the loop: checked, in [-1, 1], padded; and the noise it starts from."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from workbench.errors import InputError
from workbench.pixels import FULL_RANGE, image_to_unit, unit_to_signed

MINIMUM = 16  # the temporal modules pool 4x4 on the latent's grid; the UNet halves it three times
MULTIPLE = 4


def to_network_range(image: np.ndarray) -> Tensor:
    """(h, w, 3) uint8, uint16, or float in [0, 1] -> (1, 3, h, w) float32 in [-1, 1]."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"a frame must be an array of shape (h, w, 3), RGB; got shape {image.shape}.")
    height, width = image.shape[:2]
    if min(height, width) < MINIMUM:
        raise InputError(
            f"a frame must be at least {MINIMUM}x{MINIMUM} pixels, got {width}x{height}; enlarge or pad it first."
        )
    if np.issubdtype(image.dtype, np.floating):
        if not np.isfinite(image).all():
            raise InputError("a frame holds NaN or infinite values; replace them first.")
        if image.min() < 0 or image.max() > 1:
            raise InputError(
                f"a float frame must lie in [0, 1], got {image.min():g}..{image.max():g}; divide 8-bit values by 255."
            )
    elif image.dtype not in FULL_RANGE:
        raise InputError(f"a frame must be uint8, uint16 or float in [0, 1], got dtype {image.dtype}.")
    return unit_to_signed(image_to_unit(image))[None]


def pad(value: Tensor, multiple: int = MULTIPLE) -> Tensor:
    """(B, C, y, x) -> the next multiples of ``multiple``, by repeating the lower and right borders."""
    below, right = -value.shape[-2] % multiple, -value.shape[-1] % multiple
    return F.pad(value, (0, right, 0, below), mode="replicate") if below or right else value


def padded(size: tuple[int, int], multiple: int = MULTIPLE) -> tuple[int, int]:
    """(h, w) -> the size that ``pad`` makes of it."""
    return -(-size[0] // multiple) * multiple, -(-size[1] // multiple) * multiple


def draw_noise(seed: int, index: int, shape: tuple[int, ...]) -> Tensor:
    """(1, *shape) standard normal, float32: a function of (seed, index, shape) alone, drawn on the CPU."""
    mixed = np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0]
    generator = torch.Generator("cpu").manual_seed(int(mixed) >> 1)
    return torch.randn(1, *shape, generator=generator)
