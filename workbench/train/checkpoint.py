"""Checkpoints that survive being killed at any moment."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch

from workbench.errors import TrainingError
from workbench.train.recipe import Recipe

CHECKPOINT = "checkpoint.pt"


def save_checkpoint(folder: Path, content: dict[str, Any]) -> None:
    """Written beside, flushed to the disk, then renamed: the file is always a whole one."""
    unfinished = folder / (CHECKPOINT + ".tmp")
    with unfinished.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(folder / CHECKPOINT)


def load_checkpoint(folder: Path, recipe: Recipe) -> dict[str, Any] | None:
    """What the folder's run last saved, or None; TrainingError when it is of another recipe up to there."""
    file = folder / CHECKPOINT
    if not file.exists():
        return None
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, ValueError) as error:
        raise TrainingError(f"{file} is no whole checkpoint ({error}); delete it to start anew.") from error
    if so_far(content["recipe"], content["iteration"]) != so_far(recipe.to_json(), content["iteration"]):
        raise TrainingError(
            f"{file} is of another recipe. Give another out folder; to go on from what was learnt, "
            f"warm_start={folder / 'model'}."
        )
    return content


def so_far(recipe: str, iteration: int) -> dict[str, Any]:
    """A recipe (JSON) without the stages that are still to begin: when a run goes on, they may be others, or more."""
    about: dict[str, Any] = json.loads(recipe)
    starts = [sum(stage["iterations"] for stage in about["stages"][:k]) for k in range(len(about["stages"]))]
    begun = [stage for start, stage in zip(starts, about["stages"], strict=True) if start < iteration]
    return about | {"stages": begun}
