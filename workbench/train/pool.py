"""A pool of photographs and clips, decoded once."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from workbench.errors import TrainingError
from workbench.video.files import media_path

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
CLIPS = (".mkv", ".mp4", ".mov", ".avi", ".webm", ".mpg", ".gif")
LONGEST = 1600  # pixels of a photo's longer side after reduction


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
    with av.open(media_path(file)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    yield from _reduced(frames, 1.0)


def _reduced(frames: np.ndarray, factor: float) -> Iterator[np.ndarray]:
    for share in (factor, 2 * factor):
        size = (round(frames.shape[2] / share), round(frames.shape[1] / share))
        small = np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) if share > 1 else f for f in frames])
        if min(size) >= 160:
            yield small[0] if len(small) == 1 else small
