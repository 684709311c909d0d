"""PIQE: how much distortion the busy blocks of a picture show, without a reference and without weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from workbench.metrics.images import batched, unbatched

BLOCK = 16
SEGMENT = 6  # pixels of a block's edge looked at together
ACTIVE = 0.1  # variance above which a block counts
FLAT = 0.1  # standard deviation below which a segment of its edge counts as an artefact


def piqe(output: Tensor) -> Tensor:
    """Perception-based image quality evaluator (Venkatanath et al., NCC 2015), 0..100; lower is better.

    (3, H, W) or (B, 3, H, W), float RGB in [0, 1] -> () or (B,). Grey is BT.601 full-range luma, rounded to 8 bit;
    borders are mirrored up to whole blocks of 16. It was made for block artefacts and noise: read it beside others.
    """
    (picture,) = batched(output, minimum=BLOCK)
    blocks = _blocks(_normalised(_grey(picture.double())))  # (B, N, 16, 16); float32 loses flat areas
    variance = blocks.var((2, 3))
    active, artefact, noise = variance > ACTIVE, _artefact(blocks), _noise(blocks)
    distortion = (active * (artefact * (1 - variance) + noise * variance)).sum(1)
    return unbatched(100 * (distortion + 1) / (active.sum(1) + 1), output)


def _grey(picture: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, 1, H', W') 0..255, mirrored to multiples of 16."""
    weights = picture.new_tensor([0.299, 0.587, 0.114])[:, None, None]
    grey = (255 * (picture * weights).sum(1, keepdim=True)).round()
    below, right = -grey.shape[-2] % BLOCK, -grey.shape[-1] % BLOCK
    grey = torch.cat([grey, grey.flip(-2)[..., :below, :]], -2)
    return torch.cat([grey, grey.flip(-1)[..., :right]], -1)


def _normalised(grey: Tensor) -> Tensor:
    """Mean subtracted, contrast normalised: (I - mu) / (sigma + 1) in a 7x7 Gaussian window."""

    def local_mean(x: Tensor) -> Tensor:
        return gaussian_blur(F.pad(x, (3, 3, 3, 3), mode="replicate"), [7, 7], [7 / 6, 7 / 6])[..., 3:-3, 3:-3]

    mean = local_mean(grey)
    deviation = (local_mean(grey.square()) - mean.square()).abs().sqrt()
    return (grey - mean) / (deviation + 1)


def _blocks(picture: Tensor) -> Tensor:
    """(B, 1, H, W) -> (B, N, 16, 16)."""
    return picture.unfold(2, BLOCK, BLOCK).unfold(3, BLOCK, BLOCK).reshape(len(picture), -1, BLOCK, BLOCK)


def _artefact(blocks: Tensor) -> Tensor:
    """Some segment of some edge of the block is flat."""
    edges = torch.stack([blocks[..., 0, :], blocks[..., -1, :], blocks[..., :, 0], blocks[..., :, -1]], 2)
    return (edges.unfold(-1, SEGMENT, 1).std(-1) < FLAT).flatten(2).any(2)


def _noise(blocks: Tensor) -> Tensor:
    """The two centre columns vary like their surround (which columns those are follows the published code)."""
    deviation = blocks.std((2, 3))
    surround = [column for column in range(BLOCK) if column not in (BLOCK // 2 - 1, BLOCK // 2 + 1)]
    ratio = blocks[..., BLOCK // 2 - 1 : BLOCK // 2 + 1].std((2, 3)) / blocks[..., surround].std((2, 3))
    ratio = ratio.nan_to_num()
    return deviation > 2 * (deviation - ratio).abs() / torch.maximum(deviation, ratio)
