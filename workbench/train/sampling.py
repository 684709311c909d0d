"""Generative rollouts: frame after frame on the model's own past, each learnt from, and made from two noises.

Shapes: B batch, T frames, L latent channels, h, w LR; H, W = 4h, 4w.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from workbench.models.models import Models
from workbench.pipeline.settings import Settings
from workbench.train import losses
from workbench.train.data import Batch
from workbench.train.recipe import Losses, Stage
from workbench.train.rollout import picture

OTHER_STEPS = (1, 2, 8)


@dataclass(frozen=True)
class Draws:
    """What chance decides in one iteration of T frames; the last three, for each frame."""

    noise: Tensor
    """(2, B, T, L, h, w)"""
    chance: Tensor
    """(T, 3, B) in 0..1, for the loss of diffusion"""
    steps: tuple[int, ...]
    artg: tuple[bool, ...]
    tpm: tuple[bool, ...]

    @classmethod
    def draw(cls, stage: Stage, shape: tuple[int, ...], seed: int, iteration: int, device: torch.device) -> Draws:
        """``shape``: of one noise, which is drawn on ``device``; all else is the same on every device."""
        random = np.random.default_rng([seed, iteration, 2])
        noise = torch.Generator(device).manual_seed(int(random.integers(2**62)))
        frames = stage.frames
        chance = random.random((frames, 3, shape[0]), dtype=np.float32)
        artg, tpm, other = random.random((3, frames))
        which = random.choice(OTHER_STEPS, frames)
        return cls(
            noise=torch.randn(2, *shape, generator=noise, device=device),
            chance=torch.from_numpy(chance).to(device),
            steps=tuple(int(w) if o < stage.other_steps else stage.steps for w, o in zip(which, other, strict=True)),
            artg=tuple(bool(a >= stage.dropout) for a in artg),
            tpm=tuple(stage.fuses and bool(t >= stage.tpm_dropout) for t in tpm),
        )


def sampled(
    models: Models, batch: Batch, stage: Stage, weights: Losses, random: Draws, k: int, past: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The loss of frame ``k`` after the model's own frame ``past`` (B, 3, H, W), and the frame it made of it."""
    settings = Settings(steps=random.steps[k], artg=float(random.artg[k]), tpm=random.tpm[k])
    if stage.energy:
        batch, past = batch.twice(), None if past is None else torch.cat([past, past])
    noise = random.noise[:, :, k].flatten(0, 1)[: len(batch.lr)]
    made, truth = picture(models, batch, k, past, settings, noise), batch.hr[:, k]
    loss = losses.single(made, made, truth, weights)
    if stage.consistency:
        loss = loss + stage.consistency * losses.consistency(made[:, None], truth[:, None])
    if stage.temporal and past is not None and random.artg[k]:  # agreeing with the past is for ARTG to learn
        pair = batch.frames(k - 1, 2)
        loss = loss + stage.temporal * losses.temporal(torch.stack([past, made], 1), pair.hr, pair.motion, weights)
    if not stage.energy:
        return loss, made.detach()
    one, two = made.chunk(2)
    return loss + stage.energy * losses.energy_score(one, two, truth.chunk(2)[0]), one.detach()
