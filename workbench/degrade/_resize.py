"""High-resolution pictures -> the low-resolution ones that the field's benchmarks start from, a quarter as large.

All take (3, H, W) or (B, 3, H, W), float RGB in [0, 1], with sides in multiples of 4, and return [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from workbench.errors import InputError
from workbench.pixels import SCALE, downscale
from workbench.types import Frame
from workbench.video import Clip

BLUR = 1.6
RADIUS = 6  # 13 taps, as the published BD kernels


def bicubic(picture: Tensor) -> Tensor:
    """Bicubic (a = -0.5) with antialiasing; at the borders the kernel's inner part is renormalised, as in Pillow."""
    return _checked(picture, downscale)


def matlab(picture: Tensor) -> Tensor:
    """MATLAB's ``imresize(x, 1/4)``: the same kernel, with the picture mirrored beyond its borders. "BI" in papers."""
    margin = 4 * SCALE  # wider than the kernel's reach of 2 * SCALE, and whole output pixels

    def resize(p: Tensor) -> Tensor:
        inside = slice(margin // SCALE, -margin // SCALE)
        return downscale(_mirrored(p, margin))[..., inside, inside]

    return _checked(picture, resize)


def area(picture: Tensor) -> Tensor:
    """The mean of each 4x4 block."""
    return _checked(picture, lambda p: F.avg_pool2d(p, SCALE))


def blur_down(picture: Tensor) -> Tensor:
    """ "BD" in papers: Gaussian of sigma 1.6 (13 taps, borders reflected), then every fourth pixel from the first.

    Every fourth pixel is the corner of its block, not its centre: the result lies 1.5 pixels up and left of the others.
    """

    def resize(p: Tensor) -> Tensor:
        offsets = torch.arange(-RADIUS, RADIUS + 1, dtype=p.dtype, device=p.device)
        kernel = torch.exp(-0.5 * (offsets / BLUR).square())
        kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
        wide = F.pad(p, (RADIUS,) * 4, mode="reflect")
        rows = F.conv2d(wide, kernel, stride=(1, SCALE), groups=3)
        return F.conv2d(rows, kernel.transpose(2, 3), stride=(SCALE, 1), groups=3)

    return _checked(picture, resize)


DEGRADATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "bicubic": bicubic,
    "matlab": matlab,
    "area": area,
    "bd": blur_down,
}


def cropped(clip: Clip) -> Clip:
    """The clip without the last rows and columns that are no whole low-resolution pixels; lazy."""
    width, height = (side - side % SCALE for side in clip.size)
    return region(clip, width, height)


def region(clip: Clip, width: int, height: int, *, left: int = 0, top: int = 0) -> Clip:
    """A window of every frame, in pixels; lazy. Raises InputError where it does not lie inside."""
    if min(left, top) < 0 or min(width, height) < 1 or left + width > clip.width or top + height > clip.height:
        raise InputError(
            f"{width}x{height} pixels at ({left}, {top}) do not lie in frames of {clip.width}x{clip.height}."
        )
    return Clip(Changed(clip, (width, height), lambda image, _: image[top : top + height, left : left + width]))


class Changed:
    """A clip whose pictures are changed, to ``size`` (width, height), when they are read.

    ``change``: picture and place in the clip -> picture."""

    def __init__(self, clip: Clip, size: tuple[int, int], change: Callable[[np.ndarray, int], np.ndarray]) -> None:
        self.clip = clip
        self.change = change
        length = None if clip.info.length is None else len(clip)
        self.info = replace(clip.info, length=length, size=size, rate=clip.rate, boundaries=None)

    def read(self, indices: range) -> Iterator[Frame]:
        frames = self.clip[indices.start : indices.stop : indices.step]
        for place, frame in zip(indices, frames, strict=False):
            yield replace(frame, image=self.change(frame.image, place), index=place)


def _checked(picture: Tensor, resize: Callable[[Tensor], Tensor]) -> Tensor:
    height, width = picture.shape[-2:]
    if picture.dim() not in (3, 4) or picture.shape[-3] != 3 or height % SCALE or width % SCALE:
        raise InputError(
            f"a picture to degrade must be (3, H, W) or (B, 3, H, W) with sides in multiples of {SCALE}, "
            f"got {tuple(picture.shape)}."
        )
    if min(height, width) < 4 * SCALE:
        raise InputError(f"a picture to degrade must have {4 * SCALE} pixels a side or more, got {width}x{height}.")
    small = resize(picture.reshape(-1, 3, height, width)).clamp(0, 1)
    return small.reshape(*picture.shape[:-2], *small.shape[-2:])


def _mirrored(picture: Tensor, margin: int) -> Tensor:
    """Mirrored beyond the borders with the border pixel repeated (MATLAB's "symmetric")."""
    for dim in (-2, -1):
        first, last = picture.narrow(dim, 0, margin), picture.narrow(dim, picture.shape[dim] - margin, margin)
        picture = torch.cat([first.flip(dim), picture, last.flip(dim)], dim)
    return picture
