"""From a model's name to a pipeline that is ready to run."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch

from workbench.devices import resolve_device, resolve_dtype
from workbench.engines.choose import check_engine
from workbench.engines.runner import lowest, make_runner
from workbench.engines.table import AUTO, TORCH
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
    engine: str = "auto",
) -> Pipeline:
    """A pipeline from a model of the package (None: ``embedded``), a folder, or a hub id (``Jamichsu/Stream-DiffVSR``).

    ``device``: ``auto`` (cuda, then mps, then cpu) or one of them. ``dtype``: ``auto`` (fp32 on the CPU, else fp16),
    ``fp32``, ``fp16``, ``bf16``, or one each for some of ``unet``, ``controlnet``, ``vae`` (the others: ``auto``).
    ``revision``: branch, tag or commit of a hub model. ``unet``, ``controlnet``, ``vae``: folders to take these
    networks from instead. ``engine``: ``auto`` (the fastest measured one, where its graphs of a frame size are in the
    cache), ``torch``, or another of ``workbench.engines``. Raises ModelError, DeviceError for a device or precision
    that is not there, or EngineError for such an engine.
    """
    where = resolve_device(device)
    wanted = dtype if isinstance(dtype, Mapping) else dict.fromkeys(COMPONENTS, dtype)
    if unknown := sorted(set(wanted) - set(COMPONENTS)):
        raise DeviceError(f"dtype is given for {', '.join(unknown)}; the networks are {', '.join(COMPONENTS)}.")
    dtypes = {name: resolve_dtype(wanted.get(name, "auto"), where) for name in COMPONENTS}
    if engine not in (AUTO, TORCH):
        check_engine(engine, where.type, lowest(dtypes.values()))  # before a model is loaded
    models = load_models(
        source, device=where, dtype=dtypes, revision=revision, unet=unet, controlnet=controlnet, vae=vae
    )
    return Pipeline(models, make_runner(models, engine))


def with_engine(pipe: Pipeline, engine: str) -> Pipeline:
    """The same networks, run by this engine. Raises EngineError where it cannot run here."""
    return pipe if engine == pipe.engine.name else Pipeline(pipe.models, make_runner(pipe.models, engine))
