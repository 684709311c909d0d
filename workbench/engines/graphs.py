"""Networks as graphs in another runtime: exported once for each size, kept in the cache, called as the networks are."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Protocol

import torch
from torch import Tensor

from workbench.engines.cache import Cache, Entry
from workbench.engines.export import GRAPH, precision_of, weights_digest
from workbench.engines.parts import ALL_PARTS, Part, Shape, Shapes, given_shapes, input_shapes, needed
from workbench.engines.quantize import quantize
from workbench.engines.runner import Runner, Say, unsaid
from workbench.engines.table import CALIBRATION, EXPORTERS, ONNX, Engine
from workbench.errors import EngineError, InputError
from workbench.models.autoencoder import Base
from workbench.models.models import Models
from workbench.pixels import SCALE
from workbench.trace.tap import Tap, untapped

FORMAT = 2  # of a graph; raised when this project exports something else
VERSIONS = ("torch", "diffusers", "onnx", "onnxscript")  # whose change may change a graph
STAGES = ("conditioning", "features", "controlnet", "unet", "decode")  # of the loop, that graphs run
INT8 = "int8"
OVERHEAD = 32 * 2**20  # bytes of a runtime's code and compiled kernels
SIZES = 2  # whose sessions are held at once


class Session(Protocol):
    """An open graph."""

    provider: str

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]: ...

    def outside(self) -> float:
        """Share of the nodes that run elsewhere than was asked for; nan where that is not told."""
        ...


OpenSession = Callable[[Engine, Path, torch.device], Session]
Run = Callable[[str, tuple[int, int], Sequence[Tensor]], list[Tensor]]
"""(part, size (h, w), inputs) -> outputs."""
Take = Callable[[Sequence[Tensor]], Sequence[Tensor]]


class GraphRunner(Runner):
    """Runs each part of the model as a graph, opened when it is first needed."""

    def __init__(self, models: Models, engine: Engine, cache: Cache | None = None) -> None:
        super().__init__(models, engine)
        assert engine.session is not None
        self.cache = cache or Cache()
        self.models = serve(models, self._run)
        self._open: OpenSession = resolve_name(engine.session)
        self._sizes: OrderedDict[tuple[int, int], dict[str, _Open]] = OrderedDict()
        self._lock = threading.RLock()

    def prepare(self, size: tuple[int, int], say: Say = unsaid, *, reusing: bool = False) -> None:
        for part in needed(self.plain, reusing=reusing):
            self.session(part, size, say)

    def extra_memory(self, stages: Mapping[str, int], weights: int, *, sliced: bool) -> int:
        """A graph keeps what it needs while another runs; measured within a third of this (docs/engines.md)."""
        held = [stages.get(name, 0) for name in STAGES if not (sliced and in_strips(name))]
        return weights + OVERHEAD + max(0, sum(held) - max(stages.values()))

    def built(self, size: tuple[int, int], *, reusing: bool = False) -> bool:
        """Whether every graph that such a run of this size needs is in the cache."""
        shapes = given_shapes(self.plain, size)
        for part in needed(self.plain, reusing=reusing).values():
            kind = self._kind(part)
            entry = self.cache.find(_entry_name(part, size, kind), self._facts(part, size, kind))
            if entry is None:
                return False
            shapes[part.gives] = _shapes(entry)
        return True

    def session(self, part: str, size: tuple[int, int], say: Say = unsaid) -> Session:
        """The open graph of a part; made and opened where it is not yet."""
        return self._opened(part, size, say).session

    def entry(self, part: str, size: tuple[int, int], say: Say = unsaid) -> Entry:
        """The cache's entry of a part, in int8 where that is the engine's way."""
        if part not in self.engine.int8:
            return self._exported(part, size, say)
        about = ALL_PARTS[part]
        name, facts = _entry_name(about, size, INT8), self._facts(about, size, INT8)
        if found := self.cache.find(name, facts):
            return found
        plain = self._exported(part, size, say)
        say(f"{self.name}: making {part} int8 for {size[1]}x{size[0]}, once")
        return self.cache.make(name, facts, lambda folder: self._quantized(part, size, plain, folder))

    def _exported(self, part: str, size: tuple[int, int], say: Say) -> Entry:
        """A part's entry in the networks' precision; its shapes come from those of the parts before it."""
        about = ALL_PARTS[part]
        kind = self.engine.exporter
        name, facts = _entry_name(about, size, kind), self._facts(about, size, kind)
        if found := self.cache.find(name, facts):
            return found
        shapes = given_shapes(self.plain, size)
        for giver in needed(self.plain).values():
            if giver.gives in about.takes:
                shapes[giver.gives] = _shapes(self._exported(giver.name, size, say))
        say(f"{self.name}: exporting {part} for {size[1]}x{size[0]}, once")
        return self.cache.make(name, facts, lambda folder: self._export(about, shapes, folder))

    def _export(self, part: Part, shapes: Shapes, folder: Path) -> dict[str, Any]:
        outputs = resolve_name(EXPORTERS[self.engine.exporter])(part, self.plain, shapes, folder / GRAPH)
        return {
            "model": self.plain.source,
            "inputs": input_shapes(part, shapes),
            "outputs": outputs,
            "precision": precision_of(folder / GRAPH) if self.engine.exporter == ONNX else "float32",
        }

    def _quantized(self, part: str, size: tuple[int, int], plain: Entry, folder: Path) -> dict[str, Any]:
        rows = resolve_name(CALIBRATION)(self.plain, part, size)
        quantize(plain.folder / GRAPH, folder / GRAPH, rows, size)
        return plain.about["made"] | {"precision": precision_of(folder / GRAPH)}

    def _opened(self, part: str, size: tuple[int, int], say: Say = unsaid) -> _Open:
        with self._lock:
            held = self._sizes.setdefault(size, {})
            self._sizes.move_to_end(size)
            while len(self._sizes) > SIZES:
                self._sizes.popitem(last=False)
            if part not in held:
                held[part] = self._opening(self.entry(part, size, say))
            return held[part]

    def _opening(self, entry: Entry) -> _Open:
        facts, found = entry.about["facts"], entry.about["made"]["precision"]
        wanted = INT8 if INT8 in facts else facts["dtype"]
        if found != wanted:
            raise EngineError(f"{entry.folder} was to be {wanted} and is {found}; run 'workbench engines --clear'.")
        session = self._open(self.engine, entry.folder / GRAPH, self.plain.device)
        return _Open(session, [tuple(shape) for shape in entry.about["made"]["inputs"]])

    def _run(self, part: str, size: tuple[int, int], inputs: Sequence[Tensor]) -> list[Tensor]:
        """Inputs that are not given, a UNet's residuals, are zero."""
        opened, device = self._opened(part, size, self.say), self.plain.device
        given = [value.detach() for value in inputs]
        for value, shape in zip(given, opened.inputs, strict=False):
            if tuple(value.shape) != shape:
                raise InputError(
                    f"{self.name} runs {part} on {shape}, one frame at a time; got {tuple(value.shape)}. "
                    f"Use engine 'torch' for batches."
                )
        given += [torch.zeros(shape, device=device) for shape in opened.inputs[len(given) :]]
        return [value.to(device) for value in opened.session(given)]

    def _kind(self, part: Part) -> str:
        """Of a part's graph: the exporter, or int8."""
        return INT8 if part.name in self.engine.int8 else self.engine.exporter

    def _facts(self, part: Part, size: tuple[int, int], kind: str) -> dict[str, Any]:
        """All that a graph depends on. Ranges of int8 are seen in a run of all networks."""
        network = self.plain.networks[part.network]
        more: dict[str, Any] = {} if kind in (INT8, ONNX) else {kind: _version(kind)}
        if kind == INT8:
            more = {INT8: _version("onnxruntime"), "networks": self._digests}
        return more | {
            "format": FORMAT,
            "part": part.name,
            "size": list(size),
            "dtype": str(next(network.parameters()).dtype).removeprefix("torch."),
            "weights": self._digests[part.network],
            "prompt": list(self.plain.prompt.shape),
            "versions": {name: _version(name) for name in VERSIONS},
        }

    @cached_property
    def _digests(self) -> dict[str, str]:
        return {name: weights_digest(network) for name, network in self.plain.networks.items()}


@dataclass(frozen=True)
class _Open:
    session: Session
    inputs: list[Shape]


def in_strips(stage: str) -> bool:
    """Whether torch runs this stage of the loop where ``vae_slicing`` is on."""
    return stage in ("features", "decode")


def in_float32(values: Sequence[Tensor]) -> list[Tensor]:
    """As an exported graph takes them: float32, and the timestep whole."""
    return [value.float() if value.is_floating_point() else value.long() for value in values]


def serve(models: Models, run: Run, take: Take = in_float32) -> Models:
    """The same models, whose networks are called alike and answered by ``run``. Weights and configurations are shared.

    ``take``: what becomes of the inputs before ``run`` is given them. With ``vae_slicing`` the decoder's layers are
    called one by one, by torch.
    """
    served: dict[str, Any] = {name: copy.copy(network) for name, network in models.networks.items()}

    def unet(
        sample: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        down_block_additional_residuals: Sequence[Tensor] | None = None,
        mid_block_additional_residual: Tensor | None = None,
        return_dict: bool = False,
    ) -> tuple[Tensor]:
        residuals = _together(down_block_additional_residuals, mid_block_additional_residual)
        inputs = take([sample, timestep, encoder_hidden_states, *residuals])
        return (run("unet", _size(sample), inputs)[0].to(sample.dtype),)

    def with_deep(
        sample: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        down_block_additional_residuals: Sequence[Tensor] | None = None,
        mid_block_additional_residual: Tensor | None = None,
        return_dict: bool = False,
    ) -> tuple[Tensor, Tensor]:
        residuals = _together(down_block_additional_residuals, mid_block_additional_residual)
        inputs = take([sample, timestep, encoder_hidden_states, *residuals])
        prediction, deep = run("unet_with_deep", _size(sample), inputs)
        return prediction.to(sample.dtype), deep.to(sample.dtype)

    def outer(
        sample: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        deep: Tensor,
        residuals: Sequence[Tensor] = (),
    ) -> Tensor:
        inputs = take([sample, timestep, encoder_hidden_states, deep, *residuals])
        return run("unet_outer", _size(sample), inputs)[0].to(sample.dtype)

    def controlnet(
        sample: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        controlnet_cond: Tensor,
        conditioning_scale: float = 1.0,
        return_dict: bool = False,
    ) -> tuple[list[Tensor], Tensor]:
        inputs = take([sample, timestep, encoder_hidden_states, controlnet_cond])
        found = run("controlnet", _size(sample), inputs)
        *down, mid = ((value * conditioning_scale).to(sample.dtype) for value in found)
        return down, mid

    def conditioning(condition: Tensor) -> Tensor:
        size = _size(condition, SCALE // models.unshuffles)
        return run("conditioning", size, take([condition]))[0].to(condition.dtype)

    def temporal_memory(warped: Tensor) -> list[Tensor]:
        return [value.to(warped.dtype) for value in run("features", _size(warped, SCALE), take([warped]))]

    def base(colours: Tensor) -> Base:
        return Base(*(value.to(colours.dtype) for value in run("base", _size(colours), take([colours]))))

    def decode(
        latent: Tensor, memory: Sequence[Tensor] | None = None, tap: Tap = untapped, base: Base | None = None
    ) -> Tensor:
        held = [tap(f"tpm.{k}.previous", value) for k, value in enumerate(memory or ())]
        part, inputs = "decode_first", [latent]
        if held:
            part, inputs = ("decode_on_base", [latent, *base, *held]) if base else ("decode", [latent, *held])
        return run(part, _size(latent), take(inputs))[0].to(latent.dtype)

    served["unet"].forward = unet
    served["unet"].with_deep = with_deep
    served["unet"].outer = outer
    served["controlnet"].forward = controlnet
    served["conditioning"].forward = conditioning
    served["vae"].temporal_memory = temporal_memory
    served["vae"].base = base
    served["vae"].decode = decode
    return replace(models, **served)


def _together(down: Sequence[Tensor] | None, mid: Tensor | None) -> list[Tensor]:
    return [] if down is None or mid is None else [*down, mid]


def _size(value: Tensor, scale: int = 1) -> tuple[int, int]:
    """(h, w) of the low-resolution frame."""
    return value.shape[-2] // scale, value.shape[-1] // scale


def _entry_name(part: Part, size: tuple[int, int], kind: str) -> str:
    return f"{part.name}{'' if kind == ONNX else f'-{kind}'}-{size[1]}x{size[0]}"


def _shapes(entry: Entry) -> list[Shape]:
    return [tuple(shape) for shape in entry.about["made"]["outputs"]]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
