"""The parts of diffusers that the project is made of: its one door."""

from workbench.startup import import_quickly

import_quickly("diffusers.models.controlnets.controlnet", "diffusers.schedulers.scheduling_ddim")

from diffusers import __version__ as diffusers_version
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.utils import logging as diffusers_logging

__all__ = [
    "ConfigMixin",
    "ControlNetModel",
    "DDIMScheduler",
    "ModelMixin",
    "UNet2DConditionModel",
    "diffusers_logging",
    "diffusers_version",
    "register_to_config",
]
