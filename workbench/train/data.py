"""Training clips: a pool of photographs and clips, and batches drawn from it.

Shapes: B batch, T frames, (h, w) LR, (H, W) = (4h, 4w). Pictures are in [-1, 1].

A batch is a function of (seed, iteration) and the material alone, so a run that is cut and resumed sees what an
uncut one would have seen.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from workbench.errors import TrainingError
from workbench.flow.estimators import dis
from workbench.pixels import (
    SCALE,
    downscale,
    image_to_unit,
    rounded,
    signed_to_unit,
    unit_to_signed,
    upscale_flow,
)
from workbench.train.recipe import Material, Stage

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
CLIPS = (".mkv", ".mp4", ".mov", ".avi", ".webm", ".mpg", ".gif")
LONGEST = 1600  # pixels of a photo's longer side after reduction
ZOOM = 0.01  # largest relative change of scale per frame
TURN = 0.01  # largest rotation per frame, radians


@dataclass(frozen=True)
class Batch:
    """``hr`` (B, T, 3, H, W); ``lr`` (B, T, 3, h, w), 8 bit, perhaps noisy.

    ``flow`` (B, T - 1, 2, H, W) is what the model is given, mostly an estimate as at inference; ``motion``, of the same
    shape, is what the losses judge by: the camera's where it is known, else estimated without the noise.
    """

    hr: Tensor
    lr: Tensor
    flow: Tensor
    motion: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(self.hr.to(device), self.lr.to(device), self.flow.to(device), self.motion.to(device))


class Pool:
    """All material, decoded once into ``cache`` and read from there: photos (H, W, 3), clips (T, H, W, 3), uint8."""

    def __init__(self, folders: Sequence[Path], cache: Path) -> None:
        files = sorted(f for folder in folders for f in Path(folder).rglob("*") if f.is_file())
        self.photos: list[np.ndarray] = []
        self.clips: list[np.ndarray] = []
        cache.mkdir(parents=True, exist_ok=True)
        for file in files:
            if file.suffix.lower() in PICTURES:
                self.photos.extend(_cached(file, cache, _photo))
            elif file.suffix.lower() in CLIPS:
                self.clips.extend(_cached(file, cache, _clip))
        if not self.photos and not self.clips:
            raise TrainingError(
                f"no photos ({', '.join(PICTURES)}) or clips ({', '.join(CLIPS)}) in {', '.join(map(str, folders))}."
            )

    def __repr__(self) -> str:
        return f"Pool({len(self.photos)} photos, {len(self.clips)} clips)"


def _cached(file: Path, cache: Path, decode: Callable[[Path], Iterator[np.ndarray]]) -> list[np.ndarray]:
    """A file's pictures, decoded at its first use; a folder of them appears only when it is whole."""
    about = file.stat()
    key = hashlib.sha256(f"{file.resolve()} {about.st_size} {about.st_mtime_ns}".encode()).hexdigest()[:16]
    if not (cache / key).exists():
        unfinished = cache / f"{key}.{os.getpid()}.tmp"
        unfinished.mkdir()
        for k, picture in enumerate(decode(file)):
            np.save(unfinished / f"{k}.npy", picture)
        try:
            unfinished.rename(cache / key)
        except OSError:  # another process of the run was first, with the same pictures
            shutil.rmtree(unfinished)
    return [np.load(path, mmap_mode="r") for path in sorted((cache / key).iterdir())]


def _photo(file: Path) -> Iterator[np.ndarray]:
    """Reduced at least 2x where the photo is large enough (its pixels then are sharp), and a half-size copy."""
    from PIL import Image

    with Image.open(file) as image:
        rgb = np.asarray(image.convert("RGB"))
    yield from _reduced(rgb[None], max(2.0, max(rgb.shape[:2]) / LONGEST) if min(rgb.shape[:2]) >= 400 else 1.0)


def _clip(file: Path) -> Iterator[np.ndarray]:
    with av.open(str(file)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    yield from _reduced(frames, 1.0)


def _reduced(frames: np.ndarray, factor: float) -> Iterator[np.ndarray]:
    for share in (factor, 2 * factor):
        size = (round(frames.shape[2] / share), round(frames.shape[1] / share))
        small = np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) if share > 1 else f for f in frames])
        if min(size) >= 160:
            yield small[0] if len(small) == 1 else small


def draw(pool: Pool, material: Material, stage: Stage, seed: int, iteration: int) -> Batch:
    """The batch of one iteration."""
    random = np.random.default_rng([seed, iteration])
    noisy = torch.Generator().manual_seed(int(random.integers(2**62)))
    clips = [_draw_clip(pool, material, stage, random) for _ in range(stage.batch)]
    hr = torch.stack([frames for frames, _ in clips])
    clean = lr = to_lr(hr.flatten(0, 1)).unflatten(0, hr.shape[:2])
    sigma = torch.tensor(random.uniform(0, material.sigma, stage.batch) * (random.random(stage.batch) < material.noise))
    lr = lr + (sigma * 2 / 255).float().view(-1, 1, 1, 1, 1) * torch.randn(lr.shape, generator=noisy)
    lr = quantised(lr)
    flows, motions = [], []
    for k, (_, known) in enumerate(clips):
        estimated = known is None or random.random() < material.dis
        flows.append(estimated_flow(lr[k]) if estimated else known)
        motions.append(estimated_flow(quantised(clean[k])) if known is None else known)
    return Batch(hr, lr, torch.stack(flows), torch.stack(motions))


def to_lr(hr: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, 3, h, w): bicubic with antialiasing, in range."""
    return downscale(hr).clamp(-1, 1)


def quantised(picture: Tensor) -> Tensor:
    """[-1, 1] as 8 bit would hold it."""
    return unit_to_signed(rounded(signed_to_unit(picture)))


def estimated_flow(lr: Tensor) -> Tensor:
    """(T, 3, h, w) -> (T - 1, 2, H, W), as at inference: DIS between LR frames, enlarged."""
    if len(lr) == 1:
        return torch.zeros(0, 2, *(SCALE * s for s in lr.shape[-2:]))
    return upscale_flow(dis(lr[1:], lr[:-1]))


def _draw_clip(
    pool: Pool, material: Material, stage: Stage, random: np.random.Generator
) -> tuple[Tensor, Tensor | None]:
    """(T, 3, H, W) and, where it is known, the flow (T - 1, 2, H, W)."""
    side = stage.patch * SCALE
    if random.random() < material.flat:
        return _one_colour(stage.frames, side, random)
    if not pool.clips or (pool.photos and random.random() < material.photos):
        frames, flow = _moving_photo(pool, material, stage.frames, side, random)
    else:
        frames, flow = _cut_clip(pool, stage.frames, side, random), None
    if random.random() < 0.5:
        frames = frames.flip(-1)
        flow = None if flow is None else flow.flip(-1) * torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    if random.random() < 0.5:
        frames = frames.flip(-2)
        flow = None if flow is None else flow.flip(-2) * torch.tensor([1.0, -1.0]).view(1, 2, 1, 1)
    if random.random() < 0.5:
        frames = frames.transpose(-1, -2)
        flow = None if flow is None else flow.transpose(-1, -2).flip(1)
    if random.random() < 0.3:
        frames = frames[:, torch.from_numpy(random.permutation(3))]
    return frames.contiguous(), flow


def _one_colour(count: int, side: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Half of each colour's channels, on average, are at an end of the range."""
    colour = torch.from_numpy(random.uniform(-2, 2, 3)).float().clamp(-1, 1)
    return colour.view(1, 3, 1, 1).repeat(count, 1, side, side), torch.zeros(count - 1, 2, side, side)


def _cut_clip(pool: Pool, count: int, side: int, random: np.random.Generator) -> Tensor:
    clip = pool.clips[random.integers(len(pool.clips))]
    start = random.integers(max(1, len(clip) - count + 1))
    return _crop(clip[start : start + count], side, random)


def _moving_photo(
    pool: Pool, material: Material, count: int, side: int, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """A photo under a camera that pans, zooms and turns evenly; the flow follows from the camera."""
    photo = pool.photos[_by_area(pool.photos, random)]
    if count == 1:
        return _crop(photo[None], side, random), torch.zeros(0, 2, side, side)
    frames, flow = _under_camera(photo, material, count, side, random)
    if random.random() < material.objects:
        return _with_object(frames, flow, pool.photos[_by_area(pool.photos, random)], material, random)
    return frames, flow


def _under_camera(
    photo: np.ndarray, material: Material, count: int, side: int, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    still = random.random() < material.still
    pan = SCALE * material.pan * random.uniform(-1, 1, 2) * random.random() * (not still)
    zoom = ZOOM * random.uniform(-1, 1) * (not still)
    turn = TURN * random.uniform(-1, 1) * (not still)
    margin = int(np.ceil(count * (np.abs(pan).max() + side * (ZOOM + TURN)))) + 4
    wide = _crop(photo[None], side + 2 * margin, random, smallest=side)
    height, width = wide.shape[-2:]
    centre = np.array([width - 1, height - 1]) / 2
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    at = torch.stack([x, y], -1).double() - (side - 1) / 2  # (H, W, 2), around the frame's centre
    cameras = []
    for k in range(count):
        angle, scale = turn * k, 1 + zoom * k
        rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        cameras.append((torch.tensor(rotation), torch.tensor(pan * (k - (count - 1) / 2))))
    frames, flows = [], []
    for k, (rotation, shift) in enumerate(cameras):
        where = at @ rotation.T + shift  # in the photo
        grid = 2 * (where + torch.tensor(centre)) / torch.tensor([width - 1, height - 1]) - 1
        frames.append(
            F.grid_sample(wide, grid[None].float(), mode="bicubic", padding_mode="border", align_corners=True)[0]
        )
        if k > 0:
            before, origin = cameras[k - 1]
            flows.append((((where - origin) @ torch.linalg.inv(before).T) - at).permute(2, 0, 1).float())
    return torch.stack(frames).clamp(-1, 1), torch.stack(flows)


def _with_object(
    frames: Tensor, flow: Tensor, photo: np.ndarray, material: Material, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """A blob of another photo passes in front: what it uncovers, no flow can fetch."""
    count, side = len(frames), frames.shape[-1]
    speed = SCALE * material.object_speed * torch.tensor(random.uniform(-1, 1, 2)).float()  # pixels per frame
    y, x = torch.meshgrid(torch.linspace(-1, 1, side), torch.linspace(-1, 1, side), indexing="ij")
    mask = torch.sigmoid(_blob(x, y, random) * side / 6)  # its edge is a pixel or two wide
    thing = torch.cat([_crop(photo[None], side, random)[0], mask[None]])
    shown, motion = [], []
    for k in range(count):
        place = torch.stack([x, y], -1) - 2 * (k - (count - 1) / 2) * speed / side
        moved = F.grid_sample(thing[None], place[None], mode="bicubic", padding_mode="reflection", align_corners=False)
        texture, here = moved[0].split([3, 1])
        shown.append(torch.lerp(frames[k], texture, here.clamp(0, 1)))
        if k > 0:
            motion.append(torch.where(here > 0.5, -speed.view(2, 1, 1), flow[k - 1]))
    return torch.stack(shown).clamp(-1, 1), torch.stack(motion)


def _blob(x: Tensor, y: Tensor, random: np.random.Generator) -> Tensor:
    """A sum of four waves less a threshold: above zero inside some rounded shapes."""
    waves = random.uniform([1, 1, 0], [8, 8, 6], (4, 3)).tolist()
    return sum((torch.sin(u * x + v * y + phase) for u, v, phase in waves), torch.zeros(())) - random.uniform(0.3, 1.5)


def _by_area(photos: list[np.ndarray], random: np.random.Generator) -> int:
    """Larger photos are drawn more often, by the square root of their area."""
    weight = np.sqrt([float(p.shape[0] * p.shape[1]) for p in photos])
    return int(random.choice(len(photos), p=weight / weight.sum()))


def _crop(frames: np.ndarray, side: int, random: np.random.Generator, smallest: int | None = None) -> Tensor:
    """(T, H, W, 3) uint8 -> (T, 3, side, side) in [-1, 1]; of three places, the one with most detail."""
    height, width = frames.shape[1:3]
    if min(height, width) < (smallest or side):
        raise TrainingError(f"material of {width}x{height} is smaller than a training crop of {side}x{side}.")
    tall, wide = min(side, height), min(side, width)
    best, most = frames, -1.0
    for _ in range(3):
        top, left = random.integers(height - tall + 1), random.integers(width - wide + 1)
        crop = frames[:, top : top + tall, left : left + wide]
        green = crop[0, ::2, ::2, 1].astype(np.int16)
        detail = float(np.abs(np.diff(green, axis=0)).mean() + np.abs(np.diff(green, axis=1)).mean())
        if detail > most:
            best, most = crop, detail
    return unit_to_signed(image_to_unit(best))
