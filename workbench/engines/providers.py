"""The table of ONNX Runtime's execution providers: how each is asked for, and where its tensors live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from workbench.engines.table import Engine

CPU = "CPUExecutionProvider"


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One execution provider."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    """its own"""
    session: Mapping[str, str] = field(default_factory=dict)
    """entries of the session's configuration"""
    plugin: str = ""
    """the module that brings it as a library; empty: it is built into ONNX Runtime"""
    device: str = "cpu"
    """where it takes its inputs from and leaves its outputs: ``cpu`` or ``cuda``"""
    memory_pattern: bool = True
    """DirectML cannot plan its memory ahead"""


PROVIDERS = {
    provider.name: provider
    for provider in (
        Provider(
            name=CPU,
            session={"session.intra_op.allow_spinning": "0"},  # torch has work for the same cores between two calls
        ),
        Provider(
            name="CUDAExecutionProvider",
            options={"use_tf32": "0", "cudnn_conv_use_max_workspace": "1", "arena_extend_strategy": "kSameAsRequested"},
            device="cuda",
        ),
        Provider(
            name="NvTensorRTRTXExecutionProvider", plugin="onnxruntime_ep_nv_tensorrt_rtx", device="cuda"
        ),  # builds in seconds
        Provider(
            name="TensorrtExecutionProvider",
            options={"trt_engine_cache_enable": "1", "trt_timing_cache_enable": "1"},
            device="cuda",
        ),
        Provider(
            name="CoreMLExecutionProvider",
            options={"ModelFormat": "MLProgram", "MLComputeUnits": "ALL", "RequireStaticInputShapes": "1"},
        ),
        Provider(name="DmlExecutionProvider", memory_pattern=False),
    )
}


@lru_cache(maxsize=1)
def providers_here() -> tuple[str, ...]:
    """Names of the providers in the table that this machine's ONNX Runtime has; empty where it is not installed."""
    if find_spec("onnxruntime") is None:
        return ()
    import onnxruntime

    built_in = onnxruntime.get_available_providers()
    plugins = [p.name for p in PROVIDERS.values() if p.plugin and plugin_devices(p)]
    return tuple(name for name in PROVIDERS if name in built_in or name in plugins)


def fitting(engine: Engine, device: str) -> list[Provider]:
    """The engine's providers that are here and whose tensors live on this type of device, in the table's order."""
    found = [PROVIDERS[name] for name in engine.providers if name in providers_here()]
    return [provider for provider in found if device not in ("cpu", "cuda") or provider.device == device]


def plugin_devices(provider: Provider) -> list[Any]:
    """Devices of a provider that comes as a library of its own, which is registered; empty where it has none."""
    if find_spec(provider.plugin) is None:
        return []
    import onnxruntime

    plugin = import_module(provider.plugin)
    name = plugin.get_ep_name()
    if name not in _registered:
        onnxruntime.register_execution_provider_library(name, plugin.get_library_path())
        _registered.add(name)
    return [device for device in onnxruntime.get_ep_devices() if device.ep_name == name]


_registered: set[str] = set()
