"""Which flow a run uses, and the field it gives on the output grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from workbench.errors import FlowError
from workbench.flow.estimators import Estimator, load_estimator, still
from workbench.models.models import SCALE, Properties
from workbench.pipeline.frames import pad
from workbench.pipeline.settings import Settings
from workbench.pipeline.stream import upscale

FlowSource = Callable[[Tensor, Tensor], Tensor]
"""(current, previous), each (3, h, w) in [0, 1] -> (2, 4h, 4w) in output pixels."""


@dataclass(frozen=True)
class Motion:
    """Flow between two padded LR frames, (B, 3, h, w) in [-1, 1] -> (B, 2, 4h, 4w), and where it comes from."""

    between: Callable[[Tensor, Tensor], Tensor]
    estimator: str
    size: str
    substitution: str | None = None

    @property
    def metadata(self) -> dict[str, Any]:
        about = {"flow": self.estimator, "flow_size": self.size}
        return about if self.substitution is None else about | {"flow_substitution": self.substitution}


UNUSED = Motion(still, "unused", "output")


def choose_motion(settings: Settings, properties: Properties, device: torch.device) -> Motion:
    """The estimator these settings lead to.

    An explicit choice that cannot be had raises FlowError. Under ``auto``, a model's RAFT without weights is
    replaced by DIS on the input grid, and the reason is reported in every output's metadata.
    """
    size = properties.flow_size if settings.flow_size == "auto" else settings.flow_size
    name = properties.flow if settings.flow == "auto" else settings.flow
    if name == "none":
        return Motion(lambda current, previous: still(upscale(current), previous), "none", size)
    try:
        return Motion(on_grid(load_estimator(name, device), size), name, size)
    except FlowError as error:
        if settings.flow != "auto":
            raise
        return Motion(on_grid(load_estimator("dis", device), "input"), "dis", "input", substitution=str(error))


def given_motion(source: FlowSource, size: tuple[int, int]) -> Motion:
    """A caller's own flow for frames of ``size`` (h, w); it never sees the padding."""
    height, width = size

    def between(current: Tensor, previous: Tensor) -> Tensor:
        shown = [(frame[0, :, :height, :width] + 1) / 2 for frame in (current, previous)]
        flow = source(shown[0], shown[1])
        wanted = (2, height * SCALE, width * SCALE)
        if tuple(flow.shape) != wanted:
            raise FlowError(f"the given flow must have shape {wanted} (output pixels), got {tuple(flow.shape)}.")
        return pad(flow[None].to(current.device, torch.float32), multiple=4 * SCALE)

    return Motion(between, "given", "output")


def on_grid(estimate: Estimator, size: str) -> Callable[[Tensor, Tensor], Tensor]:
    def at_output(current: Tensor, previous: Tensor) -> Tensor:
        return estimate(upscale(current), upscale(previous)).float()

    def at_input(current: Tensor, previous: Tensor) -> Tensor:
        flow = estimate(current, previous).float()
        return SCALE * F.interpolate(flow, scale_factor=SCALE, mode="bilinear", align_corners=False)

    return at_output if size == "output" else at_input
