"""Optical flow between two low-resolution frames, by estimators that need no training of ours."""

from __future__ import annotations

from collections.abc import Callable
from urllib.error import URLError

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.errors import FlowError
from workbench.flow.table import ESTIMATORS, WITHOUT_WEIGHTS
from workbench.pixels import signed_to_unit, unit_to_image

Estimator = Callable[[Tensor, Tensor], Tensor]
"""(current, previous), each (B, 3, y, x) around [-1, 1] -> flow (B, 2, y, x) in pixels of that grid."""


def load_estimator(name: str, device: torch.device) -> Estimator:
    """An estimator of ``ESTIMATORS``, its network on ``device``. Raises FlowError when its weights cannot be had."""
    if name not in ESTIMATORS:
        raise FlowError(f"no flow estimator {name!r}; there are {', '.join(ESTIMATORS)}.")
    try:
        estimator, network = ESTIMATORS[name].build(weights=True)
    except (URLError, OSError, RuntimeError) as error:
        raise FlowError(
            f"the weights of {name} could not be loaded from torchvision's hub ({error}). "
            f"Connect once so that they are cached, or choose flow={WITHOUT_WEIGHTS!r}, which needs none."
        ) from error
    if network is not None:
        network.eval().requires_grad_(False).to(device)
    return estimator


def still(current: Tensor, previous: Tensor) -> Tensor:
    """No motion: zeros (B, 2, y, x)."""
    return torch.zeros_like(current[:, :2])


def dis(current: Tensor, previous: Tensor) -> Tensor:
    """Dense Inverse Search (Kroeger et al., ECCV 2016; OpenCV's medium preset), on the CPU."""
    import cv2  # by the first frame that has one before it: 15 MB

    height, width = current.shape[-2:]
    below, right = (ESTIMATORS["dis"].padded(side) - side for side in (height, width))
    flows = []
    for now, before in zip(current, previous, strict=True):
        grey = [np.pad(_grey(frame), ((0, below), (0, right)), mode="edge") for frame in (now, before)]
        # an instance that was used before would start from its last field
        field = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(grey[0], grey[1], None)  # type: ignore[call-overload]
        flows.append(torch.from_numpy(np.ascontiguousarray(field[:height, :width])).permute(2, 0, 1))
    return torch.stack(flows).to(current.device)


def _grey(frame: Tensor) -> np.ndarray:
    """(3, y, x) around [-1, 1] -> (y, x) uint8 luma."""
    import cv2

    return cv2.cvtColor(unit_to_image(signed_to_unit(frame.float())), cv2.COLOR_RGB2GRAY)


def raft_large(weights: bool) -> nn.Module:
    """RAFT (Teed & Deng, ECCV 2020), torchvision's."""
    from torchvision.models.optical_flow import Raft_Large_Weights, raft_large

    return raft_large(weights=Raft_Large_Weights.DEFAULT if weights else None, progress=False)


def raft_small(weights: bool) -> nn.Module:
    """Its small variant."""
    from torchvision.models.optical_flow import Raft_Small_Weights, raft_small

    return raft_small(weights=Raft_Small_Weights.DEFAULT if weights else None, progress=False)


def raft_estimator(network: nn.Module) -> Estimator:
    """A torchvision RAFT as an estimator: its last iterate; inputs it cannot take are padded."""

    def estimate(current: Tensor, previous: Tensor) -> Tensor:
        height, width = current.shape[-2:]
        below, right = (ESTIMATORS["raft-large"].padded(side) - side for side in (height, width))
        if below or right:
            current = F.pad(current, (0, right, 0, below), mode="replicate")
            previous = F.pad(previous, (0, right, 0, below), mode="replicate")
        flow = network(current.float(), previous.float())[-1][..., :height, :width]
        network.corr_block.corr_pyramid = []  # type: ignore[assignment]  # torchvision keeps it, the largest thing there is
        return flow

    return estimate
