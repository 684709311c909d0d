"""Pictures of a clip that tell what it is: a frame that shows something, and a strip of small ones along its length."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from workbench.errors import WorkbenchError
from workbench.files import replacing
from workbench.video import Clip

PLACES = (0.0, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4)  # of a clip's length, where a telling frame is looked for
CONTRAST = 12.0  # standard deviation of the luma, of 255, from which on a frame shows something
POSTER_SIDE = 640  # pixels of a poster's longer side
TILES, TILE_HEIGHT = 12, 54
ROUNDED = 1e-4  # seconds that a time stamp may be off its frame's place, for a player to find the frame all the same


def telling_frame(clip: Clip) -> int:
    """Index of the first frame that shows something; of the one with most contrast where all are plain.

    One frame is decoded of most clips, and a few of a clip that begins black.
    """
    found: dict[int, float] = {}
    for place in PLACES:
        index = int(place * len(clip))
        if index not in found:
            found[index] = _contrast(clip, index)
        if found[index] >= CONTRAST:
            return index
    return max(found, key=lambda index: found[index])


def uneven_times(clip: Clip) -> tuple[float, ...]:
    """Seconds from the clip's beginning at which each frame begins; empty where ``clip.fps`` tells it as well."""
    if not clip.times or clip.fps is None:
        return ()
    times = tuple(round(time - clip.times[0], 4) for time in clip.times)
    even = all(abs(time - index / clip.fps) <= ROUNDED for index, time in enumerate(times))
    return () if even else times


def write_poster(clip: Clip, index: int, path: Path) -> None:
    """Frame ``index`` as a small JPEG."""
    picture = eight_bit(clip[index].image)
    shrink = min(1.0, POSTER_SIDE / max(picture.shape[:2]))
    _write(path, _resized(picture, shrink))


def write_strip(clip: Clip, path: Path) -> None:
    """``TILES`` frames along the clip, side by side in one JPEG; a frame that cannot be decoded is black."""
    width = max(round(TILE_HEIGHT * clip.width / clip.height), 1)
    strip = np.zeros((TILE_HEIGHT, TILES * width, 3), np.uint8)
    for tile in range(TILES):
        try:
            picture = eight_bit(clip[int((tile + 0.5) / TILES * len(clip))].image)
        except WorkbenchError:
            continue
        small = cv2.resize(picture, (width, TILE_HEIGHT), interpolation=cv2.INTER_AREA)
        strip[:, tile * width : (tile + 1) * width] = small
    _write(path, strip)


def eight_bit(image: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 of a frame's picture."""
    return image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)


def _contrast(clip: Clip, index: int) -> float:
    try:
        return float(cv2.cvtColor(eight_bit(clip[index].image), cv2.COLOR_RGB2GRAY).std())
    except (WorkbenchError, IndexError):  # damaged, or past the end of a clip whose length was a guess
        return -1.0


def _resized(picture: np.ndarray, by: float) -> np.ndarray:
    height, width = (max(round(side * by), 1) for side in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _write(path: Path, picture: np.ndarray) -> None:
    """Whole or not at all."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 82])
    with replacing(path) as partial:
        partial.write_bytes(data.tobytes())
