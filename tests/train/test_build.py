"""Networks for training: the sizes that a recipe asks for, and a beginning that already copies the frame upwards."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from tests.training import ARCHITECTURE
from workbench.errors import TrainingError
from workbench.models.models import Models
from workbench.pipeline.settings import Settings
from workbench.pipeline.stream import decode, denoise, guide
from workbench.train.build import BLEND, build, restart_controlnet
from workbench.train.recipe import load_recipe, shipped

REGRESSOR = load_recipe(shipped("regressor")).model
LATENT = REGRESSOR.vae["latent_channels"]


def smooth_lr() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, 6, 6, generator=generator) * 1.6 - 0.8
    return F.interpolate(coarse, size=(24, 24), mode="bicubic", align_corners=False).clamp(-1, 1)


@pytest.fixture(scope="module")
def models() -> Models:
    return build(replace(REGRESSOR, properties=REGRESSOR.properties | {"back_projection": 0.0, "blend": 0.0}), seed=0)


@torch.no_grad()
def test_the_untrained_chain_enlarges_smoothly(models: Models) -> None:
    """Identity-anchored: the whole of noise -> UNet -> decoder starts near bilinear interpolation."""
    lr = smooth_lr()
    enlarged = F.interpolate(lr, scale_factor=4, mode="bilinear", align_corners=False)
    inside = (..., slice(16, -16), slice(16, -16))
    for steps in (1, 4):
        noise = torch.randn(2, LATENT, 24, 24, generator=torch.Generator().manual_seed(steps))
        latent = denoise(models, lr, noise, steps)
        error = (decode(models, latent, lr, None) - enlarged)[inside]
        assert error.std() < 0.2 * enlarged[inside].std()


@torch.no_grad()
def test_untrained_guidance_changes_nothing(models: Models) -> None:
    lr, noise = smooth_lr(), torch.zeros(2, LATENT, 24, 24)
    guidance = guide(models, torch.rand(2, 3, 96, 96), torch.zeros(2, 2, 96, 96), lr, Settings())
    guided = decode(models, denoise(models, lr, noise, 2, guidance), lr, guidance)
    assert torch.allclose(guided, decode(models, denoise(models, lr, noise, 2), lr, None), atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("tolerance", [0.0, 0.01])
def test_restarted_guidance_blends_the_latent_with_a_past_that_fits(tolerance: float) -> None:
    models = build(REGRESSOR, seed=0)
    restart_controlnet(models, REGRESSOR, seed=0)
    models.properties = replace(models.properties, fit=tolerance, blend=0.0)
    lr, noise = smooth_lr(), torch.zeros(2, LATENT, 24, 24)
    past = lr.flip(0)  # fits nowhere
    shown = past.repeat_interleave(4, -1).repeat_interleave(4, -2)
    guidance = guide(models, shown, torch.zeros(2, 2, 96, 96), lr, Settings())
    alone, guided = (denoise(models, lr, noise, 1, g)[:, :3] for g in (None, guidance))
    blended = models.vae.scaling_factor / 2 * BLEND * (past - lr)
    wanted = torch.zeros_like(blended) if tolerance else blended
    inside = (..., slice(2, -2), slice(2, -2))
    assert (guided - alone - wanted)[inside].std() < 0.3 * blended[inside].std()


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second = (build(ARCHITECTURE, seed=3).unet.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_an_impossible_initialisation_is_an_error() -> None:
    narrow = replace(ARCHITECTURE, controlnet={"conditioning_embedding_out_channels": [4, 4, 8]})
    with pytest.raises(TrainingError, match="6 channels in every layer"):
        restart_controlnet(build(narrow, seed=0), narrow, seed=0)
    with pytest.raises(TrainingError, match="8 channels"):
        build(replace(ARCHITECTURE, unet=ARCHITECTURE.unet | {"norm_num_groups": 3}), seed=0)
    with pytest.raises(TrainingError, match="'identity', 'residual' or 'default'"):
        build(replace(ARCHITECTURE, initialisation="zero"), seed=0)
