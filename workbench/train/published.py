"""The published recipe's three lessons: the UNet on its own steps, TPM after the true neighbour, ARTG after own frames.

Shapes: B batch, T frames, L latent channels, h, w LR; H, W = 4h, 4w. What was published: the losses and their weights;
that the steps begin at the truth's noised latent, TPM sees the true neighbour, and ARTG one own frame that was made
without it. The critic's networks are ours.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.flow.warp import warp
from workbench.metrics.learned import network
from workbench.models.models import Models
from workbench.pipeline.settings import Settings
from workbench.pipeline.stream import Guidance, decode, denoise, guide
from workbench.train import losses
from workbench.train.data import Batch
from workbench.train.recipe import Losses, Stage
from workbench.train.rollout import Kept, picture

WIDTH = 64


class Critic(nn.Sequential):
    """(B, 3, H, W) in [-1, 1] -> (B, 1, H / 4, W / 4): how real each patch looks."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, WIDTH, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(WIDTH, 2 * WIDTH, 4, stride=2, padding=1),
            nn.GroupNorm(8, 2 * WIDTH),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * WIDTH, 1, 3, padding=1),
        )


def denoising(models: Models, critic: Critic | None, batch: Batch, stage: Stage, noise: Tensor) -> Tensor:
    """The loss of the last frame's steps, from its noised latent; in ``guidance``, after an own frame before it.

    ``noise``: (B, T, L, h, w).
    """
    truth, lr = batch.hr[:, -1], batch.lr[:, -1]
    settings = Settings(steps=stage.steps, tpm=False)
    schedule = models.schedule(stage.steps)
    kept = schedule.alphas_cumprod.to(lr.device)[schedule.timesteps]
    with torch.no_grad():
        latent = models.vae.encode(truth)
    guidance = None
    if stage.trains == "guidance":
        with torch.no_grad():
            before = picture(models, batch, 0, None, settings, noise[:, 0])
        guidance = guide(models, before, batch.flow[:, 0], lr, settings)
    start = kept[0].sqrt() * latent + (1 - kept[0]).sqrt() * noise[:, -1]
    states = Kept("x0")
    made = decode(models, denoise(models, lr, start, stage.steps, guidance, tap=states), lr, None)
    return velocity(states.values, latent, kept) + likeness(made, truth, stage, critic)


def velocity(x0: list[Tensor], latent: Tensor, kept: Tensor) -> Tensor:
    """Mean square error of v, step by step: from one state, v differs as x0 does, by 1 / sqrt(1 - alpha) as much."""
    errors = [F.mse_loss(guess.float(), latent) / (1 - alpha) for guess, alpha in zip(x0, kept, strict=True)]
    return torch.stack(errors).mean()


def fusing(models: Models, critic: Critic | None, batch: Batch, stage: Stage, weights: Losses) -> Tensor:
    """The decoder's loss on the last frame's own latent, with the true frame before it, warped, in its memory."""
    truth, past = batch.hr[:, 1], batch.hr[:, 0]
    with torch.no_grad():
        latent = models.vae.encode(truth)
        warped = warp(past, batch.flow[:, 0], models.properties.warp)
    made = decode(models, latent, batch.lr[:, 1], Guidance(memory=models.vae.temporal_memory(warped)))
    change = losses.temporal(torch.stack([past, made], 1), batch.hr, batch.motion, weights)
    return F.smooth_l1_loss(made, truth) + stage.temporal * change + likeness(made, truth, stage, critic)


def likeness(made: Tensor, truth: Tensor, stage: Stage, critic: Critic | None) -> Tensor:
    """What a perceptual network and a critic say; the critic learns at once, from pictures that nothing flows back to.

    LPIPS's weights come with its package. Raises MetricUnavailable without them.
    """
    loss = made.new_zeros(())
    if stage.lpips:
        loss = loss + stage.lpips * network("lpips").to(made.device)(made, truth).mean()
    if stage.adversarial and critic is not None:
        judged = torch.func.functional_call(critic, {n: p.detach() for n, p in critic.named_parameters()}, (made,))
        loss = loss - stage.adversarial * judged.mean()
        loss = loss + F.relu(1 - critic(truth)).mean() + F.relu(1 + critic(made.detach())).mean()
    return loss
