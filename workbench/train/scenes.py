"""Scenes: what a camera would have seen and what reaches the upscaler, made once and kept on the disk.

Shapes: T frames, (h, w) LR, (H, W) = (4h, 4w). A scene is a function of (seed, number) and the material alone. Making
one costs more than training on it (warping, codecs, flow), so they are made ahead, by as many threads as there are
cores to spare, and patches are cut from them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from workbench.degrade import CODECS, area, bicubic, blurred, compressed, jpeg, noisy
from workbench.errors import TrainingError
from workbench.files import replacing
from workbench.flow.estimators import dis
from workbench.pixels import SCALE, image_to_unit, unit_to_signed
from workbench.train.pool import Pool
from workbench.train.recipe import Material, SceneMaterial

ZOOM = 0.01  # largest relative change of scale per frame
TURN = 0.01  # largest rotation per frame, radians
RESIZERS = ((0.85, bicubic), (1.0, area))  # up to this chance, this one
GROUPS = (4, 12, 25, 250)  # frames from one key frame to the next
CODEC_SHARES = {"h264": 0.55, "h265": 0.13, "vp9": 0.12, "mpeg4": 0.08, "mpeg2": 0.06, "mjpeg": 0.06}


@dataclass(frozen=True)
class Scene:
    """What the camera saw and what reaches the upscaler; of several scenes, with B before all shapes."""

    hr: Tensor
    """(T, 3, H, W), uint8"""
    lr: Tensor
    """(T, 3, h, w), uint8"""
    flow: Tensor
    """(T - 1, 2, h, w), in output pixels: what the model is given, mostly an estimate as at inference"""
    motion: Tensor
    """of the same shape, what the losses judge by: the camera's where it is known, else estimated on clean frames"""


@dataclass(frozen=True)
class Places:
    """Where windows begin; (B,) each."""

    number: np.ndarray
    """of the scene"""
    first: np.ndarray
    """frame"""
    top: np.ndarray
    """in LR pixels, as ``left`` is"""
    left: np.ndarray


class Scenes:
    """A folder of scenes of one shape, made where they are missing."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count
        self._held: Scene | None = None

    def __len__(self) -> int:
        return self.count

    def path(self, number: int) -> Path:
        return self.folder / f"{number:05d}.safetensors"

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """(frames, LR rows, LR columns) of each."""
        with safe_open(str(self.path(0)), "pt") as file:
            count, _, height, width = file.get_slice("lr").get_shape()
        return count, height, width

    @property
    def bytes_needed(self) -> int:
        """Of all of them."""
        return len(self) * self.path(0).stat().st_size

    def hold(self, device: torch.device) -> None:
        """Reads all of them into the device's memory: a GPU would wait for the disk, and for each window's copy."""
        parts = {"hr": torch.uint8, "lr": torch.uint8, "flow": torch.float16, "motion": torch.float16}
        held: dict[str, Tensor] = {}
        for number in range(len(self)):
            with safe_open(str(self.path(number)), "pt") as file:
                for name, kind in parts.items():
                    part = file.get_tensor(name)
                    if number == 0:
                        held[name] = torch.empty(len(self), *part.shape, dtype=kind, device=device)
                    held[name][number] = part.to(device, non_blocking=True)
        self._held = Scene(**held)

    def windows(self, at: Places, frames: int, patch: int) -> Scene:
        """A part of each scene named by ``at``, as one Scene of (B, T, ...), where the scenes are."""
        if self._held is not None:
            return _gathered(self._held, at, frames, patch)
        places = zip(at.number, at.first, at.top, at.left, strict=True)
        parts = [
            self._window(
                int(n), *(slice(int(s), int(s) + size) for s, size in zip(p, (frames, patch, patch), strict=True))
            )
            for n, *p in places
        ]
        return Scene(*(torch.stack([getattr(part, f.name) for part in parts]) for f in fields(Scene)))

    def _window(self, number: int, frames: slice, rows: slice, columns: slice) -> Scene:
        """Part of a scene; ``rows`` and ``columns`` in LR pixels. Only that part is read."""
        steps = slice(frames.start, frames.stop - 1)
        tall, wide = (slice(SCALE * s.start, SCALE * s.stop) for s in (rows, columns))
        with safe_open(str(self.path(number)), "pt") as file:
            return Scene(
                file.get_slice("hr")[frames, :, tall, wide],
                file.get_slice("lr")[frames, :, rows, columns],
                file.get_slice("flow")[steps, :, rows, columns].float(),
                file.get_slice("motion")[steps, :, rows, columns].float(),
            )

    def detail(self, number: np.ndarray, top: np.ndarray, left: np.ndarray, patch: int) -> np.ndarray:
        """How much changes from pixel to pixel in windows of the scenes' first LR frames; arrays of one shape."""
        table, bottom, right = self._detail, top + patch, left + patch
        corners = table[number, bottom, right] + table[number, top, left]
        return corners - table[number, bottom, left] - table[number, top, right]

    @cached_property
    def _detail(self) -> np.ndarray:
        """(N, h + 1, w + 1): sums of the detail above and to the left, so that any window's takes four reads."""
        count, height, width = len(self), *self.shape[1:]
        table = np.zeros((count, height + 1, width + 1))
        for number in range(count):
            with safe_open(str(self.path(number)), "pt") as file:
                green = file.get_slice("lr")[0, 1].numpy().astype(np.float64)
            change = np.abs(np.diff(green, axis=0, append=green[-1:])) + np.abs(np.diff(green, append=green[:, -1:]))
            table[number, 1:, 1:] = change.cumsum(0).cumsum(1)
        return table

    def prepare(self, pool: Pool, material: SceneMaterial, seed: int, workers: int = 1) -> None:
        """Makes what is missing, from the photos and clips of ``pool``.

        Raises TrainingError where the scenes that are there were made otherwise.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._claim(json.dumps({"seed": seed} | asdict(material), sort_keys=True))
        missing = [k for k in range(self.count) if not self.path(k).exists()]
        with _one_opencv_thread(), ThreadPoolExecutor(workers) as executor:
            list(executor.map(lambda number: _make(pool, material, self, seed, number), missing))

    def _claim(self, made: str) -> None:
        about = self.folder / "made.json"
        if about.exists() and about.read_text(encoding="utf-8") != made:
            raise TrainingError(f"the scenes in {self.folder} were made by another recipe; give another folder.")
        about.write_text(made, encoding="utf-8")


def _gathered(held: Scene, at: Places, frames: int, patch: int) -> Scene:
    """The same parts, of scenes that are all in one memory."""
    number, first, top, left = (
        torch.from_numpy(a).to(held.hr.device)[:, None] for a in (at.number, at.first, at.top, at.left)
    )

    def part(every: Tensor, count: int, scale: int) -> Tensor:
        along, side = (torch.arange(n, device=every.device) for n in (count, scale * patch))
        rows, columns = scale * top + side, scale * left + side
        found = every[
            number[:, :, None, None],
            (first + along)[:, :, None, None],
            :,
            rows[:, None, :, None],
            columns[:, None, None],
        ]
        return found.permute(0, 1, 4, 2, 3)

    return Scene(
        part(held.hr, frames, SCALE),
        part(held.lr, frames, 1),
        part(held.flow, frames - 1, 1).float(),
        part(held.motion, frames - 1, 1).float(),
    )


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """DIS cuts a frame into as many strips as it has threads, and its flow depends on where."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _make(pool: Pool, material: SceneMaterial, scenes: Scenes, seed: int, number: int) -> None:
    """A scene on the disk is a whole one."""
    scene = draw_scene(pool, material, seed, number)
    tensors = {"hr": scene.hr, "lr": scene.lr, "flow": scene.flow.half(), "motion": scene.motion.half()}
    with replacing(scenes.path(number)) as unfinished:
        save_file({name: value.contiguous() for name, value in tensors.items()}, unfinished)


def draw_scene(pool: Pool, material: SceneMaterial, seed: int, number: int) -> Scene:
    """The scene of this number."""
    random = np.random.default_rng([seed, number])
    hr, known = _draw_clip(pool, material, random)
    truth = _bytes(hr)
    clean = _bytes(2 * bicubic(truth.float() / 255) - 1)
    lr = degraded(truth, material, random)
    estimated = known is None or random.random() < material.dis
    motion = estimated_flow(clean) if known is None else F.avg_pool2d(known, SCALE)
    return Scene(truth, lr, estimated_flow(lr) if estimated else motion, motion)


def degraded(hr: Tensor, material: SceneMaterial, random: np.random.Generator) -> Tensor:
    """(T, 3, H, W) uint8 -> (T, 3, h, w) uint8: smaller, and most often blurred, noisy or compressed, in that order."""
    damaged = random.random() >= material.clean
    if damaged and random.random() < material.blur:
        hr = _channels_first(blurred(_channels_last(hr), random.uniform(0, material.blur_sigma) * SCALE))
    resize = bicubic if not damaged else next(r for chance, r in RESIZERS if random.random() < chance or chance == 1)
    lr = _channels_last((resize(hr.float() / 255) * 255).round().byte())
    if damaged:
        if random.random() < material.noise:
            lr = noisy(lr, random.uniform(0, material.sigma), random, grain=random.random())
        if random.random() < material.jpeg:
            lr = jpeg(lr, int(random.integers(40, 96)))
        if random.random() < material.codec:
            lr = through_codec(lr, random)
    return _channels_first(lr)


def through_codec(frames: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(T, h, w, 3) uint8 after a codec of random kind, quality and group of pictures."""
    shares = {name: share for name, share in CODEC_SHARES.items() if CODECS[name].smallest <= min(frames.shape[1:3])}
    name = str(random.choice(list(shares), p=np.array(list(shares.values())) / sum(shares.values())))
    row = CODECS[name]
    quality = row.best + (row.worst - row.best) * random.beta(1.6, 1.6)
    group, between = int(random.choice(GROUPS)), int(random.integers(0, 4))
    return compressed(frames, name, quality, group=group, b_frames=between, fast=random.random() < 0.6)


def estimated_flow(lr: Tensor) -> Tensor:
    """(T, 3, h, w) uint8 -> (T - 1, 2, h, w) in output pixels, as at inference: DIS between LR frames."""
    if len(lr) == 1:
        return torch.zeros(0, 2, *lr.shape[-2:])
    frames = lr.float() / 127.5 - 1
    return SCALE * dis(frames[1:], frames[:-1])


def _bytes(picture: Tensor) -> Tensor:
    """[-1, 1] -> uint8."""
    return ((picture + 1) * 127.5).round().clamp(0, 255).byte()


def _channels_last(frames: Tensor) -> np.ndarray:
    return frames.permute(0, 2, 3, 1).contiguous().numpy()


def _channels_first(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).contiguous()


def _draw_clip(pool: Pool, material: SceneMaterial, random: np.random.Generator) -> tuple[Tensor, Tensor | None]:
    """(T, 3, H, W) in [-1, 1] and, where it is known, the flow (T - 1, 2, H, W)."""
    side, count = material.side * SCALE, material.frames
    if random.random() < material.flat:
        return one_colour(count, side, random)
    if not pool.clips or (pool.photos and random.random() < material.photos):
        return moving_photo(pool, material, count, side, random)
    return cut_clip(pool, count, side, random), None


def one_colour(count: int, side: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Half of each colour's channels, on average, are at an end of the range."""
    colour = torch.from_numpy(random.uniform(-2, 2, 3)).float().clamp(-1, 1)
    return colour.view(1, 3, 1, 1).repeat(count, 1, side, side), torch.zeros(count - 1, 2, side, side)


def cut_clip(pool: Pool, count: int, side: int, random: np.random.Generator) -> Tensor:
    clip = pool.clips[random.integers(len(pool.clips))]
    start = random.integers(max(1, len(clip) - count + 1))
    return _crop(clip[start : start + count], side, random)


def moving_photo(
    pool: Pool, material: Material, count: int, side: int, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """A photo under a camera that pans, zooms and turns evenly; the flow follows from the camera."""
    photo = pool.photos[_by_area(pool.photos, side, random)]
    if count == 1:
        return _crop(photo[None], side, random), torch.zeros(0, 2, side, side)
    frames, flow = _under_camera(photo, material, count, side, random)
    if random.random() < material.objects:
        return _with_object(frames, flow, pool.photos[_by_area(pool.photos, side, random)], material, random)
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


def _by_area(photos: list[np.ndarray], side: int, random: np.random.Generator) -> int:
    """Larger photos are drawn more often, by the square root of their area; the smallest, never."""
    weight = np.sqrt([float(p.shape[0] * p.shape[1]) * (min(p.shape[:2]) >= side // 2) for p in photos])
    if not weight.sum():
        raise TrainingError(f"no photo is half as large as a clip of {side}x{side} pixels.")
    return int(random.choice(len(photos), p=weight / weight.sum()))


def _crop(frames: np.ndarray, side: int, random: np.random.Generator, smallest: int | None = None) -> Tensor:
    """(T, H, W, 3) uint8 -> (T, 3, side, side) in [-1, 1]; of three places, the one with most detail.

    What is smaller than ``smallest`` (``side``) is mirrored at its end.
    """
    least = smallest or side
    below, beside = (max(0, least - size) for size in frames.shape[1:3])
    if below or beside:
        frames = np.pad(frames, ((0, 0), (0, below), (0, beside), (0, 0)), mode="symmetric")
    height, width = frames.shape[1:3]
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
