"""Writes a model folder that loads again to the same tensors, and never one that only looks complete."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from workbench.errors import OutputError
from workbench.models._prompt import EMBEDS
from workbench.models.folder import COMPONENTS, REPLACING
from workbench.models.hub import WEIGHTS
from workbench.models.models import Models
from workbench.models.networks import ConfigMixin, diffusers_version

STAGING = ".saving"
INDEX = {
    "_class_name": "StreamDiffVSRPipeline",
    "_diffusers_version": diffusers_version,
    "controlnet": ["diffusers", "ControlNetModel"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["workbench.models.autoencoder", "TemporalAutoencoderTiny"],
}


def save_models(models: Models, folder: str | os.PathLike[str], *, dtype: torch.dtype | None = None) -> Path:
    """Writes ``models`` as a folder that ``load_models`` takes; returns it.

    ``dtype``: precision of the weights in the files (None: as they are). Networks are read, never changed.
    Everything is written to a hidden place in the folder first, so a crash or a full disk leaves the model that was
    there before; other files of the folder stay. Raises OutputError when the folder cannot be written.
    """
    folder = Path(folder).expanduser()
    staging, replacing = folder / STAGING, folder / REPLACING
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in (staging, replacing):
            shutil.rmtree(leftover, ignore_errors=True)
        _write(models, staging, dtype)
        staging.rename(replacing)
        _move(replacing, folder)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise OutputError(f"the model cannot be written to {folder} ({error}); choose another folder.") from error
    return folder


def _write(models: Models, folder: Path, dtype: torch.dtype | None) -> None:
    embedding = {f"controlnet_cond_embedding.{name}": t for name, t in models.conditioning.state_dict().items()}
    weights = {
        "unet": models.unet.state_dict(),
        "controlnet": models.controlnet.state_dict() | embedding,
        "vae": models.vae.state_dict(),
    }
    for name in COMPONENTS:
        network: ConfigMixin = getattr(models, name)
        (folder / name).mkdir(parents=True)
        network.save_config(folder / name)
        _save(weights[name], folder / name / f"{WEIGHTS}.safetensors", dtype)
    _save({EMBEDS: models.prompt}, folder / f"{EMBEDS}.safetensors", None)
    (folder / "scheduler").mkdir()
    _json(models.scheduler_config, folder / "scheduler" / "scheduler_config.json")
    (folder / "workbench.json").write_text(models.properties.to_json(), encoding="utf-8")
    _json(INDEX, folder / "model_index.json")


def _save(tensors: dict[str, Tensor], path: Path, dtype: torch.dtype | None) -> None:
    held = {name: tensor.detach().to("cpu", dtype or tensor.dtype).contiguous() for name, tensor in tensors.items()}
    save_file(held, path, metadata={"format": "pt"})


def _json(values: dict, path: Path) -> None:
    path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _move(source: Path, folder: Path) -> None:
    """Puts the new files in place of the old ones, and removes old weights of other names (shards, fp16)."""
    for name in COMPONENTS:
        for stale in (folder / name).glob(f"{WEIGHTS}*"):
            stale.unlink()
    for file in [path for path in source.rglob("*") if path.is_file()]:
        target = folder / file.relative_to(source)
        target.parent.mkdir(exist_ok=True)
        os.replace(file, target)
    shutil.rmtree(source)
