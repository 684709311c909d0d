"""The latent of the residual, and how its parts learn: the decoder alone, the code of what it lacks, its diffusion.

Shapes: B batch, L latent channels, (h, w) LR, (H, W) = (4h, 4w).

A latent is the LR frame's three colours and L - 3 channels of detail. Detail 0 is the regressing decoder's picture; the
detail is the code of what that lacks. So there is nothing in it that the LR frame gives away by itself, and everything
for the past, the steps and the noise to say.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.flow.warp import warp
from workbench.models.autoencoder import CELL, Decoder, TemporalAutoencoderTiny
from workbench.models.models import Models
from workbench.pipeline.stream import fit, predict, residuals
from workbench.train import losses
from workbench.train.data import Batch
from workbench.train.recipe import Losses, Stage

COLOURS = 3
WIDTH = 64
TIMESTEPS = ((999, 4.0), (749, 3.0), (499, 3.0), (249, 3.0), (874, 0.7), (624, 0.7), (374, 0.7), (124, 0.7))
"""Those of four steps, and how often each is drawn; those between them, which eight steps use, now and then."""


class ResidualCode(nn.Module):
    """(B, 3, H, W) and its LR frame -> the detail channels (B, L - 3, h, w), of zero mean and unit variance.

    Only training needs it.
    """

    def __init__(self, vae: TemporalAutoencoderTiny) -> None:
        super().__init__()
        channels, pixels = vae.config["latent_channels"] - COLOURS, COLOURS * CELL**2
        self.base, self.scaling = copy.deepcopy(vae.decoder), vae.scaling_factor
        self.linear = nn.Conv2d(pixels, channels, 1)
        self.layers = nn.Sequential(
            nn.Conv2d(pixels, WIDTH, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(WIDTH, channels, 3, padding=1),
        )
        self.norm = nn.BatchNorm2d(channels, affine=False, momentum=0.02)

    @torch.no_grad()
    def regress(self, lr: Tensor) -> Tensor:
        """What the decoder as it was makes of the LR frame alone: (B, 3, H, W)."""
        return self.base(plain(lr, self.linear.out_channels) / self.scaling)

    def missing(self, hr: Tensor, lr: Tensor) -> Tensor:
        """(B, 48, h, w): what ``regress`` lacks."""
        return CELL * F.pixel_unshuffle(hr - self.regress(lr), CELL)

    def forward(self, hr: Tensor, lr: Tensor) -> Tensor:
        missing = self.missing(hr, lr)
        return self.norm(self.linear(missing) + self.layers(missing))

    @torch.no_grad()
    def start(self, decoder: Decoder, batches: Iterable[Batch]) -> None:
        """Freezes the decoder as it now is; the code begins as the largest principal components of what that lacks."""
        self.base.load_state_dict(decoder.state_dict())
        lacks = [self.missing(batch.hr[:, 0], batch.lr[:, 0]) for batch in batches]
        samples = torch.cat([m.permute(0, 2, 3, 1).reshape(-1, m.shape[1]) for m in lacks])
        directions, energy, _ = torch.linalg.svd(samples.T @ samples / len(samples))
        kept = self.linear.out_channels
        self.linear.weight.copy_((directions[:, :kept] / energy[:kept].sqrt()).T[..., None, None])
        self.linear.bias.zero_()  # type: ignore[union-attr]
        last = cast(nn.Conv2d, self.layers[-1])
        last.weight.mul_(0.1)
        last.bias.zero_()  # type: ignore[union-attr]


def plain(lr: Tensor, channels: int) -> Tensor:
    """The latent without detail: (B, 3 + channels, h, w)."""
    return torch.cat([lr, lr.new_zeros(len(lr), channels, *lr.shape[-2:])], dim=1)


def regression(models: Models, batch: Batch, weights: Losses) -> Tensor:
    """The decoder's loss on the LR frame alone."""
    hr, lr = batch.hr[:, 0], batch.lr[:, 0]
    picture = models.vae.decode(plain(lr, models.vae.config["latent_channels"] - COLOURS))
    return losses.single(picture, picture, hr, weights)


def coding(models: Models, code: ResidualCode, batch: Batch, stage: Stage, weights: Losses, noise: Tensor) -> Tensor:
    """The loss of decoding the code; some of the samples have no detail, all others a little noise on it."""
    hr, lr = batch.hr[:, 0], batch.lr[:, 0]
    without = round(stage.plain * len(hr))
    detail = code(hr, lr)
    strength = stage.jitter * torch.linspace(0, 1, len(hr), device=hr.device).view(-1, 1, 1, 1)
    detail = detail + strength * noise[:, 0, COLOURS:]
    detail = torch.cat([torch.zeros_like(detail[:without]), detail[without:]])
    picture = models.vae.decode(torch.cat([lr, detail], 1))
    return losses.single(picture, picture, hr, weights)


def embedding(models: Models, code: ResidualCode, batch: Batch, stage: Stage, chance: Tensor) -> Tensor:
    """Mean square error of the first channels of the ControlNet's embedding as the code: what of it the past shows."""
    with torch.no_grad():
        detail = code(batch.hr[:, 1], batch.lr[:, 1])
        warped = true_past(models, code, batch, stage, chance)
    return F.mse_loss(models.embed(warped)[:, : detail.shape[1]].float(), detail)


def diffusion(models: Models, code: ResidualCode, batch: Batch, stage: Stage, noise: Tensor, chance: Tensor) -> Tensor:
    """Mean square error of x0 from the noised truth; the first ``guided`` samples see a true past, warped.

    ``noise``: (B, 1, L, h, w); ``chance``: (3, B) in 0..1.
    """
    hr, lr = batch.hr[:, 1], batch.lr[:, 1]
    guided = round(stage.guided * len(hr))
    with torch.no_grad():
        detail = code(hr, lr)
        warped = true_past(models, code, batch.clips(guided), stage, chance[:, :guided])
        timesteps = drawn_timesteps(chance[1])
        kept = models.schedule(4).alphas_cumprod.to(hr.device)[timesteps].view(-1, 1, 1, 1)
        state = kept.sqrt() * torch.cat([lr, detail], 1) + (1 - kept).sqrt() * noise[:, 0]
    seen = torch.cat([state, lr], 1)
    prompt = models.prompt.expand(len(hr), -1, -1)
    embedded = models.embed(warped)
    found = residuals(models, seen[:guided], timesteps[:guided], prompt[:guided], embedded, 1.0)
    *down, mid = (_filled(residual, len(hr)) for residual in found)
    x0 = predict(models, seen, timesteps, prompt, down, mid)
    return F.mse_loss(x0[:, COLOURS:].float(), detail)


def true_past(models: Models, code: ResidualCode, batch: Batch, stage: Stage, chance: Tensor) -> Tensor:
    """The first frame of each clip as the second's warped past (B, 3, H, W).

    That of ``softened`` of the samples is mixed with what the decoder makes of the LR frame alone, by up to all of it.
    """
    soft = (chance[0] / stage.softened).clamp(max=1) * (chance[0] < stage.softened)
    past = torch.lerp(batch.hr[:, 0], code.regress(batch.lr[:, 0]), soft.view(-1, 1, 1, 1))
    warped = warp(past, batch.flow[:, 0], models.properties.warp)
    return fit(warped, batch.lr[:, 1], models.properties.fit) if models.properties.fit else warped


def drawn_timesteps(chance: Tensor) -> Tensor:
    """(B,) in 0..1 -> timesteps (B,), each as often as ``TIMESTEPS`` says."""
    steps, often = (torch.tensor(column, device=chance.device) for column in zip(*TIMESTEPS, strict=True))
    return steps[torch.searchsorted(often.cumsum(0) / often.sum(), chance).clamp(max=len(steps) - 1)]


def _filled(guided: Tensor, count: int) -> Tensor:
    """Residuals of the guided samples, and none for the others."""
    return torch.cat([guided, guided.new_zeros(count - len(guided), *guided.shape[1:])])
