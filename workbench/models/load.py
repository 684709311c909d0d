"""First version: local folders only."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file

from workbench.models.autoencoder import TemporalAutoencoderTiny
from workbench.models.models import Models, Properties


def load_models(folder: Path, device: torch.device, dtype: torch.dtype) -> Models:
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    controlnet = ControlNetModel.from_pretrained(folder / "controlnet")
    vae = TemporalAutoencoderTiny.from_pretrained(folder / "vae")
    sched = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    emb = folder / "prompt_embeds.safetensors"
    if emb.exists():
        prompt = load_file(emb)["prompt_embeds"]
    else:
        from transformers import CLIPTextModel

        te = CLIPTextModel.from_pretrained(folder / "text_encoder")
        ids = torch.tensor([[516] + [517] + [0] * 75])
        prompt = te(ids).last_hidden_state.detach()
    w = folder / "workbench.json"
    props = Properties.from_json(w.read_text()) if w.exists() else Properties()
    m = Models.assemble(unet, controlnet, vae, sched, prompt, properties=props, source=str(folder))
    for n in m.networks.values():
        n.to(device, dtype).requires_grad_(False).eval()
    return m


def save_models(models: Models, folder: Path) -> Path:
    raise NotImplementedError
