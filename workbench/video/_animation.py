"""Animated images, which libav does not read or reads in part: WebP, PNG and AVIF, by Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from PIL import Image

from workbench.types import Frame
from workbench.video.images import Header, broken_image, eight_bit_rgb, header_notes, open_image
from workbench.video.source import SourceInfo

_TIME_BASE = Fraction(1, 1000)
_UNTIMED = 100  # milliseconds that browsers show a picture which names no time
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


class AnimationSource:
    """One file of pictures that each name how long they are shown."""

    def __init__(self, path: Path, header: Header, rate: Fraction | None) -> None:
        self.path, self._orientation = path, header.orientation
        self._first, durations = _durations(path, header.pictures)
        ends = [0, *accumulate(durations)]
        notes = header_notes([header])
        if rate is None and len(set(durations)) > 1:
            notes.append("variable frame rate: time stamps are kept")
        self.info = SourceInfo(
            name=path.name,
            format=f"{header.format} animation",
            length=len(durations),
            size=header.size,
            path=path,
            rate=rate or Fraction(len(durations) * 1000, ends[-1]),
            time_base=None if rate else _TIME_BASE,
            boundaries=None if rate else tuple(end / 1000 for end in ends),
            rotation=header.orientation.rotation,
            notes=tuple(notes),
        )

    def read(self, indices: range) -> Iterator[Frame]:
        with open_image(self.path) as image:
            for place in indices:
                try:
                    image.seek(self._first + place)
                    pixels = eight_bit_rgb(image)
                except _BROKEN as error:
                    raise broken_image(self.path, error) from error
                yield Frame(self._orientation.apply(pixels), place)


def _durations(path: Path, pictures: int) -> tuple[int, list[int]]:
    """The place of the first moving picture in the file, and the milliseconds of each."""
    with open_image(path) as image:
        # A PNG may begin with a still picture for programs that do not know animations.
        first = int(bool(getattr(image, "default_image", False)))
        durations: list[int] = []
        for place in range(first, pictures):
            try:
                image.seek(place)
                image.load()
            except _BROKEN as error:
                raise broken_image(path, error) from error
            durations.append(round(image.info.get("duration") or _UNTIMED))
    return first, durations
