"""What every metric asks of its pictures: float RGB in [0, 1], (3, H, W) or (B, 3, H, W)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from workbench.errors import InputError

ROUNDING = 1e-3  # beyond [0, 1]: a quarter of an 8-bit level


def batched(*pictures: Tensor, border: int = 0, minimum: int = 1, single: bool = False) -> list[Tensor]:
    """Pictures of one shape -> (B, 3, H, W) each, ``border`` pixels cut off every side.

    ``single``: without a batch dimension only. Raises InputError for another shape, unequal shapes, integers, values
    that are not finite or not in [0, 1], or less than ``minimum`` pixels a side.
    """
    first = pictures[0]
    wanted = "shape (3, H, W)" if single else "shape (3, H, W) or (B, 3, H, W)"
    for picture in pictures:
        if picture.dim() not in ((3,) if single else (3, 4)) or picture.shape[-3] != 3 or not picture.numel():
            raise InputError(f"a picture must have {wanted}, got {tuple(picture.shape)}.")
        if picture.shape != first.shape:
            raise InputError(f"both pictures must have one shape, got {tuple(first.shape)} and {tuple(picture.shape)}.")
        _check_values(picture)
    height, width = (side - 2 * border for side in first.shape[-2:])
    if border < 0 or min(height, width) < minimum:
        raise InputError(
            f"at least {minimum} pixels a side are needed inside a border of {border}, got {width}x{height}."
        )
    inside = [p[..., border : border + height, border : border + width] for p in pictures]
    return [p.reshape(-1, 3, height, width).float().clamp(0, 1) for p in inside]


def _check_values(picture: Tensor) -> None:
    if not picture.is_floating_point():
        raise InputError(f"a picture must be float in [0, 1], got {picture.dtype}; divide 8-bit values by 255.")
    low, high = (float(value) for value in picture.aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError("a picture must be float in [0, 1], and this one holds NaN or infinite values.")
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise InputError(
            f"a picture must be float in [0, 1], got values from {low:.4g} to {high:.4g}: divide 0..255 by 255, bring "
            f"[-1, 1] into range by x / 2 + 0.5, and clamp what overshoots."
        )


def unbatched(values: Tensor, like: Tensor) -> Tensor:
    """(B,) -> () where the picture came without a batch dimension."""
    return values.reshape(like.shape[:-3])


def luma(picture: Tensor) -> Tensor:
    """(..., 3, H, W) -> (..., 1, H, W): BT.601 Y in studio range, 16/255..235/255, unrounded.

    What MATLAB's ``rgb2ycbcr`` gives for floats, and what super-resolution papers mean by "Y channel".
    """
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=picture.dtype, device=picture.device) / 255
    return (picture * weights[:, None, None]).sum(-3, keepdim=True) + 16 / 255
