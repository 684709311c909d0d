"""What the parts of a model are given in a run: int8 graphs take the ranges of their values from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from workbench.engines.graphs import in_float32, serve
from workbench.engines.parts import ALL_PARTS
from workbench.engines.runner import Runner
from workbench.models.models import Models
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings

FRAMES = 5
LEAVES = 600
SMALLEST = 3.0  # radius in pixels
SETTINGS = Settings(flow="dis", flow_size="input")  # RAFT's weights may not be here


def calibration(models: Models, part: str, size: tuple[int, int]) -> list[list[Tensor]]:
    """The inputs of every call of a part while some frames of ``size`` (h, w) are upscaled, as a graph takes them."""
    rows: list[list[Tensor]] = []

    def run(name: str, size: tuple[int, int], inputs: Sequence[Tensor]) -> list[Tensor]:
        if name == part:
            rows.append([value.clone() for value in in_float32(inputs)])
        return ALL_PARTS[name].of(models, inputs)

    runner = Runner(models)
    runner.models = serve(models, run, take=list)
    for _ in Pipeline(models, runner).stream(leaves(size, FRAMES), SETTINGS):
        pass
    return rows


def leaves(size: tuple[int, int], count: int) -> list[np.ndarray]:
    """``count`` frames (h, w, 3), uint8, of fallen leaves, which move by (1, 2) pixels a frame.

    Discs that hide each other, their radii distributed by a power law, have edges, flat areas and all scales, as
    pictures do (Lee, Mumford, Huang, 2001).
    """
    h, w = size
    height, width = h + count, w + 2 * count
    random = np.random.default_rng(0)
    picture = np.zeros((height, width, 3))
    y, x = np.mgrid[:height, :width]
    for _ in range(LEAVES):
        radius = SMALLEST / np.sqrt(random.uniform(0.002, 1))
        inside = (y - random.uniform(0, height)) ** 2 + (x - random.uniform(0, width)) ** 2 < radius**2
        picture[inside] = random.uniform(0, 255, 3)
    picture = picture.round().astype(np.uint8)
    return [np.ascontiguousarray(picture[k : k + h, 2 * k : 2 * k + w]) for k in range(count)]
