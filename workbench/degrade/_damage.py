"""Blur, sensor noise and JPEG, on (T, h, w, 3) uint8 RGB frames; chance comes from the generator that is given."""

from __future__ import annotations

import cv2
import numpy as np

from workbench.errors import SettingsError


def blurred(frames: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian of ``sigma`` pixels, as of a lens out of focus; 0 changes nothing."""
    _at_least("a blur's sigma", sigma, 0)
    if not sigma:
        return frames
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101) for frame in frames])


def noisy(frames: np.ndarray, sigma: float, random: np.random.Generator, *, grain: float = 0) -> np.ndarray:
    """Independent Gaussian noise of ``sigma`` 8-bit levels in each frame and channel.

    ``grain``: the share of brightness in it, 0..1: 1 is the same noise in all three channels.
    """
    _at_least("a noise's sigma", sigma, 0)
    if not sigma:
        return frames
    each = random.standard_normal(frames.shape, np.float32)
    shared = random.standard_normal((*frames.shape[:3], 1), np.float32)
    noise = sigma * (np.sqrt(1 - grain) * each + np.sqrt(grain) * shared)
    return np.clip(np.rint(frames + noise), 0, 255).astype(np.uint8)


def jpeg(frames: np.ndarray, quality: int) -> np.ndarray:
    """Each frame as a JPEG of ``quality`` (1 to 100, higher is better), 4:2:0."""
    if not 1 <= quality <= 100:
        raise SettingsError(f"a JPEG's quality must be in 1..100, got {quality!r}.")
    shown = []
    for frame in frames:
        _, data = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert decoded is not None  # OpenCV reads what it wrote
        shown.append(decoded[..., ::-1])
    return np.stack(shown)


def _at_least(what: str, value: float, lowest: float) -> None:
    if not value >= lowest:
        raise SettingsError(f"{what} must be at least {lowest:g}, got {value!r}.")
