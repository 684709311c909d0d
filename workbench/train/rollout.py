"""The pipeline's own parts, folded over training clips with gradients on. There is no other loop than stream's.

Shapes: B batch, T frames, h, w LR; H, W = 4h, 4w.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from workbench.models.models import Models
from workbench.pipeline.settings import Settings
from workbench.pipeline.stream import decode, denoise, guide
from workbench.train import losses
from workbench.train.data import Batch
from workbench.train.recipe import Losses, Stage


@dataclass
class Rollout:
    """Pictures and decoded pictures (before back-projection), (B, T, 3, H, W)."""

    pictures: Tensor
    decoded: Tensor


class _Decoded:
    """A tap that keeps what the decoder made before back-projection."""

    value: Tensor

    def __call__(self, name: str, value: Tensor, step: int | None = None) -> Tensor:
        if name == "decoded":
            self.value = value
        return value

    def wants(self, name: str) -> bool:
        return False


def roll(models: Models, batch: Batch, settings: Settings, noise: Tensor) -> Rollout:
    """Runs the clips frame by frame on the model's own outputs. ``noise``: (B, T, C, h, w)."""
    pictures: list[Tensor] = []
    decoded: list[Tensor] = []
    for k in range(batch.lr.shape[1]):
        lr, kept, guidance = batch.lr[:, k], _Decoded(), None
        if k > 0 and (settings.artg or settings.tpm):
            guidance = guide(models, pictures[-1], batch.flow[:, k - 1], lr, settings)
        latent = denoise(models, lr, noise[:, k], settings.steps, guidance, artg=settings.artg)
        pictures.append(decode(models, latent, lr, guidance, tap=kept))
        decoded.append(kept.value)
    return Rollout(torch.stack(pictures, 1), torch.stack(decoded, 1))


def objective(models: Models, batch: Batch, stage: Stage, weights: Losses, random: Choices) -> Tensor:
    """The loss of one batch in one stage."""
    models.properties = replace(models.properties, back_projection=random.back_projection)
    settings = Settings(steps=stage.steps, artg=random.artg, tpm=random.tpm and stage.fuses)
    rolled = roll(models, batch, settings, random.noise)
    loss = losses.single(rolled.pictures, rolled.decoded, batch.hr, weights)
    if stage.consistency:
        loss = loss + stage.consistency * losses.consistency(rolled.pictures, batch.hr)
    if stage.temporal and stage.frames > 1 and random.artg:  # agreeing with the past is for ARTG to learn
        loss = loss + stage.temporal * losses.temporal(rolled.pictures, batch.hr, batch.motion, weights)
    if random.autoencoder:
        frames = batch.hr[:, 0]
        rebuilt = models.vae.decode(models.vae.encode(frames))
        loss = loss + weights.autoencoder * losses.l1(rebuilt, frames)
    return loss


@dataclass(frozen=True)
class Choices:
    """What chance decides in one iteration."""

    noise: Tensor
    back_projection: float
    artg: bool
    tpm: bool
    autoencoder: bool

    def to(self, device: torch.device) -> Choices:
        return replace(self, noise=self.noise.to(device))

    @classmethod
    def draw(cls, stage: Stage, shape: tuple[int, ...], seed: int, iteration: int) -> Choices:
        """``shape``: of the noise."""
        generator = torch.Generator().manual_seed(seed * 1_000_003 + iteration)
        chance = torch.rand(4, generator=generator).tolist()
        low, high = stage.back_projection
        return cls(
            noise=torch.randn(shape, generator=generator),
            back_projection=low + (high - low) * chance[0],
            artg=chance[1] >= stage.dropout or stage.trains == "artg",
            tpm=chance[2] >= stage.dropout or stage.trains == "tpm",
            autoencoder=chance[3] < stage.autoencoder,
        )
