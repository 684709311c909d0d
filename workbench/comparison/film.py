"""A comparison as one moving picture to share, with labels: a line that sweeps, a split screen, or side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from workbench.comparison.numbers import Numbers
from workbench.comparison.store import REFERENCE, Folder
from workbench.errors import OutputError, SettingsError
from workbench.video import ClipWriter

NO_CLOCK = 12.0  # frames per second of a clip that has no clock of its own
LOOPS = (".gif", ".webp")
VIDEOS = (".mp4", ".mkv")
LOOP_WIDTH = 640  # pixels of a GIF or WebP at most: they are held whole, and sent by mail
SWEEP = 4.0  # seconds of the line's way there and back
MARGIN = 0.15  # of the width, which the sweeping line keeps from either edge

Pictures = Sequence[np.ndarray]
"""(H, W, 3) uint8, one a column, from left to right."""


def write_film(
    comparison: Numbers, store: Folder, path: Path, *, layout: str = "sweep", columns: Sequence[str] = ()
) -> Path:
    """``path``: .mp4, .mkv, or .gif and .webp (at most 640 pixels wide). ``layout``: one of ``LAYOUTS``.

    ``columns``: names from left to right, ``reference`` among them; none given, bicubic (or the last) and the first.
    Raises SettingsError for a name or layout that is not there, OutputError for a file that cannot be written.
    """
    if layout not in LAYOUTS:
        raise SettingsError(f"a layout must be one of {', '.join(LAYOUTS)}, got {layout!r}.")
    names = list(columns) or usual(comparison)
    if layout == "sweep" and len(names) != 2:
        raise SettingsError(f"a sweep shows two columns, got {len(names)}: name two, or choose split or side.")
    places = [_place(comparison, name) for name in names]
    fps = comparison.about["clip"]["fps"] or NO_CLOCK
    suffix = path.suffix.lower()
    if suffix not in (*VIDEOS, *LOOPS):
        raise OutputError(f"a film is {', '.join((*VIDEOS, *LOOPS))}; got {path.name}.")

    def frames() -> Iterator[np.ndarray]:
        for index in range(comparison.frames):
            pictures = [store.picture(place, index) for place in places]
            yield LAYOUTS[layout](pictures, names, index / fps)

    if suffix in LOOPS:
        _write_loop(path, frames(), fps)
    else:
        with ClipWriter(path, fps=fps, overwrite=True) as writer:
            for picture in frames():
                writer.write(picture)
    return path


def usual(comparison: Numbers) -> list[str]:
    """What a person wants to see first: plain interpolation beside the first column."""
    first, *others = comparison.columns
    if not others:
        raise SettingsError("a film needs two columns; compare with something.")
    return ["bicubic" if "bicubic" in others else others[-1], first]


def _place(comparison: Numbers, name: str) -> int | str:
    if name in comparison.columns:
        return comparison.columns.index(name)
    if name == REFERENCE and comparison.about["reference"]:
        return REFERENCE
    known = [*comparison.columns, *([REFERENCE] if comparison.about["reference"] else [])]
    raise SettingsError(f"there is no column {name!r}; there are {', '.join(known)}.")


def sweep(pictures: Pictures, names: Sequence[str], seconds: float) -> np.ndarray:
    """A line over the picture that goes from side to side: the first on its left, the second on its right."""
    width = pictures[0].shape[1]
    share = 0.5 + (0.5 - MARGIN) * math.sin(2 * math.pi * seconds / SWEEP)
    return _strips(pictures, names, [0, round(share * width), width])


def split(pictures: Pictures, names: Sequence[str], seconds: float) -> np.ndarray:
    """Equal strips of the one picture."""
    width, count = pictures[0].shape[1], len(pictures)
    return _strips(pictures, names, [round(k * width / count) for k in range(count + 1)])


def side(pictures: Pictures, names: Sequence[str], seconds: float) -> np.ndarray:
    """Whole pictures beside each other."""
    width = pictures[0].shape[1]
    return _labelled(np.concatenate(list(pictures), axis=1), names, [k * width for k in range(len(pictures) + 1)])


LAYOUTS: dict[str, Callable[[Pictures, Sequence[str], float], np.ndarray]] = {
    "sweep": sweep,
    "split": split,
    "side": side,
}


def _strips(pictures: Pictures, names: Sequence[str], edges: Sequence[int]) -> np.ndarray:
    parts = [picture[:, left:right] for picture, left, right in zip(pictures, edges[:-1], edges[1:], strict=True)]
    return _labelled(np.concatenate(parts, axis=1), names, edges)


def _labelled(picture: np.ndarray, names: Sequence[str], edges: Sequence[int]) -> np.ndarray:
    """A white line at each inner edge, and each name at the top of its strip; the last one on its right, as in a pair
    both must be read wherever the line stands."""
    height, width = picture.shape[:2]
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image, "RGBA")
    for edge in edges[1:-1]:
        draw.line([(edge, 0), (edge, height)], fill=(255, 255, 255, 255), width=max(1, width // 640))
    size = max(9, min(height, width) // 24)
    font = ImageFont.load_default(size)
    for k, name in enumerate(names):
        left, top, right, bottom = draw.textbbox((0, 0), name, font=font)
        pad = size // 2
        last = k == len(names) - 1
        x = width - pad - (right - left) - 2 * pad if last else edges[k] + pad
        box = (x, pad, x + right - left + 2 * pad, pad + bottom - top + pad)
        draw.rounded_rectangle(box, radius=pad, fill=(0, 0, 0, 158))
        draw.text((x + pad - left, pad + pad // 2 - top), name, font=font, fill=(255, 255, 255, 255))
    return np.asarray(image)


def _write_loop(path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    """GIF or WebP that begins again for ever."""
    import imageio.v3 as iio

    shrunk = []
    for picture in frames:
        image = Image.fromarray(picture)
        if image.width > LOOP_WIDTH:
            image = image.resize((LOOP_WIDTH, round(image.height * LOOP_WIDTH / image.width)), Image.Resampling.LANCZOS)
        shrunk.append(np.asarray(image))
    try:
        iio.imwrite(path, shrunk, duration=1000 / fps, loop=0)
    except OSError as error:
        raise OutputError(f"the film could not be written to {path} ({error}).") from error
