"""The straightforward loop that ours is measured against: whole modules, called frame by frame, nothing kept.

It computes the same frames (a test holds that), so the ratio of their times is about the loop alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from workbench.flow.warp import warp
from workbench.models.models import Models
from workbench.models.networks import ControlNetModel, DDIMScheduler
from workbench.models.prediction import settled, with_colours
from workbench.pipeline.frames import draw_noise, pad, to_network_range
from workbench.pipeline.motion import Motion, choose_motion
from workbench.pipeline.settings import Settings
from workbench.pipeline.stream import back_project, blend, fit
from workbench.pixels import SCALE, to_picture


def whole_controlnet(models: Models) -> ControlNetModel:
    """The ControlNet with its conditioning embedding in place, as diffusers has it."""
    controlnet = copy.copy(models.controlnet)
    controlnet._modules = dict(controlnet._modules)
    controlnet.controlnet_cond_embedding = models.conditioning  # type: ignore[assignment]
    return controlnet


@torch.no_grad()
def plain_stream(models: Models, frames: Iterable[np.ndarray], settings: Settings) -> Iterator[Tensor]:
    """Frames -> (3, H, W) in [0, 1], without padding, state, taps or clocks."""
    controlnet = whole_controlnet(models)
    scheduler = cast(DDIMScheduler, DDIMScheduler.from_config(models.scheduler_config))
    motion: Motion | None = None
    dtype = models.unet.dtype
    before: Tensor | None = None
    output: Tensor | None = None
    for index, frame in enumerate(frames):
        motion = motion or choose_motion(settings, models.properties, models.device, frame.shape[:2])
        lr = pad(to_network_range(frame)).to(models.device)
        latent = draw_noise(settings.seed, index, (models.vae.config["latent_channels"], *lr.shape[-2:]))
        latent = latent.to(models.device) * scheduler.init_noise_sigma
        past = warped = memory = None
        if before is not None and output is not None:
            tolerance = models.properties.fit
            past = warp(output, motion.between(lr, before), models.properties.warp)
            warped = fit(past, lr, tolerance) if tolerance else past
            warped = (warped - models.vae.base(lr.to(dtype)).picture if models.has_base else warped).to(dtype)
            memory = models.vae.temporal_memory(warped) if settings.tpm else None
        scheduler.set_timesteps(settings.steps)
        for t in scheduler.timesteps:
            seen = torch.cat([latent, lr], dim=1).to(dtype)
            down = mid = None
            if warped is not None and settings.artg:
                down, mid = controlnet(
                    seen,
                    t,
                    encoder_hidden_states=models.prompt,
                    controlnet_cond=F.pixel_unshuffle(warped, models.unshuffles),
                    conditioning_scale=settings.artg,
                    return_dict=False,
                )
            prediction = models.unet(
                seen,
                t,
                encoder_hidden_states=models.prompt,
                down_block_additional_residuals=down,
                mid_block_additional_residual=mid,
                return_dict=False,
            )[0]
            prediction = with_colours(models, prediction.float(), lr, latent, scheduler.alphas_cumprod[int(t)])
            latent = scheduler.step(prediction, t, latent, return_dict=False)[0]  # type: ignore[arg-type]
        output = models.vae.decode(settled(models, latent, lr).to(dtype), memory).float()
        if models.properties.back_projection:
            output = back_project(output, lr, models.properties.back_projection)
        if past is not None and settings.artg and models.properties.blend:
            output = blend(output, past, models.properties.blend * min(settings.artg, 1), models.properties.fit)
        before = lr
        height, width = frame.shape[:2]
        yield to_picture(output[0], (SCALE * height, SCALE * width)).cpu()
