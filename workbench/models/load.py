"""Loads the networks of a model: the embedded one, a folder, or a hub id, all in the same way."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from workbench.errors import ModelError
from workbench.models._prompt import load_prompt
from workbench.models.autoencoder import TemporalAutoencoderTiny
from workbench.models.folder import (
    COMPONENTS,
    ModelFolder,
    check_names,
    check_whole,
    no_weights,
    read_json,
    weights_variant,
)
from workbench.models.hub import WEIGHTS, locate
from workbench.models.models import Models, Properties
from workbench.models.networks import (
    ControlNetModel,
    DDIMScheduler,
    ModelMixin,
    diffusers_logging,
)
from workbench.models.unet import UNet2DConditionModel

CLASSES: dict[str, type[ModelMixin]] = {
    "unet": UNet2DConditionModel,
    "controlnet": ControlNetModel,
    "vae": TemporalAutoencoderTiny,
}
NAMES = {name: {network.__name__} for name, network in CLASSES.items()}
NAMES["vae"].add("AutoencoderTiny")  # what the published training code's own config.json says
SCHEDULER = Path("scheduler") / "scheduler_config.json"


def load_models(
    source: str | os.PathLike[str] | None = None,
    *,
    device: torch.device,
    dtype: torch.dtype | Mapping[str, torch.dtype] = torch.float32,
    revision: str | None = None,
    unet: str | os.PathLike[str] | None = None,
    controlnet: str | os.PathLike[str] | None = None,
    vae: str | os.PathLike[str] | None = None,
) -> Models:
    """The networks of a model, in evaluation mode, without gradients, on ``device``.

    ``source``: a model of the package (None: ``embedded``), a folder, or a hub id (``revision``: of that).
    ``dtype``: one for all, or one each for ``unet``, ``controlnet`` and ``vae``. The embedded prompt is float32.
    ``unet``, ``controlnet``, ``vae``: a component's (or a whole model's) folder to take that component from instead.
    Raises ModelError, which names the file and the way out, unless every weight of every network was loaded.
    """
    given = {"unet": unet, "controlnet": controlnet, "vae": vae}
    model = locate(source, revision, components=[name for name, folder in given.items() if folder is None])
    folders = {
        name: model.path / name if folder is None else component_folder(folder, name) for name, folder in given.items()
    }
    check_files(model, folders)
    dtypes = dtype if isinstance(dtype, Mapping) else dict.fromkeys(COMPONENTS, dtype)
    networks: dict[str, Any] = {name: load_network(name, folders[name], dtypes[name]) for name in COMPONENTS}
    models = Models.assemble(
        **networks,
        scheduler_config=load_scheduler_config(model.path / SCHEDULER),
        prompt=load_prompt(model).to(device),
        properties=load_properties(model.path / "workbench.json"),
        source=model.name,
        revision=model.commit,
    )
    for network in models.networks.values():
        network.to(device).requires_grad_(False).eval()
        if models.properties.channels_last and not normalises_groups(network):
            network.to(memory_format=torch.channels_last)
    return models


def normalises_groups(network: torch.nn.Module) -> bool:
    """Whether it has group norms: torch's float32 ones have an error of 1e-3 on large maps in channels-last layout."""
    return any(isinstance(module, torch.nn.GroupNorm) for module in network.modules())


def component_folder(given: str | os.PathLike[str], name: str) -> Path:
    """The folder of one component. It may be given itself, as the model folder that holds it, or as its weights'
    file."""
    path = Path(given).expanduser()
    if path.is_file() and path.name.startswith(WEIGHTS):
        path = path.parent
    for folder in (path, path / name):
        if (folder / "config.json").is_file():
            return folder
    raise ModelError(f"{given} is no {name} folder: expected config.json and {WEIGHTS}.safetensors in it.")


def check_files(model: ModelFolder, folders: Mapping[str, Path]) -> None:
    """Raises one ModelError that names a network of another kind, or else all that the folder lacks."""
    for name, folder in folders.items():
        if (folder / "config.json").is_file():
            found = read_json(folder / "config.json").get("_class_name")
            if found is not None and found not in NAMES[name]:
                raise ModelError(
                    f"{folder / 'config.json'} is the config of a {found}; a Stream-DiffVSR model has a "
                    f"{CLASSES[name].__name__} there. {model.name} is a model of another kind."
                )
    lacking = [str(folder / "config.json") for folder in folders.values() if not (folder / "config.json").is_file()]
    lacking += [no_weights(f, WEIGHTS) for f in folders.values() if weights_variant(f, WEIGHTS) is None]
    if not (model.path / SCHEDULER).is_file():
        lacking.append(str(model.path / SCHEDULER))
    if lacking:
        raise ModelError(f"the model {model.name} is incomplete; it lacks: {'; '.join(lacking)}. {model.remedy}")


def load_network(name: str, folder: Path, dtype: torch.dtype) -> ModelMixin:
    """One component in ``dtype``, whatever precision its file has; every weight must be there, and no other.

    On the CPU the weights stay mapped from the file, as diffusers leaves them: where they lie in memory decides
    over the last bits of a convolution, and the published figures were made this way.
    """
    variant = weights_variant(folder, WEIGHTS)
    for file in folder.glob(f"{WEIGHTS}*.safetensors"):
        check_whole(file)
    try:
        with _quiet():
            network, report = CLASSES[name].from_pretrained(  # type: ignore[misc]
                folder,
                torch_dtype=dtype,
                variant=variant or None,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
            )
    except ModelError:
        raise
    except Exception as error:  # a wrong config.json can fail in any argument of the class
        reason = " ".join(str(error).split()).split(". If you want")[0].rstrip(".")
        raise ModelError(
            f"the weights in {folder} do not fit its config.json: {reason}. It may be of another model; "
            f"copy or download both again."
        ) from error
    check_names(folder, report["missing_keys"], report["unexpected_keys"])
    return network


def load_scheduler_config(path: Path) -> dict[str, Any]:
    """All settings of the DDIM scheduler that a ``scheduler_config.json`` leads to."""
    config = read_json(path)
    try:
        with _quiet():  # a folder may name another scheduler, whose further settings DDIM does not have
            return dict(DDIMScheduler.from_config(config).config)  # type: ignore[union-attr]
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ModelError(f"{path} is no configuration of a DDIM scheduler ({error}).") from error


def load_properties(path: Path) -> Properties:
    """The folder's ``workbench.json``; without one, the published model's properties."""
    if not path.is_file():
        return Properties()
    try:
        return Properties.from_json(path.read_text(encoding="utf-8"))
    except (ValueError, TypeError, OSError) as error:
        raise ModelError(f"{path} is not readable ({error}); correct it or save the model again.") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """diffusers' log and progress bars off for a moment: what it would warn of is raised as an error here."""
    verbosity, bars = diffusers_logging.get_verbosity(), diffusers_logging.is_progress_bar_enabled()
    diffusers_logging.set_verbosity(logging.CRITICAL)
    diffusers_logging.disable_progress_bar()
    try:
        yield
    finally:
        diffusers_logging.set_verbosity(verbosity)
        if bars:
            diffusers_logging.enable_progress_bar()
