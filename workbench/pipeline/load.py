"""From a model's name to a pipeline that is ready to run."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch

from workbench.devices import resolve_device, resolve_dtype
from workbench.errors import DeviceError
from workbench.models.folder import COMPONENTS
from workbench.models.load import load_models
from workbench.pipeline.pipeline import Pipeline


def load_pipeline(
    source: str | os.PathLike[str] | None = None,
    *,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype | Mapping[str, str | torch.dtype] = "auto",
    revision: str | None = None,
    unet: str | os.PathLike[str] | None = None,
    controlnet: str | os.PathLike[str] | None = None,
    vae: str | os.PathLike[str] | None = None,
) -> Pipeline:
    """A pipeline from the embedded model (None), a model folder, or a hub id such as ``Jamichsu/Stream-DiffVSR``.

    ``device``: ``auto`` (cuda, then mps, then cpu) or one of them. ``dtype``: ``auto`` (fp32 on the CPU, else fp16),
    ``fp32``, ``fp16``, ``bf16``, or one each for some of ``unet``, ``controlnet``, ``vae`` (the others: ``auto``).
    ``revision``: branch, tag or commit of a hub model. ``unet``, ``controlnet``, ``vae``: folders to take these
    networks from instead. Raises ModelError, or DeviceError for a device or precision that is not there.
    """
    where = resolve_device(device)
    wanted = dtype if isinstance(dtype, Mapping) else dict.fromkeys(COMPONENTS, dtype)
    if unknown := sorted(set(wanted) - set(COMPONENTS)):
        raise DeviceError(f"dtype is given for {', '.join(unknown)}; the networks are {', '.join(COMPONENTS)}.")
    dtypes = {name: resolve_dtype(wanted.get(name, "auto"), where) for name in COMPONENTS}
    return Pipeline(
        load_models(source, device=where, dtype=dtypes, revision=revision, unet=unet, controlnet=controlnet, vae=vae)
    )
