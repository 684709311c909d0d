"""The latent of the residual, and how its parts learn: the decoder alone, the code of what it lacks, its diffusion.

Shapes: B batch, L latent channels, (h, w) LR, (H, W) = (4h, 4w).

A latent is the LR frame's three colours and L - 3 channels of detail. Detail 0 is the decoder's base picture; the
detail is the code of what that lacks. So there is nothing in it that the LR frame gives away by itself, and everything
for the past, the steps and the noise to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.models.autoencoder import CELL, COLOURS, TemporalAutoencoderTiny
from workbench.models.models import Models
from workbench.models.prediction import clean
from workbench.pipeline.settings import Settings
from workbench.pipeline.stream import guide, predict, residuals
from workbench.train import losses
from workbench.train.data import Batch
from workbench.train.recipe import Losses, Stage
from workbench.train.sampling import Draws

WIDTH = 64
RIDGE = 1e-4  # of the mean square, in least squares
BRANCH = 0.1  # of what the detail's other channels add at first
WITHOUT_TPM = Settings(tpm=False)


class ResidualCode(nn.Module):
    """(B, 3, H, W) beside the decoder's base picture -> the detail channels (B, L - 3, h, w), of zero mean and unit
    variance.

    Only training needs it.
    """

    def __init__(self, vae: TemporalAutoencoderTiny) -> None:
        super().__init__()
        channels, pixels = vae.config["latent_channels"] - COLOURS, COLOURS * CELL**2
        self.linear = nn.Conv2d(pixels, channels, 1)
        self.layers = nn.Sequential(
            nn.Conv2d(pixels, WIDTH, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(WIDTH, channels, 3, padding=1),
        )
        self.norm = nn.BatchNorm2d(channels, affine=False, momentum=0.02)

    def forward(self, hr: Tensor, base: Tensor) -> Tensor:
        missing = _cells(hr - base)
        return self.norm(self.linear(missing) + self.layers(missing))

    @torch.no_grad()
    def start(self, vae: TemporalAutoencoderTiny, batches: Iterable[Batch]) -> None:
        """The code begins as the largest principal components of what the base now lacks."""
        lacks = [_cells(batch.hr[:, 0] - vae.base(batch.lr[:, 0]).picture) for batch in batches]
        samples = torch.cat([m.permute(0, 2, 3, 1).reshape(-1, m.shape[1]) for m in lacks])
        directions, energy, _ = torch.linalg.svd(samples.T @ samples / len(samples))
        kept = self.linear.out_channels
        self.linear.weight.copy_((directions[:, :kept] / energy[:kept].sqrt()).T[..., None, None])
        self.linear.bias.zero_()  # type: ignore[union-attr]
        last = cast(nn.Conv2d, self.layers[-1])
        last.weight.mul_(0.1)
        last.bias.zero_()  # type: ignore[union-attr]


@torch.no_grad()
def start_detail(vae: TemporalAutoencoderTiny, code: ResidualCode, batches: Iterable[Batch]) -> None:
    """The decoder's detail begins as the linear function of the code that comes nearest to what the base lacks.

    The first convolution carries each channel z as the pair +z, -z, of which ReLU keeps one, and the last one, found by
    least squares, puts them together.
    """
    first, last = vae.decoder.layers[0], vae.decoder.layers[-2]
    assert isinstance(first, nn.Conv2d)
    assert isinstance(last, nn.Conv2d)
    kernel = vae.scaling_factor * _nearest(vae, code, batches).to(last.weight)
    each = torch.arange(kernel.shape[1])
    for rows, sign in ((each, 1.0), (len(each) + each, -1.0)):
        first.weight[rows] = 0
        first.weight[rows, first.in_channels - len(each) + each, 1, 1] = sign
        first.bias[rows] = 0  # type: ignore[index]
        last.weight[:, rows] = sign * kernel
    last.weight[:, 2 * len(each) :] *= BRANCH
    last.bias.zero_()  # type: ignore[union-attr]


def _nearest(vae: TemporalAutoencoderTiny, code: ResidualCode, batches: Iterable[Batch]) -> Tensor:
    """(48, L - 3, 3, 3): the convolution of the code that comes nearest, by least squares, to what the base lacks.

    To half of that, in fact: a decoder's layers say 0..1.
    """
    square = mixed = torch.zeros((), dtype=torch.float64)
    for batch in batches:
        hr, base = batch.hr[:, 0], vae.base(batch.lr[:, 0]).picture
        around = F.unfold(F.pad(code(hr, base), (1, 1, 1, 1), mode="replicate"), 3)
        missing = F.pixel_unshuffle(hr - base, CELL) / 2
        seen, wanted = (value.flatten(2).transpose(1, 2).flatten(0, 1).cpu().double() for value in (around, missing))
        square, mixed = square + seen.T @ seen, mixed + seen.T @ wanted
    ridge = RIDGE * square.diagonal().mean() * torch.eye(len(square))
    return torch.linalg.solve(square + ridge, mixed).T.reshape(mixed.shape[1], -1, 3, 3)


def _cells(missing: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, 48, h, w)."""
    return CELL * F.pixel_unshuffle(missing, CELL)


def regression(models: Models, batch: Batch, weights: Losses) -> Tensor:
    """The loss of the decoder's base picture of the LR frame."""
    lr, hr = batch.lr[:, 0], batch.hr[:, 0]
    share = losses.shares(lr, hr)
    picture = share * models.vae.base(lr).picture
    return losses.single(picture, picture, share * hr, weights)


def coding(models: Models, code: ResidualCode, batch: Batch, stage: Stage, weights: Losses, random: Draws) -> Tensor:
    """The loss of decoding the code; some of the samples have no detail, all others a little noise on it."""
    hr, lr = batch.hr[:, 0], batch.lr[:, 0]
    without = round(stage.plain * len(hr))
    base = models.vae.base(lr)
    detail = code(hr, base.picture)
    strength = stage.jitter * torch.linspace(0, 1, len(hr), device=hr.device).view(-1, 1, 1, 1)
    detail = detail + strength * random.noise[0, :, 0, COLOURS:]
    detail = torch.cat([torch.zeros_like(detail[:without]), detail[without:]])
    picture = models.vae.decode(torch.cat([lr, detail], 1), base=base)
    return losses.single(picture, picture, hr, weights)


def embedding(models: Models, code: ResidualCode, batch: Batch, stage: Stage, random: Draws) -> Tensor:
    """Mean square error of the first channels of the ControlNet's embedding as the code: what of it the past shows."""
    past = true_past(models, batch, stage, random.softness[0])
    guidance = guide(models, past, batch.flow[:, 0], batch.lr[:, 1], WITHOUT_TPM)
    assert guidance.embedding is not None
    assert guidance.base is not None
    with torch.no_grad():
        detail = code(batch.hr[:, 1], guidance.base.picture)
    return F.mse_loss(guidance.embedding[:, : detail.shape[1]].float(), detail)


def diffusion(models: Models, code: ResidualCode, batch: Batch, stage: Stage, random: Draws, k: int = 0) -> Tensor:
    """Mean square error of x0 from the noised truth; the first ``guided`` samples see a true past, warped.

    ``k``: the frame whose chance decides.
    """
    hr, lr = batch.hr[:, 1], batch.lr[:, 1]
    prompt, some = models.prompt.expand(len(hr), -1, -1), round(stage.guided * len(hr))
    past = true_past(models, batch.clips(some), stage, random.softness[k, :some])
    guidance = guide(models, past, batch.flow[:some, 0], lr[:some], WITHOUT_TPM)
    assert guidance.embedding is not None
    assert guidance.base is not None
    with torch.no_grad():
        detail = code(hr, torch.cat([guidance.base.picture, models.vae.base(lr[some:]).picture]))
        timesteps = random.timesteps[k]
        kept = models.schedule(4).alphas_cumprod.to(hr.device)[timesteps].view(-1, 1, 1, 1)
        state = kept.sqrt() * torch.cat([lr, detail], 1) + (1 - kept).sqrt() * random.noise[0, :, k]
    seen = torch.cat([state, lr], 1)
    found = residuals(models, seen[:some], timesteps[:some], prompt[:some], guidance.embedding, 1.0)
    *down, mid = (_filled(residual, len(hr)) for residual in found)
    x0 = clean(models, predict(models, seen, timesteps, prompt, down, mid), state, kept)
    return F.mse_loss(x0[:, COLOURS:].float(), detail)


@torch.no_grad()
def true_past(models: Models, batch: Batch, stage: Stage, softness: Tensor) -> Tensor:
    """The first frame of each clip (B, 3, H, W).

    That of the first ``softened`` of the samples is mixed with the decoder's base picture of it, by ``softness`` (B,).
    """
    past, some = batch.hr[:, 0], round(stage.softened * len(batch.hr))
    soft = torch.lerp(past[:some], models.vae.base(batch.lr[:some, 0]).picture, softness[:some].view(-1, 1, 1, 1))
    return torch.cat([soft, past[some:]])


def _filled(guided: Tensor, count: int) -> Tensor:
    """Residuals of the guided samples, and none for the others."""
    return torch.cat([guided, guided.new_zeros(count - len(guided), *guided.shape[1:])])
