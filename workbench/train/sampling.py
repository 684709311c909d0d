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
TIMESTEPS = ((999, 4.0), (749, 3.0), (499, 3.0), (249, 3.0), (874, 0.7), (624, 0.7), (374, 0.7), (124, 0.7))
"""Those of four steps, and how often each is drawn; those between them, which eight steps use, now and then."""


@dataclass(frozen=True)
class Draws:
    """What chance decides in one iteration of T frames; the last three, for each frame: ARTG and TPM are left out only
    under the usual number of steps."""

    noise: Tensor
    """(2, B, T, L, h, w)"""
    softness: Tensor
    """(T, B) in 0..1, of the true pasts that are not sharp, for the loss of diffusion"""
    timesteps: Tensor
    """(T, B), for the same"""
    steps: tuple[int, ...]
    artg: tuple[bool, ...]
    tpm: tuple[bool, ...]

    @classmethod
    def draw(cls, stage: Stage, shape: tuple[int, ...], seed: int, iteration: int, device: torch.device) -> Draws:
        """``shape``: of one noise, which is drawn on ``device``; all else is the same on every device."""
        random = np.random.default_rng([seed, iteration, 2])
        noise = torch.Generator(device).manual_seed(int(random.integers(2**62)))
        frames = stage.frames
        softness = random.random((frames, shape[0]), dtype=np.float32)
        timesteps = drawn_timesteps(random, (frames, shape[0]))
        usual = random.random(frames) >= stage.other_steps
        which = random.choice(OTHER_STEPS, frames)
        artg, tpm = random.random((2, frames)) >= np.array([[stage.dropout], [stage.tpm_dropout]])
        return cls(
            noise=torch.randn(2, *shape, generator=noise, device=device),
            softness=torch.from_numpy(softness).to(device),
            timesteps=torch.from_numpy(timesteps).to(device),
            steps=tuple(np.where(usual, stage.steps, which).tolist()),
            artg=tuple((artg | ~usual).tolist()),
            tpm=tuple(stage.fuses and t for t in (tpm | ~usual).tolist()),
        )


def drawn_timesteps(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Each as often as ``TIMESTEPS`` says."""
    steps, often = (np.array(column) for column in zip(*TIMESTEPS, strict=True))
    return random.choice(steps, shape, p=often / often.sum())


def sampled(
    models: Models, batch: Batch, stage: Stage, weights: Losses, random: Draws, k: int, past: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The loss of frame ``k`` after the model's own frame ``past`` (B, 3, H, W), and the frame it made of it."""
    settings = Settings(steps=random.steps[k], artg=float(random.artg[k]), tpm=random.tpm[k])
    noise = random.noise[: 2 if stage.energy else 1, :, k].flatten(0, 1)
    made = picture(models, batch, k, past, settings, noise)
    if stage.energy:
        batch, past = batch.twice(), None if past is None else torch.cat([past, past])
    truth = batch.hr[:, k]
    share = losses.shares(batch.lr[:, k], truth)
    loss = losses.single(share * made, share * made, share * truth, weights)
    if stage.consistency:
        loss = loss + stage.consistency * losses.consistency(made[:, None], truth[:, None])
    if stage.temporal and past is not None and random.artg[k]:  # agreeing with the past is for ARTG to learn
        pair = batch.frames(k - 1, 2)
        loss = loss + stage.temporal * losses.temporal(torch.stack([past, made], 1), pair.hr, pair.motion, weights)
    if not stage.energy:
        return loss, made.detach()
    one, two = made.chunk(2)
    return loss + stage.energy * losses.energy_score(one, two, truth.chunk(2)[0]), one.detach()
