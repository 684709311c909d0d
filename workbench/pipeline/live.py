"""Counts live bytes and operations of a computation that runs for its shapes only: nothing is computed."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from workbench.pipeline.shapes import DispatchMode

aten = torch.ops.aten
FACTORS: dict[Any, Callable[..., int]] = {
    aten.convolution: lambda x, weight, *_: weight.numel() // weight.shape[0],
    aten.mm: lambda x, y: x.shape[-1],
    aten.bmm: lambda x, y: x.shape[-1],
    aten.addmm: lambda bias, x, y, **_: x.shape[-1],
    aten.baddbmm: lambda bias, x, y, **_: x.shape[-1],
}
"""multiplications for each number of the result"""
BLOCK = 8  # channels that a blocked convolution keeps together, at least


class LiveBytes(DispatchMode):
    """Follows every storage that an operator makes until it is freed; the highest sum is kept per stage.

    ``flop``: floating-point operations of convolutions and matrix products (a multiplication and an addition are two).

    Used inside ``shapes_only``; ``with live("unet"): ...`` names what runs, as a ``Clock`` does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.flop = 0
        self.peaks: dict[str, int] = {}
        self._stage = "input"
        self._known: set[int] = set()

    @property
    def peak(self) -> int:
        return max(self.peaks.values(), default=0)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        outer, self._stage = self._stage, stage
        yield
        self._stage = outer

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = {value.untyped_storage()._cdata for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)}
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in FACTORS:
            self.flop += 2 * result.numel() * FACTORS[func.overloadpacket](*args)
        for value in tree_leaves(result):
            if isinstance(value, Tensor) and value.untyped_storage()._cdata not in given:  # a view takes none
                self._follow(value.untyped_storage())
        scratch = _scratch(args[0], args[1], result) if func is aten.convolution.default else 0
        self.peaks[self._stage] = max(self.peaks.get(self._stage, 0), self.live + scratch)
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._known:
            return
        size = storage.nbytes()
        self._known.add(key)
        self.live += size
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def _scratch(x: Tensor, weight: Tensor, y: Tensor) -> int:
    """oneDNN copies all sides of a convolution into its blocked layout, unless they are channels-last already.

    The result's own pages are touched only when it is copied out, and by then the input's copy is gone.
    """
    if y.dim() == 4 and y.is_contiguous(memory_format=torch.channels_last) and not y.is_contiguous():
        return 0
    blocked_x, blocked_y = (
        t.numel() // t.shape[1] * -(-t.shape[1] // BLOCK) * BLOCK * t.element_size() for t in (x, y)
    )
    reordered = weight.numel() * weight.element_size()
    return max(blocked_x + reordered + blocked_y - y.numel() * y.element_size(), blocked_y)
