"""A model of the real architecture, small enough for tests: random, with no path switched off by its initialisation."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.controlnets.controlnet import ControlNetModel

from workbench.models.autoencoder import TemporalAutoencoderTiny
from workbench.models.models import Models, Properties
from workbench.models.unet import UNet2DConditionModel

SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
}


def tiny_models(seed: int = 0, **properties: Any) -> Models:
    """About 0.1 M parameters; self-attention and cross-attention, three scales, 7 temporal blocks."""
    usual: dict[str, Any] = {"warp": "exact", "flow": "dis", "flow_size": "input"}
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        in_channels=7,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=8,
        attention_head_dim=4,
        norm_num_groups=4,
    )
    controlnet = ControlNetModel.from_unet(unet, conditioning_channels=3, conditioning_embedding_out_channels=(4, 8, 8))
    vae = TemporalAutoencoderTiny(
        encoder_block_out_channels=(6, 8, 8), decoder_block_out_channels=(8, 8, 6), scaling_factor=1.0
    )
    for module in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block):
        assert isinstance(module, torch.nn.Conv2d)
        torch.nn.init.normal_(module.weight, std=0.3)
    torch.nn.init.normal_(controlnet.controlnet_cond_embedding.conv_out.weight, std=0.3)
    models = Models.assemble(
        unet,
        controlnet,
        vae,
        SCHEDULER,
        torch.randn(1, 5, 8),
        properties=Properties(**(usual | properties)),
        source="tiny",
    )
    for network in models.networks.values():
        network.eval().requires_grad_(False)
    return models


def generative_models(seed: int = 0) -> Models:
    """The embedded recipe's networks, random, nothing at zero: pixels are channels, and colours the LR frame's."""
    from workbench.train.build import build
    from workbench.train.recipe import load_recipe, shipped

    models = build(load_recipe(shipped("embedded")).model, seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for layer in (models.unet.conv_out, *models.controlnet.controlnet_down_blocks):
            torch.nn.init.normal_(layer.weight, std=0.1)  # type: ignore[arg-type]
    for network in models.networks.values():
        network.eval().requires_grad_(False)
    return models
