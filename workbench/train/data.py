"""Training batches: patches of photographs and clips, and windows of scenes.

Shapes: B batch, T frames, (h, w) LR, (H, W) = (4h, 4w). Pictures are in [-1, 1].

A batch is a function of (seed, iteration) and the material alone, so a run that is cut and resumed sees what an
uncut one would have seen.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from workbench.errors import TrainingError
from workbench.flow.estimators import dis
from workbench.pixels import (
    SCALE,
    downscale,
    rounded,
    signed_to_unit,
    unit_to_signed,
    upscale_flow,
)
from workbench.train.pool import Pool
from workbench.train.recipe import Material, Stage
from workbench.train.scenes import Scenes, cut_clip, moving_photo, one_colour
from workbench.train.windows import draw_windows, turned


@dataclass(frozen=True)
class Batch:
    """Clips to learn from."""

    hr: Tensor
    """(B, T, 3, H, W)"""
    lr: Tensor
    """(B, T, 3, h, w), 8 bit, perhaps damaged"""
    flow: Tensor
    """(B, T - 1, 2, H, W): what the model is given, mostly an estimate as at inference"""
    motion: Tensor
    """of the same shape, what the losses judge by: the camera's where it is known, else estimated on clean frames"""

    def to(self, device: torch.device) -> Batch:
        return Batch(self.hr.to(device), self.lr.to(device), self.flow.to(device), self.motion.to(device))

    def frames(self, first: int, count: int) -> Batch:
        """``count`` frames of each clip."""
        some, between = slice(first, first + count), slice(first, first + count - 1)
        return Batch(self.hr[:, some], self.lr[:, some], self.flow[:, between], self.motion[:, between])

    def clips(self, count: int) -> Batch:
        """The first of them."""
        return Batch(*(part[:count] for part in (self.hr, self.lr, self.flow, self.motion)))

    def twice(self) -> Batch:
        """(2B, ...): each clip again, after all of them."""
        return Batch(*(torch.cat([part, part]) for part in (self.hr, self.lr, self.flow, self.motion)))


def draw(
    pool: Pool, material: Material, stage: Stage, seed: int, iteration: int, scenes: Scenes | None = None
) -> Batch:
    """The batch of one iteration; ``scenes`` are needed where the stage has a share of them."""
    count = round(stage.scenes * stage.batch)
    if not count:
        return draw_patches(pool, material, stage, seed, iteration)
    if scenes is None:
        raise TrainingError(f"stage {stage.name!r} has a share of scenes: give it some.")
    damaged = draw_damaged(scenes, replace(stage, batch=count), seed, iteration)
    if count == stage.batch:
        return damaged
    others = draw_patches(pool, material, replace(stage, batch=stage.batch - count), seed, iteration)
    others = others.to(damaged.hr.device)
    parts = ((getattr(damaged, f.name), getattr(others, f.name)) for f in fields(Batch))
    return Batch(*(torch.cat(part) for part in parts))


def draw_damaged(scenes: Scenes, stage: Stage, seed: int, iteration: int) -> Batch:
    """Windows of scenes, where the scenes are."""
    windows = draw_windows(scenes, stage, np.random.default_rng([seed, iteration, 1]))
    part = turned(scenes.windows(windows.at, stage.frames, stage.patch), windows)
    hr, lr = (unit_to_signed(picture.float() / 255) for picture in (part.hr, part.lr))
    return Batch(hr, lr, _enlarged(part.flow), _enlarged(part.motion))


def draw_patches(pool: Pool, material: Material, stage: Stage, seed: int, iteration: int) -> Batch:
    """Patches of photos and clips as they are, but for noise."""
    random = np.random.default_rng([seed, iteration])
    noisy = torch.Generator().manual_seed(int(random.integers(2**62)))
    clips = [_draw_clip(pool, material, stage, random) for _ in range(stage.batch)]
    hr = torch.stack([frames for frames, _ in clips])
    clean = lr = to_lr(hr.flatten(0, 1)).unflatten(0, hr.shape[:2])
    sigma = torch.tensor(random.uniform(0, material.sigma, stage.batch) * (random.random(stage.batch) < material.noise))
    lr = lr + (sigma * 2 / 255).float().view(-1, 1, 1, 1, 1) * torch.randn(lr.shape, generator=noisy)
    lr = quantised(lr)
    flows, motions = [], []
    for k, (_, known) in enumerate(clips):
        estimated = known is None or random.random() < material.dis
        flows.append(estimated_flow(lr[k]) if estimated else known)
        motions.append(estimated_flow(quantised(clean[k])) if known is None else known)
    return Batch(hr, lr, torch.stack(flows), torch.stack(motions))


def to_lr(hr: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, 3, h, w): bicubic with antialiasing, in range."""
    return downscale(hr).clamp(-1, 1)


def quantised(picture: Tensor) -> Tensor:
    """[-1, 1] as 8 bit would hold it."""
    return unit_to_signed(rounded(signed_to_unit(picture)))


def estimated_flow(lr: Tensor) -> Tensor:
    """(T, 3, h, w) -> (T - 1, 2, H, W), as at inference: DIS between LR frames, enlarged."""
    if len(lr) == 1:
        return torch.zeros(0, 2, *(SCALE * s for s in lr.shape[-2:]))
    return upscale_flow(dis(lr[1:], lr[:-1]))


def _draw_clip(
    pool: Pool, material: Material, stage: Stage, random: np.random.Generator
) -> tuple[Tensor, Tensor | None]:
    """(T, 3, H, W) and, where it is known, the flow (T - 1, 2, H, W)."""
    side = stage.patch * SCALE
    if random.random() < material.flat:
        return one_colour(stage.frames, side, random)
    if not pool.clips or (pool.photos and random.random() < material.photos):
        frames, flow = moving_photo(pool, material, stage.frames, side, random)
    else:
        frames, flow = cut_clip(pool, stage.frames, side, random), None
    if random.random() < 0.5:
        frames = frames.flip(-1)
        flow = None if flow is None else flow.flip(-1) * torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    if random.random() < 0.5:
        frames = frames.flip(-2)
        flow = None if flow is None else flow.flip(-2) * torch.tensor([1.0, -1.0]).view(1, 2, 1, 1)
    if random.random() < 0.5:
        frames = frames.transpose(-1, -2)
        flow = None if flow is None else flow.transpose(-1, -2).flip(1)
    if random.random() < 0.3:
        frames = frames[:, torch.from_numpy(random.permutation(3))]
    return frames.contiguous(), flow


def _enlarged(flow: Tensor) -> Tensor:
    """(B, T - 1, 2, h, w) -> (B, T - 1, 2, H, W); its unit, output pixels, stays."""
    if not flow.shape[1]:
        return flow.new_zeros(*flow.shape[:3], SCALE * flow.shape[3], SCALE * flow.shape[4])
    large = F.interpolate(flow.flatten(0, 1), scale_factor=SCALE, mode="bilinear", align_corners=False)
    return large.unflatten(0, flow.shape[:2])
