"""torch.compile of the blocks that a network is made of, each in place, so that taps of the blocks keep firing."""

from __future__ import annotations

import copy
import shutil
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from workbench.engines.parts import walk
from workbench.engines.runner import Runner, Say, unsaid
from workbench.engines.table import Engine
from workbench.errors import EngineError
from workbench.models.autoencoder import TemporalBlock
from workbench.models.models import Models

REGIONS = ("ResnetBlock2D", "BasicTransformerBlock")  # of diffusers: what its networks repeat
SHAPES = 64  # of one class's blocks; torch's own limit of 8 would leave the rest of a UNet uncompiled
COMPILERS = ("c++", "g++", "clang++", "cl")


class CompiledRunner(Runner):
    """Blocks of one class share their compilation, so the first frame waits for a few of them only."""

    def __init__(self, models: Models, engine: Engine) -> None:
        super().__init__(models, engine)
        check_compiler(models.device)
        allow_shapes()
        networks: dict[str, Any] = {name: _own_structure(network) for name, network in models.networks.items()}
        for network in networks.values():
            for region in regions(network):
                region.compile(dynamic=False)
        self.models = replace(models, **networks)

    def prepare(self, size: tuple[int, int], say: Say = unsaid, *, reusing: bool = False) -> None:
        walk(self.models, size, lambda part, inputs: part.of(self.models, inputs))


def regions(network: nn.Module) -> list[nn.Module]:
    """The modules to compile. Of a temporal block its convolutions: its taps are in what lies between them."""
    found: list[nn.Module] = []
    for module in network.modules():
        if type(module).__name__ in REGIONS:
            found.append(module)
        elif isinstance(module, TemporalBlock):
            found += [part for name, part in module.named_children() if name in ("conv", "temporal_processor")]
    return found or [network]


def allow_shapes() -> None:
    """Blocks of one class share one limit on compilations, each of another width or size of map."""
    import torch._dynamo

    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, SHAPES)


def check_compiler(device: torch.device) -> None:
    """Raises EngineError where torch.compile has nothing to compile with."""
    if device.type == "cpu" and not any(map(shutil.which, COMPILERS)):
        raise EngineError(
            f"engine 'compile' needs a C++ compiler on a CPU ({', '.join(COMPILERS)}), and none is here; "
            "install one, or choose another engine."
        )
    if device.type == "cuda" and find_spec("triton") is None:
        raise EngineError("engine 'compile' needs Triton on a GPU (pip install triton); or choose another engine.")


def _own_structure(network: nn.Module) -> nn.Module:
    """A copy that shares its tensors with the network, so that what is compiled is not the network itself."""
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    return copy.deepcopy(network, shared)
