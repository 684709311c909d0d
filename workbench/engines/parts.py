"""The graphs that a model is cut into: one for each call that the loop makes of a network.

A UNet without residuals is a UNet whose residuals are zero, exactly. A decoder without memory is another graph: its
temporal modules do not run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from workbench.models.autoencoder import COLOURS, Base
from workbench.models.models import Models
from workbench.pixels import SCALE

Shape = tuple[int, ...]
Shapes = dict[str, list[Shape]]


@dataclass(frozen=True)
class Part:
    """One graph."""

    name: str
    network: str
    call: Callable[..., Any]
    takes: tuple[str, ...]
    """names of values, each one or more tensors (see ``given_shapes``)"""
    gives: str
    """the name of one such value"""
    base: bool | None = None
    """whether it is for models that read the past beside a base picture, for those that do not, or (None) for all"""

    def of(self, models: Models, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The part, run by the models' own network, on inputs in its precision."""
        return as_list(self.call(models.networks[self.network], *inputs))


def _conditioning(network: Any, condition: Tensor) -> Tensor:
    return network(condition)


def _features(vae: Any, warped: Tensor) -> list[Tensor]:
    return vae.temporal_memory(warped)


def _controlnet(controlnet: Any, sample: Tensor, timestep: Tensor, prompt: Tensor, embedding: Tensor) -> list[Tensor]:
    down, mid = controlnet(sample, timestep, encoder_hidden_states=prompt, controlnet_cond=embedding, return_dict=False)
    return [*down, mid]


def _unet(unet: Any, sample: Tensor, timestep: Tensor, prompt: Tensor, *residuals: Tensor) -> Tensor:
    return unet(
        sample,
        timestep,
        encoder_hidden_states=prompt,
        down_block_additional_residuals=residuals[:-1] or None,
        mid_block_additional_residual=residuals[-1] if residuals else None,
        return_dict=False,
    )[0]


def _base(vae: Any, colours: Tensor) -> list[Tensor]:
    return list(vae.base(colours))


def _decode(vae: Any, latent: Tensor, *memory: Tensor) -> Tensor:
    return vae.decode(latent, memory or None)


def _unet_with_deep(unet: Any, sample: Tensor, timestep: Tensor, prompt: Tensor, *residuals: Tensor) -> list[Tensor]:
    return unet.with_deep(
        sample,
        timestep,
        encoder_hidden_states=prompt,
        down_block_additional_residuals=residuals[:-1],
        mid_block_additional_residual=residuals[-1],
        return_dict=False,
    )


def _unet_outer(
    unet: Any, sample: Tensor, timestep: Tensor, prompt: Tensor, deep: Tensor, *residuals: Tensor
) -> Tensor:
    return unet.outer(sample, timestep, prompt, deep, residuals)


def _decode_on_base(vae: Any, latent: Tensor, picture: Tensor, features: Tensor, *memory: Tensor) -> Tensor:
    return vae.decode(latent, memory, base=Base(picture, features))


PARTS = {
    part.name: part
    for part in (  # each after those whose values it takes
        Part("conditioning", "conditioning", _conditioning, ("condition",), "embedding"),
        Part("features", "vae", _features, ("warped",), "memory"),
        Part("controlnet", "controlnet", _controlnet, ("sample", "timestep", "prompt", "embedding"), "residual"),
        Part("unet", "unet", _unet, ("sample", "timestep", "prompt", "residual"), "prediction"),
        Part("decode_first", "vae", _decode, ("latent",), "picture"),
        Part("decode", "vae", _decode, ("latent", "memory"), "picture", base=False),
        Part("base", "vae", _base, ("colours",), "base", base=True),
        Part("decode_on_base", "vae", _decode_on_base, ("latent", "base", "memory"), "picture", base=True),
    )
}
"""Of every run."""
REUSING = {
    part.name: part
    for part in (
        Part("unet_with_deep", "unet", _unet_with_deep, ("sample", "timestep", "prompt", "residual"), "kept"),
        Part(
            "unet_outer", "unet", _unet_outer, ("sample", "timestep", "prompt", "deep", "outer_residual"), "prediction"
        ),
    )
}
"""In place of ``unet`` where deep features are reused (``Settings.reuse_deep_features``)."""
ALL_PARTS = PARTS | REUSING


def needed(models: Models, *, reusing: bool = False) -> dict[str, Part]:
    """The parts of a run of this model, which reuses deep features or does not."""
    parts = {name: part for name, part in PARTS.items() if part.base in (None, models.has_base)}
    return {name: part for name, part in parts.items() if name != "unet"} | REUSING if reusing else parts


def given_shapes(models: Models, size: tuple[int, int]) -> Shapes:
    """Of the values that no part gives, for frames of ``size`` (h, w)."""
    h, w = size
    pixels, (width, deep) = models.unshuffles, models.unet.deep_shape
    return {
        "warped": [(1, 3, SCALE * h, SCALE * w)],
        "condition": [(1, 3 * pixels**2, SCALE * h // pixels, SCALE * w // pixels)],
        "sample": [(1, models.unet.config["in_channels"], h, w)],
        "timestep": [()],
        "prompt": [tuple(models.prompt.shape)],
        "colours": [(1, COLOURS, h, w)],
        "latent": [(1, models.vae.config["latent_channels"], h, w)],
        "deep": [(1, deep, h, w)],
        "outer_residual": [(1, width, h, w)] * models.unet.outer_residuals,
    }


def input_names(part: Part, shapes: Shapes) -> list[str]:
    """One a tensor: ``residual_0`` and so on where a value is several."""
    return [name for value in part.takes for name in _names(value, len(shapes[value]))]


def output_names(part: Part, count: int) -> list[str]:
    return _names(part.gives, count)


def input_shapes(part: Part, shapes: Shapes) -> list[Shape]:
    return [shape for value in part.takes for shape in shapes[value]]


class Call(nn.Module):
    """A part as a module: float32 tensors (and the timestep, int64) in and out, whatever the network's precision."""

    def __init__(self, part: Part, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._call = part.call
        self._dtype = next(network.parameters()).dtype

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        given = [value.to(self._dtype) if value.is_floating_point() else value for value in inputs]
        result = self._call(self.network, *given)
        return tuple(value.float() for value in as_list(result))


def example(part: Part, shapes: Shapes) -> tuple[Tensor, ...]:
    """Inputs for an export, which reads their shapes."""
    return tuple(map(_zeros, input_shapes(part, shapes)))


@torch.no_grad()
def walk(
    models: Models,
    size: tuple[int, int],
    run: Callable[[Part, list[Tensor]], list[Tensor]],
    parts: Iterable[Part] | None = None,
) -> None:
    """These parts (None: those of a run) once on zeros for frames of ``size`` (h, w), each after those whose
    values it takes.

    ``run``: (part, inputs of its own in its network's precision) -> outputs.
    """
    shapes, device = given_shapes(models, size), models.device
    values = {name: [_zeros(shape).to(device) for shape in found] for name, found in shapes.items()}
    for part in needed(models).values() if parts is None else parts:
        dtype = next(models.networks[part.network].parameters()).dtype
        taken = [value for name in part.takes for value in values[name]]
        inputs = [value.to(dtype, copy=True) if value.is_floating_point() else value.clone() for value in taken]
        values[part.gives] = run(part, inputs)


def as_list(result: Tensor | Sequence[Tensor]) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)


def _zeros(shape: Shape) -> Tensor:
    return torch.zeros(shape) if shape else torch.tensor(499)  # the only value without a shape is the timestep


def _names(value: str, count: int) -> list[str]:
    several = value in ("residual", "memory", "outer_residual", "kept", "base")
    return [f"{value}_{k}" for k in range(count)] if several else [value]
