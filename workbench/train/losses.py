"""What training minimises. B batch, T frames; pictures (B, T, 3, H, W) in [-1, 1]."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from workbench.flow.warp import warp
from workbench.pixels import downscale, upscale
from workbench.train.recipe import Losses

SEEN = 0.08  # a pixel of the truth counts as seen before where its warped past differs less than this on [-1, 1]
FAINT = 0.004  # on [-1, 1]: half a level, as nothing is nearer
LUMA = (0.299, 0.587, 0.114)
PATCHES = ((4, 4), (8, 4), (16, 8))  # size and stride, in pixels, of the patches whose norms the energy score takes


def single(picture: Tensor, decoded: Tensor, truth: Tensor, weights: Losses) -> Tensor:
    """L1 on pictures, on their gradients, and on the picture before back-projection."""
    return (
        weights.picture * l1(picture, truth)
        + weights.gradient * gradient_l1(picture, truth)
        + weights.decoded * l1(decoded, truth)
    )


def shares(lr: Tensor, truth: Tensor) -> Tensor:
    """(B, 1, 1, 1), of mean 1: how much each sample counts, the more the nearer bicubic interpolation comes to it.

    Quality is told in decibels over that, so an error of a part in ten counts alike in soft clips and in textures.
    """
    missed = (upscale(lr) - truth).abs().mean((1, 2, 3), keepdim=True) + FAINT
    return missed.reciprocal() / missed.reciprocal().mean()


def temporal(pictures: Tensor, truth: Tensor, motion: Tensor, weights: Losses) -> Tensor:
    """What changes along the motion must be what changes in the truth; where nothing does, nothing may.

    ``motion``: (B, T - 1, 2, H, W). A picture is judged against the one before as that one stands: it is for the guided
    frame to agree with its past, not for the past to be smooth.
    """
    now, before = pictures[:, 1:].flatten(0, 1), pictures[:, :-1].detach().flatten(0, 1)
    true_now, true_before = truth[:, 1:].flatten(0, 1), truth[:, :-1].flatten(0, 1)
    along = motion.flatten(0, 1)
    change = now - warp(before, along)
    true_change = true_now - warp(true_before, along)
    seen = (true_change.abs().mean(1, keepdim=True) < SEEN).float()
    return weights.difference * l1(change, true_change) + weights.warping * (seen * change.abs()).mean()


def consistency(pictures: Tensor, truth: Tensor) -> Tensor:
    """L1 between the two on the LR grid, where the truth is known at inference too, but for noise."""
    return l1(downscale(pictures.flatten(0, 1)), downscale(truth.flatten(0, 1)))


def l1(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean()


def gradient_l1(a: Tensor, b: Tensor) -> Tensor:
    """L1 between horizontal and vertical differences."""
    error = a - b
    return torch.diff(error, dim=-1).abs().mean() + torch.diff(error, dim=-2).abs().mean()


def energy_score(one: Tensor, two: Tensor, truth: Tensor) -> Tensor:
    """Of two samples (B, 3, H, W): half the distances to the truth, less half the distance between them.

    A proper scoring rule: its least is where the samples are spread as the truth is. The distance: norms of patches, of
    all and of fine luma.
    """
    return 0.5 * (_patch_norms(one - truth) + _patch_norms(two - truth)) - 0.5 * _patch_norms(one - two)


def _patch_norms(difference: Tensor) -> Tensor:
    luma = (difference * difference.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    fine = luma - F.avg_pool2d(luma, 3, 1, 1, count_include_pad=False)
    squares = (difference.square().mean(1, keepdim=True), fine.square())
    norms = [(F.avg_pool2d(s, size, stride) + 1e-5).sqrt().mean() for s in squares for size, stride in PATCHES]
    return torch.stack(norms).sum() / len(PATCHES)
