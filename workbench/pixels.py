"""The ground floor: the factor 4, the ranges that pixels come in, and the one way between each two of them.

    image    (..., y, x, 3) uint8 or uint16, RGB    what files hold and people see
    unit     (..., 3, y, x) float in [0, 1]         public values, metrics
    signed   (..., 3, y, x) float in [-1, 1]        what networks take and give

torch is imported only where it is used: the app's server, which has none, reads this module too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

SCALE = 4
"""An output frame is so many times as high and as wide as its low-resolution frame."""

FULL_RANGE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
"""White, in each kind of image."""


def image_to_unit(image: np.ndarray) -> Tensor:
    """(..., y, x, 3) uint8, uint16, or float in [0, 1] -> (..., 3, y, x) float32 in [0, 1]."""
    import torch

    planes = torch.from_numpy(np.array(image, dtype=np.float32)).movedim(-1, -3)
    return (planes / FULL_RANGE.get(image.dtype, 1)).contiguous()


def unit_to_image(unit: Tensor, dtype: Any = np.uint8) -> np.ndarray:
    """(..., 3, y, x) in [0, 1] -> (..., y, x, 3) uint8 or uint16; rounded half to even, as the published pipeline does.

    Values outside of the range become black or white.
    """
    white = FULL_RANGE[np.dtype(dtype)]
    levels = (unit.detach().float() * white).round().clamp(0, white)
    return np.ascontiguousarray(levels.movedim(-3, -1).cpu().numpy().astype(dtype))


def rounded(unit: Tensor) -> Tensor:
    """[0, 1] as 8 bit would hold it."""
    return (unit * 255).round().clamp(0, 255) / 255


def unit_to_signed(unit: Tensor) -> Tensor:
    """[0, 1] -> [-1, 1]."""
    return unit * 2 - 1


def signed_to_unit(signed: Tensor) -> Tensor:
    """[-1, 1] -> [0, 1]; values beyond stay beyond."""
    return signed / 2 + 0.5


def to_picture(signed: Tensor, size: tuple[int, int]) -> Tensor:
    """(..., y, x) around [-1, 1], perhaps padded -> its upper left ``size`` (height, width), in [0, 1]."""
    height, width = size
    return signed_to_unit(signed[..., :height, :width]).clamp(0, 1)


def float_to_image(image: np.ndarray) -> np.ndarray:
    """Float in [0, 1] -> uint16 of the same shape: it holds every 8-bit value exactly."""
    return np.rint(np.clip(image, 0, 1) * 65535).astype(np.uint16)


def eight_bit(image: np.ndarray) -> np.ndarray:
    """uint8 as it is; uint16 -> the nearest uint8."""
    return image if image.dtype == np.uint8 else np.rint(image.astype(np.float32) / 257).astype(np.uint8)


def upscale(lr: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C, 4h, 4w), bicubic; overshoot is kept."""
    from torch.nn.functional import interpolate

    return interpolate(lr, scale_factor=SCALE, mode="bicubic", align_corners=False)


def downscale(picture: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, H / 4, W / 4), bicubic with antialiasing."""
    from torch.nn.functional import interpolate

    return interpolate(picture, scale_factor=1 / SCALE, mode="bicubic", align_corners=False, antialias=True)


def upscale_flow(flow: Tensor) -> Tensor:
    """(B, 2, h, w) in low-resolution pixels -> (B, 2, 4h, 4w) in output pixels, bilinear."""
    from torch.nn.functional import interpolate

    return SCALE * interpolate(flow, scale_factor=SCALE, mode="bilinear", align_corners=False)
