"""Real-ESRGAN's degradation (Wang et al., 2021): blur, resize, noise and JPEG, twice over, all drawn by chance.

One draw holds for a whole clip, as a clip comes from one camera through one chain of programs; only the noise is new in
each frame. The ranges are those of the paper's published training settings.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.special import j1

from workbench.pixels import SCALE, eight_bit

KERNELS = tuple(range(7, 22, 2))
FILTERS = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)
SINC = 0.1  # chance that a blur is the ringing of a sharp low-pass filter
LAST_SINC = 0.8


@dataclass(frozen=True)
class Stage:
    """Ranges of one stage, and the chances of enlarging and shrinking (the rest keeps its size)."""

    sigma: tuple[float, float]
    blur: float
    up: float
    down: float
    scale: tuple[float, float]
    noise: tuple[float, float]
    poisson: tuple[float, float]


STAGES = (
    Stage((0.2, 3.0), 1.0, 0.2, 0.7, (0.15, 1.5), (1, 30), (0.05, 3.0)),
    Stage((0.2, 1.5), 0.8, 0.3, 0.4, (0.3, 1.2), (1, 25), (0.05, 2.5)),
)
GREY, GAUSSIAN, QUALITY = 0.4, 0.5, (30, 95)


def realesrgan(image: np.ndarray, *, seed: int = 0, index: int = 0) -> np.ndarray:
    """(H, W, 3) RGB -> (H / 4, W / 4, 3) uint8. ``seed``: of what a clip's frames share; ``index``: of the frame."""
    shared, own = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1, index])
    height, width = (side // SCALE for side in image.shape[:2])
    picture = eight_bit(image).astype(np.float32) / 255
    for place, stage in enumerate(STAGES):
        if shared.random() < stage.blur:
            picture = _filtered(picture, _sinc(shared) if shared.random() < SINC else _blur(shared, stage.sigma))
        scale = _scale(shared, stage)
        base = image.shape[:2] if place == 0 else (height, width)
        picture = _resized(picture, (round(base[0] * scale), round(base[1] * scale)), shared)
        picture = _noisy(picture, stage, shared, own)
        if place == 0:
            picture = _jpeg(picture, shared)
    # the last low-pass, and JPEG before or after it
    sinc = _sinc(shared) if shared.random() < LAST_SINC else None
    if shared.random() < 0.5:
        picture = _jpeg(_filtered(_resized(picture, (height, width), shared), sinc), shared)
    else:
        picture = _filtered(_resized(_jpeg(picture, shared), (height, width), shared), sinc)
    return np.rint(255 * picture.clip(0, 1)).astype(np.uint8)


def _scale(random: np.random.Generator, stage: Stage) -> float:
    drawn = random.random()
    if drawn < stage.up:
        return random.uniform(1, stage.scale[1])
    return random.uniform(stage.scale[0], 1) if drawn < stage.up + stage.down else 1.0


def _resized(picture: np.ndarray, size: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    height, width = (max(side, 8) for side in size)
    return cv2.resize(picture, (width, height), interpolation=FILTERS[random.integers(len(FILTERS))]).clip(0, 1)


def _filtered(picture: np.ndarray, kernel: np.ndarray | None) -> np.ndarray:
    if kernel is None:
        return picture
    return cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REFLECT_101).clip(0, 1)


def _blur(random: np.random.Generator, sigma: tuple[float, float]) -> np.ndarray:
    """A Gaussian, a generalised Gaussian or a plateau, round or long, at any angle; it sums to 1."""
    size = random.choice(KERNELS)
    x, y = np.meshgrid(*[np.arange(size) - size // 2] * 2)
    wide, high = random.uniform(*sigma, 2)
    if random.random() < 0.6:
        high = wide
    turn = random.uniform(-np.pi, np.pi)
    along, across = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    distance = (along / wide) ** 2 + (across / high) ** 2
    kind = random.random()
    if kind < 0.7:
        kernel = np.exp(-0.5 * distance)
    elif kind < 0.85:
        kernel = np.exp(-0.5 * distance ** random.uniform(0.5, 4))
    else:
        kernel = 1 / (1 + distance ** random.uniform(1, 2))
    return (kernel / kernel.sum()).astype(np.float32)


def _sinc(random: np.random.Generator) -> np.ndarray:
    """A circular low-pass filter: sharp edges ring."""
    size = random.choice(KERNELS)
    cutoff = random.uniform(np.pi / 3, np.pi)
    x, y = np.meshgrid(*[np.arange(size) - size // 2] * 2)
    radius = np.hypot(x, y)
    radius[size // 2, size // 2] = 1
    kernel = cutoff * j1(cutoff * radius) / (2 * np.pi * radius)
    kernel[size // 2, size // 2] = cutoff**2 / (4 * np.pi)
    return (kernel / kernel.sum()).astype(np.float32)


def _noisy(picture: np.ndarray, stage: Stage, shared: np.random.Generator, own: np.random.Generator) -> np.ndarray:
    grey = shared.random() < GREY
    shape = (*picture.shape[:2], 1) if grey else picture.shape
    if shared.random() < GAUSSIAN:
        noise = shared.uniform(*stage.noise) / 255 * own.standard_normal(shape)
    else:
        seen = picture.mean(2, keepdims=True) if grey else picture
        noise = shared.uniform(*stage.poisson) * (own.poisson(seen * 255) / 255 - seen)
    return (picture + noise).clip(0, 1).astype(np.float32)


def _jpeg(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    quality = int(random.uniform(*QUALITY))
    levels = np.rint(255 * picture).astype(np.uint8)[..., ::-1]
    data = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None  # OpenCV reads what it wrote
    return decoded[..., ::-1].astype(np.float32) / 255
