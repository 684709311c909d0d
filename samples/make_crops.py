"""Side-by-side crops for the model card: bicubic, ours and the truth, at 1:1 and 3x.

python -m samples.make_crops HELDOUT_FOLDER PICTURE_FOLDER [--model FOLDER]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from workbench.models.load import load_models
from workbench.pipeline.settings import Settings
from workbench.pixels import signed_to_unit, unit_to_image
from workbench.train.evaluate import bicubic, measure, open_clips, run

LARGER = 3
DETAIL = 80  # pixels a side, shown at 3x
MARGIN = 4
CAPTION = 16


def side_by_side(pictures: Sequence[Tensor], captions: Sequence[str]) -> Image.Image:
    """(3, H, W) each: a row at 1:1, and below it the place with most detail at 3x, nearest-neighbour."""
    top, left = busiest(pictures[-1])
    details = [
        F.interpolate(p[None, :, top : top + DETAIL, left : left + DETAIL], scale_factor=LARGER)[0] for p in pictures
    ]
    height, width = pictures[0].shape[-2:]
    column = max(width, LARGER * DETAIL) + MARGIN
    sheet = Image.new("RGB", (len(pictures) * column, CAPTION + height + MARGIN + LARGER * DETAIL), "white")
    for k, (picture, detail, caption) in enumerate(zip(pictures, details, captions, strict=True)):
        ImageDraw.Draw(sheet).text((k * column + 2, 2), caption, fill="black")
        sheet.paste(image(picture), (k * column, CAPTION))
        sheet.paste(image(detail), (k * column, CAPTION + height + MARGIN))
    return sheet


def busiest(picture: Tensor) -> tuple[int, int]:
    """Top left corner of the window with the strongest gradients."""
    grey = picture.mean(0, keepdim=True)
    change = torch.diff(grey, dim=1).abs()[:, :, 1:] + torch.diff(grey, dim=2).abs()[:, 1:]
    means = F.avg_pool2d(change, DETAIL - 1, stride=8)[0]
    index = int(means.argmax())
    return index // means.shape[1] * 8, index % means.shape[1] * 8


def image(picture: Tensor) -> Image.Image:
    return Image.fromarray(unit_to_image(picture))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Side-by-side crops: bicubic, the model, the truth.")
    parser.add_argument("heldout", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--model", default=None)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--side", type=int, default=256)
    given = parser.parse_args(arguments)
    given.pictures.mkdir(parents=True, exist_ok=True)
    models = load_models(given.model, device=torch.device("cpu"))
    for clip in open_clips(given.heldout, given.frames, given.side):
        plain, ours = bicubic(clip), run(models, clip, Settings())
        gained = measure(ours, clip)["psnr"], measure(plain, clip)["psnr"]
        captions = [f"bicubic {gained[1]:.2f} dB", f"ours {gained[0]:.2f} dB", f"{clip.name}: truth"]
        shown = [plain[-1], ours[-1], signed_to_unit(clip.hr[-1])]
        side_by_side(shown, captions).save(given.pictures / f"{clip.name}.png", optimize=True)


if __name__ == "__main__":
    main()
