"""What is known to fail on Apple's GPUs never happens on the device: an audit of every operation of the loop."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.tiny import tiny_models
from workbench.flow.warp import lacks_border, warp
from workbench.pipeline import stream
from workbench.pipeline.frames import draw_noise, to_network_range
from workbench.pipeline.settings import Settings
from workbench.pipeline.state import State

MISSING_TYPES = {torch.float64, torch.complex64, torch.complex128}
NAN_IN_BF16 = ("sqrt", "rsqrt", "std", "var")  # met by users of another upscaler
LEFT_OUT = ("aten.grid_sampler_3d", "aten.baddbmm")  # the second gave NaN there, in sliced attention
MOST_ELEMENTS = 2**31 - 1  # an index is 32 bits


class Audit(TorchDispatchMode):
    """Notes what an operation does that MPS cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.bad: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = str(func)
        self.names.add(name)
        for value in tree_leaves((args, kwargs or {}, result)):
            if isinstance(value, Tensor):
                if value.dtype in MISSING_TYPES and value.ndim:
                    self.bad.add(f"{name} on {value.dtype}")
                if value.dtype is torch.bfloat16 and name.split(".")[1] in NAN_IN_BF16:
                    self.bad.add(f"{name} in bfloat16")
                if value.numel() > MOST_ELEMENTS:
                    self.bad.add(f"{name} on {value.numel()} elements")
        if name.startswith(LEFT_OUT):
            self.bad.add(name)
        if name.startswith("aten.grid_sampler_2d") and (args[2], args[3]) != (0, 0):
            self.bad.add(f"grid_sample with interpolation {args[2]} and padding {args[3]}: only bilinear and zeros")
        return result


@pytest.mark.parametrize("convention", ["published", "exact", "cubic"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_loop_does_nothing_that_mps_lacks(moving_frames, monkeypatch, convention, dtype):
    monkeypatch.setattr("workbench.flow.warp.lacks_border", lambda device: True)
    monkeypatch.setattr("workbench.flow.warp.sample_on_cpu", lambda previous, grid, mode: previous.clone())
    models = tiny_models(warp=convention, fit=0.1, blend=0.5, back_projection=0.5)
    for network in models.networks.values():
        network.to(dtype)
    first, second = (to_network_range(frame) for frame in moving_frames[:2])
    noise, settings = draw_noise(0, 1, (4, 24, 32)), Settings(steps=2)
    before = State(1, torch.zeros(1, 3, 96, 128), first, (24, 32), settings)
    flow = torch.ones(1, 2, 96, 128)
    with torch.no_grad(), Audit() as audit:
        stream.step(models, second, noise, before, settings, flow=lambda current, previous: flow)
    assert any("convolution" in name for name in audit.names)
    assert audit.bad == set()


def test_the_audit_sees_what_it_is_for():
    x = torch.ones(1, 1, 4, 4)
    with Audit() as audit:
        x.double().add(1)
        x.bfloat16().sqrt()
        torch.nn.functional.grid_sample(x, torch.zeros(1, 4, 4, 2), padding_mode="border", align_corners=False)
    assert len(audit.bad) >= 3


def test_a_border_that_a_device_lacks_is_sampled_on_the_cpu(monkeypatch):
    previous, flow = torch.rand(1, 3, 8, 8), 5 * torch.randn(1, 2, 8, 8)
    wanted = warp(previous, flow, "cubic")
    monkeypatch.setattr("workbench.flow.warp.lacks_border", lambda device: True)
    assert torch.equal(warp(previous, flow, "cubic"), wanted)
    assert not lacks_border(torch.device("cpu"))
