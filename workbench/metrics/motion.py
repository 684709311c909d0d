"""Which pixel of the previous frame each pixel of this one comes from, and where that can be known."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from workbench.errors import InputError
from workbench.flow.estimators import dis
from workbench.flow.warp import consistency, warp
from workbench.metrics.images import batched
from workbench.pixels import unit_to_signed, upscale


@dataclass(frozen=True)
class Correspondence:
    """Where the pixels of a frame were in the previous one."""

    flow: Tensor
    """(2, H, W), x then y, in pixels, from this frame to the previous one"""
    visible: Tensor
    """(1, H, W) bool, False where the previous frame does not show this pixel"""

    @classmethod
    def given(cls, flow: Tensor, visible: Tensor | None = None) -> Correspondence:
        """Motion that is known; without ``visible``, all pixels that come from inside the previous picture are
        visible."""
        inside = _inside(flow)
        return cls(flow, inside if visible is None else inside & visible)

    def fetch(self, previous: Tensor) -> Tensor:
        """The previous picture (3, H, W) as this frame would show it. Where nothing moves, its very values."""
        if previous.shape[-2:] != self.flow.shape[-2:]:
            raise InputError(f"the motion is on a grid of {_size(self.flow)}, the picture is {_size(previous)}.")
        fetched = warp(previous[None], self.flow[None])[0]
        # the sampling grid's own rounding would move an unmoved pixel by a millionth
        return torch.where((self.flow == 0).all(0), previous, fetched)


def estimate_motion(current: Tensor, previous: Tensor, size: tuple[int, int] | None = None) -> Correspondence:
    """Low-resolution frames (3, h, w) in [0, 1] -> their motion on the output's grid of ``size`` (H, W), by default
    four times as large.

    DIS flow both ways between the frames enlarged by bicubic interpolation: independent of the upscalers judged by it.
    """
    pair = batched(current, previous, single=True)
    if size is None:
        large = [upscale(p) for p in pair]
    else:
        large = [F.interpolate(p, size, mode="bicubic", align_corners=False, antialias=True) for p in pair]
    now, before = (unit_to_signed(p.clamp(0, 1)) for p in large)
    flow, backward = dis(now, before), dis(before, now)
    visible = visible_pixels(flow[0], backward[0])
    return Correspondence(flow[0], visible)


def visible_pixels(flow: Tensor, backward: Tensor) -> Tensor:
    """(2, H, W) twice -> (1, H, W) bool, as the published warping error finds occlusions (Lai et al., ECCV 2018).

    False where the two flows disagree, at motion boundaries (|grad u|^2 + |grad v|^2 > 0.01 |w|^2 + 0.002), and where
    the pixel comes from outside the picture.
    """
    agree = consistency(flow[None], backward[None])[0] > 0
    down = F.pad(flow[:, 1:] - flow[:, :-1], (0, 0, 0, 1))
    right = F.pad(flow[:, :, 1:] - flow[:, :, :-1], (0, 1))
    bend = (down.square() + right.square()).sum(0, keepdim=True)
    smooth = bend <= 0.01 * flow.square().sum(0, keepdim=True) + 0.002
    return agree & smooth & _inside(flow)


def _inside(flow: Tensor) -> Tensor:
    height, width = flow.shape[-2:]
    x = torch.arange(width, device=flow.device) + flow[0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[1]
    return ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))[None]


def _size(picture: Tensor) -> str:
    return f"{picture.shape[-1]}x{picture.shape[-2]}"
