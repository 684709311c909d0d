"""The pipeline's own parts, folded over training clips with gradients on. There is no other loop than stream's.

Shapes: B batch, T frames, h, w LR; H, W = 4h, 4w.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from workbench.models.autoencoder import Base
from workbench.models.models import Models
from workbench.pipeline.settings import Settings
from workbench.pipeline.stream import Guidance, decode, denoise, guide
from workbench.trace.tap import Tap, untapped
from workbench.train import losses
from workbench.train.data import Batch
from workbench.train.recipe import Losses, Stage


@dataclass
class Rollout:
    """Pictures and decoded pictures (before back-projection), (B, T, 3, H, W)."""

    pictures: Tensor
    decoded: Tensor


class Kept:
    """A tap that keeps the values of one name, such as ``decoded``: what the decoder made before back-projection."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values: list[Tensor] = []

    def __call__(self, name: str, value: Tensor, step: int | None = None) -> Tensor:
        if name == self.name:
            self.values.append(value)
        return value

    def wants(self, name: str) -> bool:
        return False


def roll(models: Models, batch: Batch, settings: Settings, noise: Tensor) -> Rollout:
    """Runs the clips frame by frame on the model's own outputs. ``noise``: (B, T, C, h, w)."""
    pictures: list[Tensor] = []
    decoded = Kept("decoded")
    for k in range(batch.lr.shape[1]):
        past = pictures[-1] if pictures else None
        pictures.append(picture(models, batch, k, past, settings, noise[:, k], decoded))
    return Rollout(torch.stack(pictures, 1), torch.stack(decoded.values, 1))


def picture(
    models: Models, batch: Batch, k: int, past: Tensor | None, settings: Settings, noise: Tensor, tap: Tap = untapped
) -> Tensor:
    """Frame ``k`` (N B, 3, H, W) after the frame ``past``, made of N noises each; ``noise``: (N B, L, h, w)."""
    lr, guidance, times = batch.lr[:, k], None, len(noise) // len(batch.lr)
    if past is not None and (settings.artg or settings.tpm):
        guidance = repeated(guide(models, past, batch.flow[:, k - 1], lr, settings), times)
    lr = torch.cat([lr] * times)
    latent = denoise(models, lr, noise, settings.steps, guidance, artg=settings.artg)
    return decode(models, latent, lr, guidance, tap=tap)


def repeated(guidance: Guidance, times: int) -> Guidance:
    """The same past for ``times`` as many samples."""

    def again(value: Tensor | None) -> Tensor | None:
        return None if value is None else torch.cat([value] * times)

    memory = None if guidance.memory is None else [torch.cat([value] * times) for value in guidance.memory]
    base = None if guidance.base is None else Base(*(torch.cat([value] * times) for value in guidance.base))
    return replace(guidance, embedding=again(guidance.embedding), memory=memory, past=again(guidance.past), base=base)


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
