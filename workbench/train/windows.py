"""Windows of scenes: where they are cut, and how they are turned.

Shapes: B windows of T frames, (h, w) LR, (H, W) = (4h, 4w); N scenes.

Chance decides on numbers alone, so a batch is the same whether the scenes lie on the disk or on the device.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from workbench.errors import TrainingError
from workbench.train.recipe import Stage
from workbench.train.scenes import Places, Scene, Scenes

CANDIDATES = 3  # half of the windows are the one of so many with most detail
EXCHANGED = 0.3  # share of the windows whose colours change places


@dataclass(frozen=True)
class Windows:
    """Where the windows of a batch are, and how they are turned."""

    at: Places
    turns: np.ndarray
    """(B, 3), bool: mirrored, upside down, transposed"""
    colours: np.ndarray
    """(B, 3): which channel comes where"""


def draw_windows(scenes: Scenes, stage: Stage, random: np.random.Generator) -> Windows:
    """Any frames of any scenes. Raises TrainingError where the stage wants more than a scene has."""
    count, height, width = scenes.shape
    if stage.frames > count or stage.patch > min(height, width):
        raise TrainingError(
            f"stage {stage.name!r} wants {stage.frames} frames of {stage.patch} pixels, the scenes have {count} of "
            f"{width}x{height}."
        )
    size = (stage.batch, CANDIDATES)
    number = random.integers(len(scenes), size=stage.batch)
    first = random.integers(count - stage.frames + 1, size=stage.batch)
    top = random.integers(height - stage.patch + 1, size=size)
    left = random.integers(width - stage.patch + 1, size=size)
    detail = scenes.detail(number[:, None], top, left, stage.patch)
    best = np.where(random.random(stage.batch) < 0.5, detail.argmax(1), 0)
    kept = np.arange(stage.batch), best
    order = np.argsort(random.random((stage.batch, 3)), axis=1)
    colours = np.where(random.random((stage.batch, 1)) < EXCHANGED, order, np.arange(3))
    at = Places(number, first, top[kept], left[kept])
    return Windows(at, random.random((stage.batch, 3)) < 0.5, colours)


def turned(part: Scene, windows: Windows) -> Scene:
    """Each window mirrored, transposed and its colours exchanged, as ``windows`` says."""
    device = part.hr.device
    turns = torch.from_numpy(windows.turns).to(device)
    pictures, flows = [part.hr, part.lr], [part.flow, part.motion]
    for column, axis, sign in ((0, -1, (-1.0, 1.0)), (1, -2, (1.0, -1.0))):
        chosen = turns[:, column].view(-1, 1, 1, 1, 1)
        signs = torch.tensor(sign, device=device).view(2, 1, 1)
        pictures = [torch.where(chosen, p.flip(axis), p) for p in pictures]
        flows = [torch.where(chosen, f.flip(axis) * signs, f) for f in flows]
    chosen = turns[:, 2].view(-1, 1, 1, 1, 1)
    pictures = [torch.where(chosen, p.transpose(-1, -2), p) for p in pictures]
    flows = [torch.where(chosen, f.transpose(-1, -2).flip(2), f) for f in flows]
    colours = torch.from_numpy(windows.colours).to(device).view(-1, 1, 3, 1, 1)
    pictures = [torch.take_along_dim(p, colours, 2) for p in pictures]
    return Scene(*pictures, *flows)
