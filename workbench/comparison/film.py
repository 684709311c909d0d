"""A comparison as one moving picture to share, with labels: a line that sweeps, a split screen, or side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from workbench.comparison.numbers import Numbers
from workbench.comparison.store import Folder
from workbench.comparison.watched import Place, places, prepare
from workbench.errors import OutputError, SettingsError
from workbench.video import ClipWriter

NO_CLOCK = 12.0  # frames per second of a clip that has no clock of its own
LOOPS = (".gif", ".webp")
VIDEOS = (".mp4", ".mkv")
WIDEST = 3840  # pixels of a video at most: what players everywhere can show
LOOP_WIDTH = 640  # pixels of a GIF or WebP at most: they are held whole, and sent by mail
GIF_RATE = 15.0  # frames per second at most: each costs some 100 KB
BESIDE = 3  # pictures in one row; more of them stand in a square
LABELS = {"pipeline": "Stream-DiffVSR"}  # what a stranger can make nothing of
SWEEP = 4.0  # seconds of the line's way there and back
MIN_LETTERS = 9  # pixels
MARGIN = 0.15  # of the width, which the sweeping line keeps from either edge

Pictures = Sequence[np.ndarray]
"""(H, W, 3) uint8, one a column, from left to right."""


def write_film(
    comparison: Numbers, store: Folder, path: Path, *, layout: str = "sweep", columns: Sequence[str] = ()
) -> Path:
    """``path``: .mp4, .mkv (at most 3840 pixels wide), or .gif and .webp (at most 640). ``layout``: one of ``LAYOUTS``.

    ``columns``: names of ``watched.places`` from left to right; none given, bicubic (or the last) and the first.
    Raises SettingsError for a name or layout that is not there, OutputError for a file that cannot be written.
    """
    if layout not in LAYOUTS:
        raise SettingsError(f"a layout must be one of {', '.join(LAYOUTS)}, got {layout!r}.")
    names = list(columns) or usual(comparison)
    if layout == "sweep" and len(names) != 2:
        raise SettingsError(f"a sweep shows two columns, got {len(names)}: name two, or choose split or side.")
    found = [_place(comparison, name) for name in names]
    labels = [LABELS.get(name, name) for name in names]
    fps = comparison.about["clip"]["fps"] or NO_CLOCK
    suffix = path.suffix.lower()
    if suffix not in (*VIDEOS, *LOOPS):
        raise OutputError(f"a film is {', '.join((*VIDEOS, *LOOPS))}; got {path.name}.")
    widest = LOOP_WIDTH if suffix in LOOPS else WIDEST

    for place in found:
        prepare(comparison, store, place, comparison.frames)

    def frames() -> Iterator[np.ndarray]:
        for index in range(comparison.frames):
            pictures = [store.picture(place, index) for place in found]
            yield LAYOUTS[layout](pictures, labels, index / fps, widest)

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


def _place(comparison: Numbers, name: str) -> Place:
    known = places(comparison)
    if name not in known:
        raise SettingsError(f"there is no column {name!r}; there are {', '.join(known)}.")
    return known[name]


def sweep(pictures: Pictures, names: Sequence[str], seconds: float, widest: int = WIDEST) -> np.ndarray:
    """A line over the picture that goes from side to side: the first on its left, the second on its right.

    Both labels stay where they can be read, wherever the line stands."""
    shown = _fitting(pictures, widest)
    height, width = shown[0].shape[:2]
    line = round((0.5 + (0.5 - MARGIN) * math.sin(2 * math.pi * seconds / SWEEP)) * width)
    cells = [(0, 0, width // 2), (width - width // 2, 0, width // 2)]
    return _labelled(_strips(shown, [0, line, width]), names, cells, [(line, 0, line, height)], last_at_right=True)


def split(pictures: Pictures, names: Sequence[str], seconds: float, widest: int = WIDEST) -> np.ndarray:
    """Equal strips of the one picture."""
    shown = _fitting(pictures, widest)
    (height, width), count = shown[0].shape[:2], len(shown)
    edges = [round(k * width / count) for k in range(count + 1)]
    cells = [(left, 0, right - left) for left, right in pairwise(edges)]
    lines = [(x, 0, x, height) for x in edges[1:-1]]
    return _labelled(_strips(shown, edges), names, cells, lines)


def side(pictures: Pictures, names: Sequence[str], seconds: float, widest: int = WIDEST) -> np.ndarray:
    """Whole pictures beside each other, more than three of them in rows."""
    count = len(pictures)
    columns = count if count <= BESIDE else math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    shown = _fitting(pictures, widest // columns)
    height, width = shown[0].shape[:2]
    whole = np.zeros((rows * height, columns * width, 3), np.uint8)
    cells = [(k % columns * width, k // columns * height, width) for k in range(count)]
    for picture, (x, y, _) in zip(shown, cells, strict=True):
        whole[y : y + height, x : x + width] = picture
    lines = [(k * width, 0, k * width, rows * height) for k in range(1, columns)]
    lines += [(0, k * height, columns * width, k * height) for k in range(1, rows)]
    return _labelled(whole, names, cells, lines)


LAYOUTS: dict[str, Callable[[Pictures, Sequence[str], float, int], np.ndarray]] = {
    "sweep": sweep,
    "split": split,
    "side": side,
}


def _fitting(pictures: Pictures, widest: int) -> Pictures:
    """Brought down to a width, where they are wider."""
    height, width = pictures[0].shape[:2]
    if width <= widest:
        return pictures
    size = (widest, round(height * widest / width))
    return [np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)) for picture in pictures]


def _strips(pictures: Pictures, edges: Sequence[int]) -> np.ndarray:
    """Of each picture what lies between two edges."""
    parts = [picture[:, left:right] for picture, (left, right) in zip(pictures, pairwise(edges), strict=True)]
    return np.concatenate(parts, axis=1)


def _labelled(
    picture: np.ndarray,
    names: Sequence[str],
    cells: Sequence[tuple[int, int, int]],
    lines: Sequence[tuple[int, int, int, int]],
    *,
    last_at_right: bool = False,
) -> np.ndarray:
    """White lines, and each name at the top of its cell (x, y, width)."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image, "RGBA")
    for line in lines:
        draw.line(line, fill=(255, 255, 255, 255), width=max(1, image.width // 640))
    wanted = max(MIN_LETTERS, min(image.size) // 24)
    for k, (name, (x, y, width)) in enumerate(zip(names, cells, strict=True)):
        shown, size = _fitted(name, wanted, width)
        at = x + width - _label_width(shown, size) if last_at_right and k == len(names) - 1 else x
        _label(draw, shown, size, at, y)
    return np.asarray(image)


def _fitted(name: str, size: int, width: int) -> tuple[str, int]:
    """A name and its letters' size: smaller where the name is long, and cut where even the smallest are too large."""
    while size > MIN_LETTERS and _label_width(name, size) > width:
        size -= 1
    whole = name
    while len(name) > 2 and _label_width(name, size) > width:
        whole = whole[:-1]
        name = f"{whole}…"
    return name, size


def _label_width(name: str, size: int) -> int:
    """With its box, and what is left free on both sides of that."""
    return math.ceil(ImageFont.load_default(size).getlength(name)) + 4 * (size // 2)


def _label(draw: ImageDraw.ImageDraw, name: str, size: int, x: int, y: int) -> None:
    font, pad = ImageFont.load_default(size), size // 2
    _, top, _, bottom = draw.textbbox((0, 0), "Ag", font=font)  # all labels are equally high
    box = (x + pad, y + pad, x + _label_width(name, size) - pad, y + 2 * pad + bottom - top + pad)
    draw.rounded_rectangle(box, radius=pad, fill=(0, 0, 0, 158))
    draw.text((x + 2 * pad, y + pad + pad - top), name, font=font, fill=(255, 255, 255, 255))


def _write_loop(path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    """GIF or WebP that begins again for ever; a GIF has at most 15 frames a second, of 256 colours each."""
    import imageio.v3 as iio

    gif = path.suffix.lower() == ".gif"
    step = max(1, math.ceil(fps / GIF_RATE)) if gif else 1
    kept = [_few_colours(picture) if gif else picture for picture in islice(frames, 0, None, step)]
    try:
        iio.imwrite(path, kept, duration=1000 * step / fps, loop=0)
    except OSError as error:
        raise OutputError(f"the film could not be written to {path} ({error}).") from error


def _few_colours(picture: np.ndarray) -> np.ndarray:
    """The best 256, dithered: without that, skies and skin have bands."""
    image = Image.fromarray(picture)
    return np.asarray(image.quantize(palette=image.quantize(256), dither=Image.Dither.FLOYDSTEINBERG).convert("RGB"))
