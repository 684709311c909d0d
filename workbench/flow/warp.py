"""Backward warping: fetch each pixel of this frame from where it was in the previous one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CONVENTIONS = ("published", "exact", "cubic")


def warp(previous: Tensor, flow: Tensor, convention: str = "exact") -> Tensor:
    """Samples ``previous`` (B, C, H, W) at x + flow (B, 2, H, W; x then y, in pixels): (B, C, H, W).

    ``exact``: zero flow is the identity; outside the picture its border is repeated; bilinear.
    ``cubic``: the same places, bicubic: a picture that is warped again and again stays sharp, with a little overshoot.
    ``published``: bilinear; the grid is normalised by (W - 1, H - 1) but sampled with ``align_corners=False`` and zeros
    outside, so zero flow shifts by up to half a pixel and halves the border. The published weights were trained with
    it.
    """
    height, width = flow.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=flow.device, dtype=flow.dtype),
        torch.arange(width, device=flow.device, dtype=flow.dtype),
        indexing="ij",
    )
    grid = torch.stack(
        [2.0 * (x + flow[:, 0]) / max(width - 1, 1) - 1.0, 2.0 * (y + flow[:, 1]) / max(height - 1, 1) - 1.0], dim=-1
    )  # (B, H, W, 2)
    if convention == "published":
        return F.grid_sample(previous, grid.to(previous.dtype), padding_mode="zeros", align_corners=False)
    sample = sample_on_cpu if lacks_border(previous.device) else sample_with_border
    return sample(previous, grid.to(previous.dtype), "bicubic" if convention == "cubic" else "bilinear")


def sample_with_border(previous: Tensor, grid: Tensor, mode: str) -> Tensor:
    """(B, C, H, W), (B, H, W, 2) in [-1, 1], corner to corner; outside the picture its border is repeated."""
    return F.grid_sample(previous, grid, mode=mode, padding_mode="border", align_corners=True)


def sample_on_cpu(previous: Tensor, grid: Tensor, mode: str) -> Tensor:
    """The same on the CPU, for a device that cannot; a warp is 2 % of a frame's time."""
    return sample_with_border(previous.cpu(), grid.cpu(), mode).to(previous.device)


def lacks_border(device: torch.device) -> bool:
    """Whether this torch cannot repeat borders on MPS: it can from 2.13 on (pytorch issue 125098)."""
    return device.type == "mps" and tuple(map(int, torch.__version__.split(".")[:2])) < (2, 13)


def round_trip(forward: Tensor, backward: Tensor) -> Tensor:
    """(B, 2, H, W) twice -> |f + b(x + f)|, (B, 1, H, W) in pixels: how far from its start a pixel comes back."""
    return (forward + warp(backward, forward)).norm(dim=1, keepdim=True)


def consistency(forward: Tensor, backward: Tensor, alpha: float = 0.01, beta: float = 0.5) -> Tensor:
    """Forward/backward check: (B, 2, H, W) twice -> (B, 1, H, W), 1 where the two flows agree, 0 where occluded.

    A pixel is visible when |f + b(x + f)|^2 < alpha (|f|^2 + |b|^2) + beta (Sundaram et al., ECCV 2010).
    """
    returned = warp(backward, forward)
    error = (forward + returned).square().sum(1, keepdim=True)
    bound = alpha * (forward.square().sum(1, keepdim=True) + returned.square().sum(1, keepdim=True)) + beta
    return (error < bound).to(forward.dtype)
