"""The optical-flow estimators, one row each: settings, model properties, memory and motion all read this table.

Functions stand as "module:name" and are imported when they are called, so that a form can list the rows without torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any


def no_volume(height: int, width: int) -> int:
    """For estimators whose memory grows no faster than the frame."""
    return 0


def all_pairs(height: int, width: int) -> int:
    """RAFT's correlation of every 8x8 cell with every other one, in float32: 4 (y/8 x/8)^2 bytes."""
    return 4 * (height // 8 * (width // 8)) ** 2


@dataclass(frozen=True, kw_only=True)
class FlowEstimator:
    """One way to estimate flow."""

    name: str
    estimate: str
    """an ``Estimator``; where there is a network, a function that makes one of it"""
    network: str | None = None
    """function(weights: bool) -> the network, on the CPU; None: it has none, and its memory is not worth counting"""
    smallest: int = 1
    """pixels a side; smaller frames are padded"""
    multiple: int = 1
    """sides are padded to a multiple of this"""
    volume: Callable[[int, int], int] = no_volume
    """(height, width), padded -> bytes of the map that grows with the square of the pixels"""

    def padded(self, length: int) -> int:
        """The side that a frame's side is padded to."""
        return max(self.smallest, -(-length // self.multiple) * self.multiple)

    def build(self, weights: bool) -> tuple[Any, Any]:
        """(estimator, its network or None)."""
        if self.network is None:
            return resolve_name(self.estimate), None
        network = resolve_name(self.network)(weights)
        return resolve_name(self.estimate)(network), network


_HERE = "workbench.flow.estimators"
_RAFT: Any = {
    "estimate": f"{_HERE}:raft_estimator",
    "smallest": 128,  # its correlation pyramid halves the 1/8 grid three times
    "multiple": 8,
    "volume": all_pairs,
}
_ALL = (
    FlowEstimator(name="raft-large", network=f"{_HERE}:raft_large", **_RAFT),
    FlowEstimator(name="raft-small", network=f"{_HERE}:raft_small", **_RAFT),
    FlowEstimator(name="dis", estimate=f"{_HERE}:dis", smallest=32),
    FlowEstimator(name="none", estimate=f"{_HERE}:still"),
)
ESTIMATORS = {row.name: row for row in _ALL}
WITHOUT_WEIGHTS = "dis"
"""What stands in for a model's own estimator whose weights cannot be had, and for one that is too large."""
