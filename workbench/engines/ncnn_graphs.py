"""A part of a model in ncnn, on a CPU or, through Vulkan, on a GPU of any maker: converted by pnnx, run in float32."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from collections.abc import Sequence
from ctypes.util import find_library
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from workbench.engines.parts import Call, Part, Shape, Shapes, as_list, example
from workbench.engines.table import Engine
from workbench.errors import EngineError
from workbench.models.models import Models

HALF = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage", "use_bf16_packed")
COARSE = "use_winograd63_convolution"  # its large tiles lose three digits: ten times the bytes that may differ
SOFTWARE = 3  # ncnn's number for a Vulkan that runs on the CPU
LONGEST = 1800.0  # seconds of one conversion; the published width's UNet took three minutes of a busy core


@torch.no_grad()
def export_part(part: Part, models: Models, shapes: Shapes, path: Path) -> list[Shape]:
    """Writes ``path`` with the suffixes .param and .bin; returns the shapes of the outputs.

    Raises EngineError where pnnx fails.
    """
    call = Call(part, models.networks[part.network]).cpu().eval()
    inputs = tuple(_as_float(value) for value in example(part, shapes))
    outputs = [tuple(value.shape) for value in as_list(call(*inputs))]
    try:
        with TemporaryDirectory(dir=path.parent) as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the tracer: every shape is static here
            traced = Path(folder) / "part.pt"
            torch.jit.save(torch.jit.trace(call, inputs, check_trace=False), traced)
            failed = _convert(traced, [value.shape for value in inputs], path)
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:  # torch's errors are RuntimeErrors
        failed = " ".join(str(error).split())[:300]
    if failed:
        raise EngineError(f"{part.name} could not be converted for ncnn ({failed}).")
    return outputs


def _convert(traced: Path, shapes: Sequence[Sequence[int]], path: Path) -> str:
    """By the program that the package pnnx holds; what went wrong, empty where nothing did."""
    import pnnx

    path = path.resolve()
    written = {"ncnnparam": path.with_suffix(".param"), "ncnnbin": path.with_suffix(".bin")}
    given = ",".join(f"[{','.join(map(str, shape))}]f32" for shape in shapes)
    words = [pnnx.EXEC_PATH, traced.name, f"inputshape={given}", "fp16=0", *(f"{k}={v}" for k, v in written.items())]
    done = subprocess.run(words, cwd=traced.parent, capture_output=True, text=True, timeout=LONGEST, check=False)
    if done.returncode == 0 and all(file.is_file() for file in written.values()):
        return ""
    return f"pnnx ended with {done.returncode}: {' '.join(done.stderr.split())[-300:]}"


class Session:
    """Tensors in, tensors out. One call at a time."""

    def __init__(self, net: Any, provider: str) -> None:
        self._net = net
        self._inputs = [(name, int(name.removeprefix("in"))) for name in net.input_names()]  # without unused ones
        count = sum(name.startswith("out") for name in net.output_names())  # the others are inputs that nothing uses
        self._outputs = [f"out{k}" for k in range(count)]
        self._lock = threading.Lock()
        self.provider = provider

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """float32 (and the timestep, int64) -> float32, new each time. ncnn knows no batch: here it is always one."""
        import numpy as np

        given = [_as_float(value)[0].contiguous() if value.dim() else _as_float(value) for value in inputs]
        with self._lock, self._net.create_extractor() as extractor:
            for name, k in self._inputs:
                # A copy, which ncnn owns: it works in place, and drops what it does not own while it still needs it.
                extractor.input(name, _ncnn().Mat(given[k].numpy()).clone())
            results = [extractor.extract(name) for name in self._outputs]
            if failed := [code for code, _ in results if code]:
                raise EngineError(f"ncnn could not run a graph (code {failed[0]}); choose engine 'torch'.")
            return [torch.from_numpy(np.array(value))[None] for _, value in results]

    def outside(self) -> float:
        """Layers without a Vulkan version run on the CPU, and ncnn does not tell which."""
        return 0.0 if self.provider == "CPU" else float("nan")


def open_on_cpu(engine: Engine, graph: Path, device: torch.device) -> Session:
    """The graph on the CPU, on as many threads as torch."""
    return _open(engine, graph, vulkan=False)


def open_on_vulkan(engine: Engine, graph: Path, device: torch.device) -> Session:
    """The graph on the first GPU. Raises EngineError where ncnn finds none."""
    if why := no_gpu():
        raise EngineError(f"engine {engine.name!r} cannot run here: {why}.")
    return _open(engine, graph, vulkan=True)


@lru_cache(maxsize=1)
def no_gpu() -> str:
    """Why ncnn has no GPU here; empty where it has one. Without a Vulkan library it is not asked: it would complain."""
    if sys.platform != "darwin" and not (find_library("vulkan") or find_library("vulkan-1")):
        return "there is no Vulkan library"
    found = [_ncnn().get_gpu_info(k) for k in range(_ncnn().get_gpu_count())]
    if not found:
        return "ncnn finds no Vulkan GPU"
    if all(gpu.type() == SOFTWARE for gpu in found):
        return f"Vulkan is here in software only ({found[0].device_name()}), which is slower than the CPU"
    return ""


def _open(engine: Engine, graph: Path, *, vulkan: bool) -> Session:
    net = _ncnn().Net()
    net.opt.use_vulkan_compute = vulkan
    net.opt.num_threads = torch.get_num_threads()
    net.opt.blob_allocator, net.opt.workspace_allocator = _memory()
    for name in (*HALF, COARSE):
        setattr(net.opt, name, False)
    if net.load_param(str(graph.with_suffix(".param"))) or net.load_model(str(graph.with_suffix(".bin"))):
        raise EngineError(f"{engine.name} does not open {graph}; run 'workbench engines --clear'.")
    return Session(net, "Vulkan" if vulkan else "CPU")


@lru_cache(maxsize=1)
def _memory() -> tuple[Any, Any]:
    """Two pools for all graphs, which run one by one: each would else hold the most it ever needed."""
    return _ncnn().PoolAllocator(), _ncnn().PoolAllocator()


def _as_float(value: Tensor) -> Tensor:
    """ncnn's tensors are float32 and have a dimension: so has the timestep."""
    return value.float().reshape(value.shape or (1,))


def _ncnn() -> Any:
    import ncnn

    return ncnn
