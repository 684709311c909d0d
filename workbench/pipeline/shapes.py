"""Computations for their shapes only: tensors have sizes, strides and types, and no data.

Torch has shape rules for every operator (its meta device). Those of arithmetic are written in Python, and import
torch's compiler: seconds, and 100 MB, in every run that asks whether its frames fit. The rules here are short.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
Value = TypeVar("Value")


@contextmanager
def shapes_only() -> Iterator[None]:
    """New tensors have no data, and operators on such tensors give tensors without data, laid out as on the CPU."""
    with torch.device("meta"), _FusedAttention(), _Rules():
        yield


def without_data(value: Value) -> Value:
    """A deep copy (of a network, or of a dataclass of them) whose tensors have no data."""
    memo: dict[int, Any] = {}
    for tensor in _tensors(value):
        empty = torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device="meta")
        memo[id(tensor)] = nn.Parameter(empty, requires_grad=False) if isinstance(tensor, nn.Parameter) else empty
    return copy.deepcopy(value, memo)


def _tensors(value: Any) -> Iterator[Tensor]:
    for part in [value] if isinstance(value, nn.Module) else vars(value).values():
        if isinstance(part, nn.Module):
            yield from part.parameters()
            yield from part.buffers()
        elif isinstance(part, Tensor):
            yield part


class _FusedAttention(TorchFunctionMode):
    """Attention takes the CPU's fused kernel. The meta device would count a matrix that no kernel holds."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            return aten._scaled_dot_product_flash_attention_for_cpu(*args[:3])[0]
        return func(*args, **(kwargs or {}))


class DispatchMode(TorchDispatchMode):
    """Torch's, without its compiler: importing that takes longer than an estimate."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


class _Rules(DispatchMode):
    """Operators follow RULES where they have one, and torch's own rules elsewhere."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        rule = None if func._schema.is_mutable else RULES.get(func.overloadpacket)
        return (rule or func)(*args, **(kwargs or {}))


def _elementwise(*values: Any, **_: Any) -> Tensor:
    """An empty tensor of the common shape, in the layout of the first operand that has it."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    shape = torch.broadcast_shapes(*(tensor.shape for tensor in tensors))
    whole = next((tensor for tensor in tensors if tensor.shape == shape), None)
    dtype = torch.result_type(*values[:2]) if len(tensors) == 2 else tensors[0].dtype
    return tensors[0].new_empty(shape, dtype=dtype) if whole is None else torch.empty_like(whole, dtype=dtype)


def _convolution(x: Tensor, weight: Tensor, *others: Any) -> Tensor:
    """A convolution's result, channels-last where the input or the weights are."""
    y = aten.convolution.default(x, weight, *others)
    return torch.empty_like(y, memory_format=torch.channels_last) if _last(x) or _last(weight) else y


def _joined(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    first = tensors[0]
    shape = list(first.shape)
    shape[dim] = sum(tensor.shape[dim] for tensor in tensors)
    return _laid_out(first, shape)


def _stacked(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    shape = list(tensors[0].shape)
    shape.insert(dim % (len(shape) + 1), len(tensors))
    return tensors[0].new_empty(shape)


def _mean(x: Tensor, dims: Sequence[int], keepdim: bool = False, **_: Any) -> Tensor:
    gone = {dim % x.dim() for dim in dims}
    sizes = [1 if i in gone else n for i, n in enumerate(x.shape) if keepdim or i not in gone]
    return x.new_empty(sizes)


def _range(*bounds: float, dtype: torch.dtype | None = None, **_: Any) -> Tensor:
    start, end, step = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    return torch.empty(math.ceil((end - start) / step), dtype=dtype or torch.result_type(end, step), device="meta")


def _statistics(x: Tensor, *shape: int) -> tuple[Tensor, Tensor]:
    """Mean and reciprocal deviation."""
    return x.new_empty(shape), x.new_empty(shape)


def _laid_out(x: Tensor, shape: Sequence[int]) -> Tensor:
    """An empty tensor of this shape, in the layout of ``x``."""
    y = x.new_empty(shape)
    return torch.empty_like(y, memory_format=torch.channels_last) if _last(x) else y


def _last(x: Tensor) -> bool:
    return x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


RULES: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys(
        (aten.abs, aten.add, aten.clamp, aten.cos, aten.div, aten.exp, aten.gelu, aten.mul, aten.neg, aten.pow),
        _elementwise,
    ),
    **dict.fromkeys((aten.relu, aten.rsub, aten.sin, aten.sqrt, aten.sub, aten.tanh), _elementwise),
    aten.addmm: lambda bias, x, weight, **_: x.new_empty(x.shape[0], weight.shape[1]),
    aten.arange: _range,
    aten.cat: _joined,
    aten.convolution: _convolution,
    aten.grid_sampler_2d: lambda x, grid, *_: x.new_empty(*x.shape[:2], *grid.shape[1:3]),
    aten.mean: _mean,
    aten.native_batch_norm: lambda x, *_: (torch.empty_like(x), *_statistics(x, 0)),
    aten.native_group_norm: lambda x, w, b, n, c, hw, groups, eps: (torch.empty_like(x), *_statistics(x, n, groups)),
    aten.native_layer_norm: lambda x, *_: (x.new_empty(x.shape), *_statistics(x, *x.shape[:-1], 1)),
    aten.stack: _stacked,
    **dict.fromkeys(
        (aten.upsample_bicubic2d, aten.upsample_bilinear2d), lambda x, size, *_: _laid_out(x, (*x.shape[:2], *size))
    ),
}
