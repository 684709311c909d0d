"""Held-out evaluation, as it goes and at the end: a model and its baselines on clips with known truth.

Shown pictures are (T, 3, H, W) in [0, 1], rounded to 8 bit; 4 pixels of border are left out of PSNR, SSIM and HaarPSI.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from workbench import metrics
from workbench.degrade import CODECS, compressed, noisy
from workbench.metrics.motion import Correspondence, estimate_motion
from workbench.models.models import Models
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.pipeline.stream import back_project
from workbench.pixels import image_to_unit, rounded, signed_to_unit, unit_to_image, unit_to_signed, upscale
from workbench.train.data import quantised, to_lr
from workbench.train.pool import CLIPS
from workbench.video.files import media_path

BORDER = 4


@dataclass(frozen=True)
class HeldOut:
    """A clip that is measured on."""

    name: str
    hr: Tensor
    """(T, 3, H, W) in [-1, 1]"""
    lr: Tensor
    """(T, 3, h, w) in [-1, 1]"""
    motion: list[Correspondence]
    """T - 1: from each frame to the one before it"""


Damage = Callable[[np.ndarray], np.ndarray]
"""LR frames (T, h, w, 3) uint8 -> what reaches the upscaler."""


def through(codec: str, quality: float) -> Damage:
    """A codec at its usual settings."""
    return lambda frames: compressed(frames, codec, quality)


DAMAGES: dict[str, Damage] = {
    "clean": lambda frames: frames,
    **{f"h264 crf {crf}": through("h264", crf) for crf in (18, 23, 28, 33)},
    "h265 crf 28": through("h265", 28),
    "vp9 crf 40": through("vp9", 40),
    "noise 5": lambda frames: noisy(frames, 5, np.random.default_rng(0)),
}
"""What real input has gone through, by the names that logs and tables use."""


def open_clips(
    folder: Path, frames: int, largest: int | None = None, start: int = 0, *, damage: str = "clean"
) -> list[HeldOut]:
    """Every video file of a folder: some of its frames, the middle of each, with sides that are multiples of 16."""
    return [
        damaged(make_clip(file.stem, middle(read_frames(file, start, start + frames), largest)), damage)
        for file in sorted(p for p in folder.iterdir() if p.suffix in CLIPS)
    ]


def read_frames(file: Path, start: int, stop: int) -> Tensor:
    """(T, 3, H, W) in [-1, 1]."""
    decoded = []
    with av.open(media_path(file)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index >= stop:
                break
            if index >= start:
                decoded.append(frame.to_ndarray(format="rgb24"))
    return to_range(np.stack(decoded))


def to_range(frames: np.ndarray) -> Tensor:
    """(T, H, W, 3) uint8 -> (T, 3, H, W) in [-1, 1]."""
    return unit_to_signed(image_to_unit(np.asarray(frames)))


def make_clip(name: str, hr: Tensor, *, motion: list[Correspondence] | None = None, sigma: float = 0) -> HeldOut:
    """LR frames by bicubic with antialiasing, with noise of ``sigma`` / 255, as 8 bit; unknown motion is estimated."""
    lr = to_lr(hr)
    noise = torch.randn(lr.shape, generator=torch.Generator().manual_seed(0))
    noisy = quantised(lr + sigma * 2 / 255 * noise)
    if motion is None:
        shown = signed_to_unit(quantised(lr))
        motion = [estimate_motion(now, before) for now, before in zip(shown[1:], shown[:-1], strict=True)]
    return HeldOut(name, hr, noisy, motion)


def takes(damage: str, clip: HeldOut) -> bool:
    """Whether the clip's LR frames are large enough for it."""
    codec = CODECS.get(damage.split()[0])
    return codec is None or min(clip.lr.shape[-2:]) >= codec.smallest


def damaged(clip: HeldOut, damage: str) -> HeldOut:
    """The clip after one of ``DAMAGES``; truth and motion stay."""
    if damage == "clean":
        return clip
    lr = to_range(DAMAGES[damage](np.stack(frames_of(clip))))
    return replace(clip, name=f"{clip.name}, {damage}", lr=lr)


def pan(name: str, photo: Tensor, frames: int, side: int, *, sigma: float = 0) -> HeldOut:
    """A window that moves over a still (3, H, W) by (1.3, 0.7) output pixels a frame; the motion is known."""
    step = torch.tensor([1.3, 0.7])
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    last = torch.tensor([photo.shape[-1] - 1, photo.shape[-2] - 1])
    start = (last + 1 - side - step * frames) / 2
    places = [torch.stack([x, y], -1) + start + k * step for k in range(frames)]
    hr = [F.grid_sample(photo[None], (2 * at / last - 1)[None], mode="bicubic", align_corners=True) for at in places]
    known = Correspondence.given(step.view(2, 1, 1).expand(2, side, side))
    return make_clip(name, quantised(torch.cat(hr)), motion=[known] * (frames - 1), sigma=sigma)


def run(models: Models, clip: HeldOut, settings: Settings) -> Tensor:
    """The clip through the public pipeline."""
    return torch.stack([rounded(output.frame) for output in Pipeline(models).stream(frames_of(clip), settings)])


def frames_of(clip: HeldOut) -> list[np.ndarray]:
    """The clip's LR frames as the pipeline takes them: (h, w, 3) uint8."""
    return list(unit_to_image(signed_to_unit(clip.lr)))


def bicubic(clip: HeldOut, projections: int = 0) -> Tensor:
    """The baselines: bicubic enlargement, with iterations of back-projection."""
    picture = upscale(clip.lr)
    for _ in range(projections):
        picture = back_project(picture, clip.lr)
    return rounded(signed_to_unit(picture))


def measure(pictures: Tensor, clip: HeldOut) -> dict[str, float]:
    """Means over frames: PSNR of luma (dB), SSIM of luma, HaarPSI, flicker (8-bit levels)."""
    truth = signed_to_unit(clip.hr)
    inside = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    changes = [
        metrics.flicker(now, before, motion)
        for now, before, motion in zip(pictures[1:], pictures[:-1], clip.motion, strict=True)
    ]
    return {
        "psnr": float(metrics.psnr(pictures, truth, colour="y", border=BORDER).mean()),
        "ssim": float(metrics.ssim(pictures, truth, colour="y", border=BORDER).mean()),
        "haarpsi": float(metrics.haarpsi(pictures[inside], truth[inside]).mean()),
        "flicker": float(torch.stack(changes).mean()),
    }


def middle(frames: Tensor, largest: int | None) -> Tensor:
    """(..., H, W) -> the middle of it, with sides that are multiples of 16 and at most ``largest``."""
    height, width = frames.shape[-2:]
    tall, wide = (min(side, largest or side) // 16 * 16 for side in (height, width))
    top, left = (height - tall) // 2, (width - wide) // 2
    return frames[..., top : top + tall, left : left + wide]
