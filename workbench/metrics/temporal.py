"""Metrics of two successive frames: does the picture stay the same while it moves?

All take single pictures (3, H, W), float RGB in [0, 1], and return () tensors; lower is better everywhere.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

from workbench.errors import FlowError, MetricUnavailable
from workbench.flow.estimators import Estimator, load_estimator
from workbench.metrics.images import batched
from workbench.metrics.learned import lpips
from workbench.metrics.motion import Correspondence
from workbench.pixels import unit_to_image, unit_to_signed


def warping_error(output: Tensor, previous: Tensor, motion: Correspondence) -> Tensor:
    """Mean squared error between a frame and the previous one moved along ``motion``, 0..1.

    As the published code defines it (Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018): occluded
    pixels are masked, the sum is divided by 3 times the visible pixels, and it is 0 when none is visible. Theirs takes
    FlowNet2's flow of the input video; ``estimate_motion`` takes DIS.
    """
    batched(output, previous, single=True)
    seen = motion.visible.sum()
    error = motion.visible * (output - motion.fetch(previous)).square()
    return error.sum() / (3 * seen if seen else error.numel())


def flicker(output: Tensor, previous: Tensor, motion: Correspondence) -> Tensor:
    """Mean |O_t - warp(O_{t-1})| over visible pixels in 8-bit levels, 0..255; needs no reference.

    Exactly zero for a still clip; not a number when no pixel is visible. It rewards blur, which cannot flicker:
    read it beside a fidelity or sharpness metric.
    """
    batched(output, previous, single=True)
    change = (output - motion.fetch(previous)).abs().mean(0, keepdim=True)
    return 255 * change[motion.visible].mean()


def tof_farneback(output: Tensor, previous: Tensor, reference: Tensor, previous_reference: Tensor) -> Tensor:
    """tOF of TecoGAN (Chu et al., 2020): mean length of the difference of the two flows, in pixels.

    Farneback's flow between grey 8-bit frames, previous to current. TecoGAN's own script also crops the borders to
    multiples of 32 and leaves out the first and last two frames; this takes the whole picture.
    Not comparable to ``tof_raft``.
    """
    batched(output, previous, reference, previous_reference, single=True)
    difference = _farneback(previous, output) - _farneback(previous_reference, reference)
    return torch.tensor(float(np.linalg.norm(difference, axis=-1).mean()))


@torch.no_grad()
def tof_raft(output: Tensor, previous: Tensor, reference: Tensor, previous_reference: Tensor) -> Tensor:
    """tOF of StableVSR (Rota et al., 2024): mean |difference| of the RAFT-large flows' components, in pixels, x10.

    Raises MetricUnavailable when RAFT's weights cannot be had. Not comparable to ``tof_farneback``.
    """
    pictures = batched(output, previous, reference, previous_reference, single=True)
    estimate = raft()
    now, before, true_now, true_before = map(unit_to_signed, pictures)
    return 10 * (estimate(now, before) - estimate(true_now, true_before)).abs().mean()


def tlpips(
    output: Tensor, previous: Tensor, reference: Tensor, previous_reference: Tensor, *, scale: float = 100
) -> Tensor:
    """|LPIPS(reference pair) - LPIPS(output pair)| times ``scale``: 100 in TecoGAN (``tLP``), 1000 in StableVSR.

    Raises MetricUnavailable when LPIPS cannot be had.
    """
    batched(output, previous, reference, previous_reference, single=True)
    return scale * (lpips(reference, previous_reference) - lpips(output, previous)).abs()


def tlpips_x1000(output: Tensor, previous: Tensor, reference: Tensor, previous_reference: Tensor) -> Tensor:
    """``tlpips`` in StableVSR's scale."""
    return tlpips(output, previous, reference, previous_reference, scale=1000)


@lru_cache(maxsize=1)
def raft() -> Estimator:
    """RAFT-large with torchvision's weights; raises MetricUnavailable without them."""
    try:
        return load_estimator("raft-large", torch.device("cpu"))
    except FlowError as error:
        raise MetricUnavailable(
            f"tof_raft needs the weights of raft-large ({error.__cause__ or error}). Connect once so that they are "
            f"cached, or choose tof_farneback, which needs none."
        ) from error


def _farneback(before: Tensor, now: Tensor) -> np.ndarray:
    """Flow (H, W, 2) with TecoGAN's parameters."""
    grey = [_grey(frame) for frame in (before, now)]
    return cv2.calcOpticalFlowFarneback(grey[0], grey[1], None, 0.5, 3, 15, 3, 5, 1.2, 0)  # type: ignore[call-overload]


def _grey(frame: Tensor) -> np.ndarray:
    return cv2.cvtColor(unit_to_image(frame), cv2.COLOR_RGB2GRAY)
