"""Which flow a run uses, and the field it gives on the output grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.devices import readable
from workbench.errors import FlowError
from workbench.flow.estimators import Estimator, load_estimator, still
from workbench.flow.table import ESTIMATORS, WITHOUT_WEIGHTS
from workbench.models.models import Properties
from workbench.pipeline.frames import MULTIPLE, pad
from workbench.pipeline.settings import Settings
from workbench.pixels import SCALE, to_picture, upscale, upscale_flow

UNASKED = 4 * 2**30  # bytes of RAFT's correlation volume that ``auto`` takes at most

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


@dataclass(frozen=True)
class FlowChoice:
    """What settings lead to, before anything is loaded."""

    estimator: str
    grid: str
    """``output`` or ``input``"""
    asked: bool
    """whether the settings name the estimator"""
    note: str | None = None
    """why it is not what the model would take, where that is so"""


def choose_flow(settings: Settings, properties: Properties, size: tuple[int, int] | None = None) -> FlowChoice:
    """Estimator and grid for frames of ``size`` (h, w). Where the settings leave the grid open, RAFT's volume stays
    below UNASKED: the input grid is taken where the output's needs more, and DIS where the input's does too and RAFT
    was not asked for by name."""
    name = properties.flow if settings.flow == "auto" else settings.flow
    grid = properties.flow_size if settings.flow_size == "auto" else settings.flow_size
    choice = FlowChoice(name, grid, settings.flow != "auto")
    if size is None or settings.flow_size != "auto":
        return choice
    volume = correlation_volume(size, grid, name)
    small = correlation_volume(size, "input", name) <= UNASKED
    if volume <= UNASKED or (grid == "input" and choice.asked):
        return choice
    note = (
        f"{name} on the {grid} grid would make a correlation volume of {readable(volume)}, and auto makes none over "
        f"{readable(UNASKED)}: flow_size={grid!r} asks for it."
    )
    return FlowChoice(name if small or choice.asked else WITHOUT_WEIGHTS, "input", choice.asked, note)


def choose_motion(
    settings: Settings, properties: Properties, device: torch.device, size: tuple[int, int] | None = None
) -> Motion:
    """The estimator that ``choose_flow`` says, loaded."""
    return load_motion(choose_flow(settings, properties, size), device)


def load_motion(choice: FlowChoice, device: torch.device) -> Motion:
    """Loads the estimator. Raises FlowError for an explicit choice that cannot be had.

    Under ``auto``, a model's RAFT without weights is replaced by DIS on the input grid. Every substitution is reported
    in every output's metadata.
    """
    name, grid = choice.estimator, choice.grid
    try:
        return Motion(on_grid(load_estimator(name, device), grid), name, grid, choice.note)
    except FlowError as error:
        if choice.asked:
            raise
        stand_in = load_estimator(WITHOUT_WEIGHTS, device)
        return Motion(on_grid(stand_in, "input"), WITHOUT_WEIGHTS, "input", substitution=str(error))


def correlation_volume(size: tuple[int, int], grid: str = "output", estimator: str = "raft-large") -> int:
    """Bytes of an estimator's all-pairs correlation for frames of ``size`` (h, w); 0 for one that makes none.

    RAFT's, at 1280x720 in, is 197.75 GiB at output size, and 256 times less at input size.
    """
    scale, row = SCALE if grid == "output" else 1, ESTIMATORS[estimator]
    height, width = (row.padded(-(-length // MULTIPLE) * MULTIPLE * scale) for length in size)
    return row.volume(height, width)


def given_motion(source: FlowSource, size: tuple[int, int]) -> Motion:
    """A caller's own flow for frames of ``size`` (h, w); it never sees the padding."""
    height, width = size

    def between(current: Tensor, previous: Tensor) -> Tensor:
        flow = source(to_picture(current[0], size), to_picture(previous[0], size))
        wanted = (2, height * SCALE, width * SCALE)
        if tuple(flow.shape) != wanted:
            raise FlowError(f"the given flow must have shape {wanted} (output pixels), got {tuple(flow.shape)}.")
        return pad(flow[None].to(current.device, torch.float32), multiple=4 * SCALE)

    return Motion(between, "given", "output")


def on_grid(estimate: Estimator, size: str) -> Callable[[Tensor, Tensor], Tensor]:
    def at_output(current: Tensor, previous: Tensor) -> Tensor:
        return estimate(upscale(current), upscale(previous)).float()

    def at_input(current: Tensor, previous: Tensor) -> Tensor:
        return upscale_flow(estimate(current, previous).float())

    return at_output if size == "output" else at_input
