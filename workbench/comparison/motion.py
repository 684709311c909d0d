"""A clip's flow as small pictures, from which the player tells what changes along it (workbench/player/motion.js)."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import torch

from workbench.flow.estimators import dis
from workbench.metrics.motion import visible_pixels
from workbench.pixels import image_to_unit, unit_to_signed

LONGEST_SIDE = 160  # of a flow's picture: it is smooth
FINEST = 1 / 16  # pixels of the low-resolution frame that one level stands for at least


def flow_track(frames: Iterable[np.ndarray], enlarged: float) -> dict[str, Any]:
    """(h, w, 3) uint8 frames -> ``step``, ``scales`` and ``frames`` as motion.js reads them.

    ``enlarged``: output pixels a pixel of these frames. DIS flow between the frames as they came in: independent of the
    upscalers whose pictures are followed along it.
    """
    track: dict[str, Any] = {"scales": [1.0], "frames": [""]}  # nothing comes before the first frame
    for before, now in pairwise(frames):
        flow, visible = _flow(now, before)
        scale = max(float(np.abs(flow).max()) / 127, FINEST)
        levels = np.round(128 + flow / scale)
        picture = np.dstack([np.where(visible, 255.0, 0.0), levels[..., 1], levels[..., 0]]).astype(np.uint8)  # BGR
        png = cv2.imencode(".png", picture)[1].tobytes()
        track["frames"].append("data:image/png;base64," + base64.b64encode(png).decode())
        track["scales"].append(round(scale * enlarged, 5))
    return track


def _flow(now: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flow (y, x, 2) in pixels of the frames, and where it can be trusted (y, x), on a grid of at most LONGEST_SIDE."""
    pair = [unit_to_signed(image_to_unit(picture))[None] for picture in (now, before)]
    flow, backward = dis(pair[0], pair[1])[0], dis(pair[1], pair[0])[0]
    visible = visible_pixels(flow, backward)[0]
    shrink = min(1.0, LONGEST_SIDE / max(now.shape[:2]))
    size = (max(1, round(now.shape[1] * shrink)), max(1, round(now.shape[0] * shrink)))
    small = cv2.resize(flow.permute(1, 2, 0).contiguous().numpy(), size, interpolation=cv2.INTER_AREA)
    return small, cv2.resize(visible.to(torch.uint8).numpy(), size, interpolation=cv2.INTER_AREA) > 0
