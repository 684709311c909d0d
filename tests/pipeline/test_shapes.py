"""Without data, every operator gives the shape, type and layout that it gives with data."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from workbench.pipeline.shapes import RULES, shapes_only

aten = torch.ops.aten
MAP = torch.rand(2, 4, 6, 8)
UNARY = ("abs", "cos", "exp", "gelu", "neg", "relu", "sin", "sqrt", "tanh")
CALLS = [
    *((getattr(aten, name), lambda x, name=name: getattr(aten, name)(x)) for name in UNARY),
    (aten.add, lambda x: x + x),
    (aten.sub, lambda x: x - x[:, :1]),
    (aten.mul, lambda x: x[:, :1] * x),
    (aten.mul, lambda x: x.half() * x),
    (aten.div, lambda x: x / 2),
    (aten.rsub, lambda x: 1 - x),
    (aten.pow, lambda x: x**2),
    (aten.clamp, lambda x: x.clamp(0, 1)),
    (
        aten.addmm,
        lambda x: F.linear(x.flatten(0, 2), torch.rand(5, 8, device=x.device), torch.rand(5, device=x.device)),
    ),
    (aten.arange, lambda x: torch.arange(7, device=x.device)),
    (aten.arange, lambda x: torch.arange(0, 7, 2, dtype=torch.float32, device=x.device)),
    (aten.cat, lambda x: torch.cat([x, x[:, :1]], dim=1)),
    (aten.cat, lambda x: torch.cat([x, x], dim=-1)),
    (aten.stack, lambda x: torch.stack([x, x], dim=-1)),
    (aten.mean, lambda x: x.mean(1, keepdim=True)),
    (aten.mean, lambda x: x.mean((0, -1))),
    (aten.convolution, lambda x: F.conv2d(x, torch.rand(5, 4, 3, 3, device=x.device), stride=2, padding=1)),
    (aten.grid_sampler_2d, lambda x: F.grid_sample(x, torch.rand(2, 3, 5, 2, device=x.device), align_corners=False)),
    (aten.native_batch_norm, lambda x: F.batch_norm(x, torch.rand(4, device=x.device), torch.rand(4, device=x.device))),
    (aten.native_group_norm, lambda x: F.group_norm(x, 2)),
    (aten.native_layer_norm, lambda x: F.layer_norm(x, (8,))),
    (aten.upsample_bicubic2d, lambda x: F.interpolate(x, scale_factor=4, mode="bicubic", align_corners=False)),
    (aten.upsample_bilinear2d, lambda x: F.interpolate(x, size=(9, 7), mode="bilinear", align_corners=False)),
]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("rule", "call"), CALLS)
def test_a_rule_gives_what_the_cpu_gives(rule, call, layout):
    with torch.no_grad():
        real = call(MAP.contiguous(memory_format=layout))
        with shapes_only():
            bare = call(torch.empty(MAP.shape).contiguous(memory_format=layout))
    assert bare.device.type == "meta"
    assert (bare.shape, bare.dtype, bare.stride()) == (real.shape, real.dtype, real.stride())


def test_every_rule_is_tried():
    assert {rule for rule, _ in CALLS} == set(RULES)


def test_attention_holds_no_matrix_of_all_pairs():
    with torch.no_grad(), shapes_only():
        long = torch.empty(1, 1, 10**6, 8)
        assert F.scaled_dot_product_attention(long, long, long).shape == long.shape
