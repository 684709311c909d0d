"""Measures what the stages of a generative run taught, for notebook 7:

    python -m samples.make_training runs/embedded/stages material/heldout workbench/data/model/training.json

The first folder holds the model as it was after each stage, in folders called as ``RUNS`` says; the second the
held-out material. The figures are put into the file, beside the run's own log.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import cv2
import torch

from workbench import metrics
from workbench.models.load import load_models
from workbench.pipeline.settings import Settings
from workbench.pixels import signed_to_unit
from workbench.train.evaluate import (
    BORDER,
    HeldOut,
    bicubic,
    make_clip,
    measure,
    middle,
    pan,
    read_frames,
    run,
    to_range,
)

FRAMES, SIDE = 100, 128
STAGES = {
    "diffusion": "then diffusion, after a true past",
    "three": "then rollouts of three frames",
    "eight": "then rollouts of eight frames",
    "corrected": "then a picture corrected by the LR frame",
}
RUNS = (
    ("decoder", "the decoder alone", Settings(steps=1, artg=0, tpm=False)),
    *(
        (folder, words + more, settings)
        for folder, words in STAGES.items()
        for more, settings in (("", Settings()), (", ARTG off", Settings(artg=0)))
    ),
)
"""Folder of a model, what its figures are called, and how it runs."""


def clips(folder: Path) -> list[HeldOut]:
    """A camera that pans over a photograph, and a hand that moves a cup."""
    photo = cv2.imread(str(folder / "skimage-coffee.png"))
    assert photo is not None, f"{folder}/skimage-coffee.png is missing"
    return [
        pan("coffee, panned over", to_range(photo[None, ..., ::-1].copy())[0], FRAMES, SIDE),
        make_clip("cup, held in a hand", middle(read_frames(folder / "cup.mp4", 0, FRAMES), SIDE)),
    ]


def figures(pictures: torch.Tensor, clip: HeldOut) -> dict[str, Any]:
    """Means, and PSNR-Y of each frame."""
    by_frame = metrics.psnr(pictures, signed_to_unit(clip.hr), colour="y", border=BORDER)
    means = {name: round(value, 4) for name, value in measure(pictures, clip).items()}
    return means | {"psnr of each frame": [round(float(value), 3) for value in by_frame]}


def main(stages: Path, heldout: Path, file: Path) -> None:
    about = json.loads(file.read_text(encoding="utf-8"))
    about["after"] = {}
    for clip in clips(heldout):
        rows = about["after"][clip.name] = {"bicubic": figures(bicubic(clip), clip)}
        for folder, label, settings in RUNS:
            models = load_models(stages / folder, device=torch.device("cpu"))
            rows[label] = figures(run(models, clip, settings), clip)
    text = json.dumps(about, indent=1)
    file.write_text(re.sub(r"(?<=\d,)\s+(?=-?\d)", " ", text) + "\n", encoding="utf-8")  # a list of numbers on one line


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
