"""A graph in OpenVINO, on a CPU, in float32 and on as many threads as torch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.engines.table import Engine
from workbench.errors import EngineError

DEVICE = "CPU"


class Session:
    """Tensors in, tensors out, without copies between torch and OpenVINO. One call at a time."""

    provider = DEVICE

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._outputs = [tuple(int(n) for n in value.shape) for value in compiled.outputs]
        self._lock = threading.Lock()

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """float32 (and the timestep, int64) -> float32, new each time."""
        import openvino

        given = [value.contiguous() for value in inputs]
        results = [torch.empty(shape) for shape in self._outputs]
        with self._lock:
            for k, value in enumerate(given):
                self._request.set_input_tensor(k, openvino.Tensor(value.numpy(), shared_memory=True))
            for k, value in enumerate(results):
                self._request.set_output_tensor(k, openvino.Tensor(value.numpy(), shared_memory=True))
            self._request.infer()
        return results

    def outside(self) -> float:
        """All of it runs on the CPU."""
        return 0.0


def open_session(engine: Engine, graph: Path, device: torch.device) -> Session:
    """The graph, compiled; the result of that is kept beside it. Raises EngineError where it is not float32."""
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",  # on some CPUs it would else be bfloat16 or float16
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "CACHE_DIR": str(graph.parent / "openvino"),
    }
    try:
        compiled = _core().compile_model(str(graph), DEVICE, options)
    except Exception as error:  # its errors are RuntimeErrors of many texts
        reason = " ".join(str(error).split())[:300]
        raise EngineError(f"{engine.name} does not open {graph} ({reason}).") from error
    check_precision(engine.name, compiled)
    return Session(compiled)


def check_precision(engine: str, compiled: Any) -> None:
    """What runs is float32 and on the CPU, by OpenVINO's own word."""
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    devices = list(compiled.get_property("EXECUTION_DEVICES"))
    if precision != "f32" or devices != [DEVICE]:
        raise EngineError(
            f"engine {engine!r} asked OpenVINO for f32 on {DEVICE} and got {precision} on {', '.join(devices)}; "
            "choose another engine."
        )


@lru_cache(maxsize=1)
def _core() -> Any:
    import openvino

    return openvino.Core()
