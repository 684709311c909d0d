"""A graph in ONNX Runtime. What was asked for runs, or opening it is an error."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.devices import synchronize
from workbench.engines.providers import CPU, Provider, fitting, plugin_devices
from workbench.engines.table import Engine
from workbench.errors import EngineError

TYPES = {"tensor(float)": torch.float32, "tensor(int64)": torch.int64}
SHARED = "session.use_env_allocators"
RECORD = "session.record_ep_graph_assignment_info"


class Session:
    """Tensors in, tensors out, on the provider's device, without copies between torch and ONNX Runtime."""

    def __init__(self, session: Any, provider: Provider, device: torch.device) -> None:
        self._session = session
        self._device = device if provider.device == "cuda" else torch.device("cpu")
        self._inputs = session.get_inputs()
        self._outputs = session.get_outputs()
        self.provider = provider.name

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """float32 (and the timestep, int64) -> float32, new each time."""
        given = [value.to(self._device).contiguous() for value in inputs]
        results = [torch.empty(value.shape, dtype=TYPES[value.type], device=self._device) for value in self._outputs]
        binding = self._session.io_binding()
        for about, value in zip(self._inputs, given, strict=True):
            binding.bind_input(**self._bound(about.name, value))
        for about, value in zip(self._outputs, results, strict=True):
            binding.bind_output(**self._bound(about.name, value))
        synchronize(self._device)  # torch may still be writing the inputs
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return results

    def outside(self) -> float:
        """Share of the graph's nodes that run on another provider than was asked for; nan where ONNX Runtime, before
        its 1.24, does not tell."""
        if not hasattr(self._session, "get_provider_graph_assignment_info"):
            return float("nan")
        nodes = [
            (part.get_ep_name() if hasattr(part, "get_ep_name") else part.ep_name, len(part.get_nodes()))
            for part in self._session.get_provider_graph_assignment_info()
        ]
        total = sum(count for _, count in nodes)
        return sum(count for name, count in nodes if name != self.provider) / total if total else 0.0

    def _bound(self, name: str, value: Tensor) -> dict[str, Any]:
        import numpy as np

        return {
            "name": name,
            "device_type": self._device.type,
            "device_id": self._device.index or 0,
            "element_type": np.int64 if value.dtype == torch.int64 else np.float32,
            "shape": tuple(value.shape),
            "buffer_ptr": value.data_ptr(),
        }


def open_session(engine: Engine, graph: Path, device: torch.device) -> Session:
    """The graph on the engine's provider for this device. Raises EngineError where it runs on another one."""
    import onnxruntime

    provider = choose_provider(engine, device)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_mem_pattern = provider.memory_pattern
    share_memory()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    for key, value in {RECORD: "1", SHARED: "1", **provider.session}.items():
        options.add_session_config_entry(key, value)
    asked: dict[str, Any] = {"providers": [(provider.name, dict(provider.options))]}
    if provider.plugin:
        options.add_provider_for_devices(plugin_devices(provider), dict(provider.options))
        asked = {}
    try:
        session = onnxruntime.InferenceSession(graph, options, **asked)
    except Exception as error:  # its errors are its own classes, of each library another
        reason = " ".join(str(error).split())[:300]
        raise EngineError(f"{engine.name} does not open {graph} ({reason}).") from error
    check_provider(engine.name, provider.name, session.get_providers())
    return Session(session, provider, device)


@lru_cache(maxsize=1)
def share_memory() -> None:
    """One arena for all sessions, which run one by one: each would else keep the most it ever needed."""
    import onnxruntime

    where = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    as_requested = onnxruntime.OrtArenaCfg(0, 1, -1, -1)  # no limit; grown by what is asked for, not by doubling
    onnxruntime.create_and_register_allocator(where, as_requested)


def choose_provider(engine: Engine, device: torch.device) -> Provider:
    """The engine's first provider that is here and whose tensors live on this kind of device."""
    found = fitting(engine, device.type)
    if not found:
        raise EngineError(f"engine {engine.name!r} has no provider for {device} here; choose another engine.")
    return found[0]


def check_provider(engine: str, wanted: str, found: Sequence[str]) -> None:
    """ONNX Runtime goes on with the CPU where a provider does not start; that is not what was asked for."""
    if not found or found[0] != wanted:
        raise EngineError(
            f"engine {engine!r} asked ONNX Runtime for {wanted} and got {', '.join(found) or 'nothing'}: "
            f"the provider is installed but does not start here. Mend its libraries, or choose another engine."
        )


__all__ = ["CPU", "Session", "check_provider", "choose_provider", "open_session"]
