"""CUDA graphs: each part of a model recorded once for a frame size, then replayed in one launch.

A replay computes what the recording computed, where it computed it: inputs are copied in, results are copied out.
Python does not run in between, so nothing inside a network can be looked at; the loop's own taps fire as ever.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from workbench.engines.compiled import CompiledRunner
from workbench.engines.graphs import SIZES, STAGES, in_strips, serve
from workbench.engines.parts import REUSING, Part, needed, walk
from workbench.engines.runner import Runner, Say, unsaid
from workbench.engines.table import Engine
from workbench.errors import EngineError, InputError
from workbench.models.models import Models

WARM_UP = 3  # calls before a recording: libraries choose their kernels and take their memory in the first ones

Replay = Callable[[], object]
Record = Callable[[Callable[[], list[Tensor]]], tuple[list[Tensor], Replay]]
"""Runs a call; gives its results, and what computes them once more in the same place."""


class CapturedRunner(Runner):
    """``recorder`` makes what records the parts of one size, which share their working memory."""

    def __init__(self, models: Models, engine: Engine, recorder: Callable[[], Record] | None = None) -> None:
        super().__init__(models, engine)
        self._recorder = recorder or partial(CudaRecorder, models.device)
        self._recorded = self.recorded(models)
        self._sizes: OrderedDict[tuple[int, int], dict[str, _Captured]] = OrderedDict()
        self._lock = threading.RLock()
        self.models = serve(models, self._run, take=list)

    def recorded(self, models: Models) -> Models:
        """The networks of which a recording is made."""
        return models

    def prepare(self, size: tuple[int, int], say: Say = unsaid, *, reusing: bool = False) -> None:
        for part in needed(self.plain, reusing=reusing):
            self._part(part, size)

    def extra_memory(self, stages: Mapping[str, int], weights: int, *, sliced: bool) -> int:
        """The recordings' working memory, which they share and nothing else can use; and what goes into and comes out
        of each part, about as much again (docs/devices.md)."""
        return 2 * max((stages.get(name, 0) for name in STAGES if not (sliced and in_strips(name))), default=0)

    def _run(self, part: str, size: tuple[int, int], inputs: Sequence[Tensor]) -> list[Tensor]:
        with self._lock:
            return self._part(part, size)(inputs)

    def _part(self, part: str, size: tuple[int, int]) -> _Captured:
        with self._lock:
            held = self._parts(size)
            if part not in held:
                held |= self._captured(size, REUSING)
            return held[part]

    def _parts(self, size: tuple[int, int]) -> dict[str, _Captured]:
        with self._lock:
            if size not in self._sizes:
                try:
                    self._sizes[size] = self._captured(size, needed(self.plain))
                except torch.OutOfMemoryError as error:
                    raise EngineError(
                        f"engine {self.name!r} keeps the memory that a frame needs, and {self.plain.device} has not "
                        f"enough of it for {size[1]}x{size[0]}; choose engine 'torch', which needs less."
                    ) from error
            self._sizes.move_to_end(size)
            while len(self._sizes) > SIZES:
                self._sizes.popitem(last=False)
            return self._sizes[size]

    def _captured(self, size: tuple[int, int], wanted: dict[str, Part]) -> dict[str, _Captured]:
        record, found = self._recorder(), {}

        def capture(part: Part, inputs: list[Tensor]) -> list[Tensor]:
            if part.name not in wanted:
                return part.of(self._recorded, inputs)
            found[part.name] = captured = _Captured(part, self._recorded, inputs, record)
            return captured.outputs

        walk(self._recorded, size, capture, (needed(self.plain) | wanted).values())
        return found


class CompiledCapturedRunner(CapturedRunner):
    """Of networks whose blocks are compiled."""

    def recorded(self, models: Models) -> Models:
        return CompiledRunner(models, self.engine).models


class CudaRecorder:
    """Recordings with one pool of memory. They run one by one, and what they give is copied before the next one."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, call: Callable[[], list[Tensor]]) -> tuple[list[Tensor], Replay]:
        with torch.cuda.device(self._device):
            beside, now = torch.cuda.Stream(), torch.cuda.current_stream()
            beside.wait_stream(now)
            with torch.cuda.stream(beside):
                for _ in range(WARM_UP):
                    call()
            now.wait_stream(beside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                results = call()
        return results, graph.replay


class _Captured:
    """One part for one size."""

    def __init__(self, part: Part, models: Models, inputs: list[Tensor], record: Record) -> None:
        self._part = part
        self._inputs = inputs
        self.outputs, self._replay = record(lambda: part.of(models, inputs))

    def __call__(self, given: Sequence[Tensor]) -> list[Tensor]:
        """Inputs that are not given, a UNet's residuals, are zero."""
        for held, value in zip(self._inputs, given, strict=False):
            if held.shape != value.shape:
                raise InputError(
                    f"a recorded {self._part.name} runs on {tuple(held.shape)}, one frame at a time; got "
                    f"{tuple(value.shape)}. Use engine 'torch' for batches."
                )
            held.copy_(value)
        for held in self._inputs[len(given) :]:
            held.zero_()
        self._replay()
        return [value.clone() for value in self.outputs]
