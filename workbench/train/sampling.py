"""Generative rollouts: the model's own frames, then one that is learnt from, made from two noises after the same past.

Shapes: B batch, T frames, L latent channels, h, w LR; H, W = 4h, 4w.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    """What chance decides in one iteration. ``noise``: (2, B, T, L, h, w); ``chance``: (3, B) in 0..1."""

    noise: Tensor
    chance: Tensor
    last: int
    """the frame that is learnt from; those before it are run without gradients"""
    steps: int
    artg: bool
    tpm: bool

    def to(self, device: torch.device) -> Draws:
        return replace(self, noise=self.noise.to(device), chance=self.chance.to(device))

    @classmethod
    def draw(cls, stage: Stage, shape: tuple[int, ...], seed: int, iteration: int) -> Draws:
        """``shape``: of one noise."""
        generator = torch.Generator().manual_seed(seed * 1_000_003 + iteration)
        place, artg, tpm, other, which = torch.rand(5, generator=generator).tolist()
        return cls(
            noise=torch.randn(2, *shape, generator=generator),
            chance=torch.rand(3, shape[0], generator=generator),
            last=int(place * stage.frames),
            steps=OTHER_STEPS[int(which * len(OTHER_STEPS))] if other < stage.other_steps else stage.steps,
            artg=artg >= stage.dropout,
            tpm=stage.fuses and tpm >= stage.tpm_dropout,
        )


def sampled(models: Models, batch: Batch, stage: Stage, weights: Losses, random: Draws) -> Tensor:
    """The loss of one frame after the model's own frames before it; which one, chance decides."""
    settings = Settings(steps=random.steps, artg=float(random.artg), tpm=random.tpm)
    k, past = random.last, None
    with torch.no_grad():
        for before in range(k):
            past = picture(models, batch, before, past, settings, random.noise[0, :, before])
    if stage.energy:
        batch, past = batch.twice(), None if past is None else torch.cat([past, past])
    noise = random.noise[:, :, k].flatten(0, 1)[: len(batch.lr)]
    made, truth = picture(models, batch, k, past, settings, noise), batch.hr[:, k]
    loss = losses.single(made, made, truth, weights)
    if stage.consistency:
        loss = loss + stage.consistency * losses.consistency(made[:, None], truth[:, None])
    if stage.temporal and past is not None and random.artg:  # agreeing with the past is for ARTG to learn
        pair = batch.frames(k - 1, 2)
        loss = loss + stage.temporal * losses.temporal(torch.stack([past, made], 1), pair.hr, pair.motion, weights)
    if stage.energy:
        one, two = made.chunk(2)
        loss = loss + stage.energy * losses.energy_score(one, two, truth.chunk(2)[0])
    return loss
