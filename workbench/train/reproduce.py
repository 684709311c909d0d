"""Trains the regressor's recipe again at a twentieth of its budget and compares with what that once reached.

    python -m workbench.train.reproduce MATERIAL_FOLDER OUT_FOLDER

``MATERIAL_FOLDER`` is what ``workbench.train.material`` gathered. The published numbers lie beside the recipe, in
``configs/regressor.json``. It takes some minutes on one core: the recipe of the embedded model, which begins from this
one's decoder and wants a GPU, could not be checked in that time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from workbench.errors import TrainingError
from workbench.train.recipe import load_recipe, shipped
from workbench.train.run import train

SHARE = 1 / 20
TOLERANCE = 0.2  # dB
RECIPE = shipped("regressor")
PUBLISHED = RECIPE.with_suffix(".json")


def reproduce(material: Path, out: Path) -> dict[str, float]:
    """PSNR-Y over bicubic (dB) that the short run reaches on each held-out clip."""
    recipe = load_recipe(RECIPE).scaled(SHARE)
    recipe = replace(recipe, evaluate_every=recipe.iterations)  # what counts is where it ends
    train(recipe, [material / "train"], out, heldout=material / "heldout", device="cpu")
    return final_gains(out / "log.jsonl")


def final_gains(log: Path) -> dict[str, float]:
    """A run's last PSNR-Y over bicubic (dB) on each clip, from its log."""
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return {e["clip"]: e["model"]["psnr"] - e["bicubic"]["psnr"] for e in entries if "clip" in e}


def compare(gains: Mapping[str, float], published: Mapping[str, float]) -> list[str]:
    """A line a clip; TrainingError when a gain is further than 0.2 dB below the published one."""
    if published.keys() - gains.keys():
        raise TrainingError(f"the published clips are {sorted(published)}, these are {sorted(gains)}.")
    lines = [f"{clip}: {gains[clip]:+.2f} dB over bicubic, published {published[clip]:+.2f}" for clip in published]
    if any(gains[clip] < published[clip] - TOLERANCE for clip in published):
        raise TrainingError("the recipe did not reach its published numbers: " + "; ".join(lines) + ".")
    return lines


def main(material: str, out: str) -> None:
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))["one_twentieth"]
    for line in compare(reproduce(Path(material), Path(out)), published):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
