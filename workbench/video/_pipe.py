"""Frames from a pipe: read one by one as they come, never ahead of what is asked for."""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av

from workbench.errors import InputError
from workbench.types import Frame
from workbench.video._filters import Chain, deinterlaced
from workbench.video._planes import Planes
from workbench.video.clip import Clip
from workbench.video.colour import Converter, describe
from workbench.video.source import SourceInfo, as_rate

Opened = Callable[[], BinaryIO]
"""Gives the stream at its beginning, each time that it is called."""

_RAW = re.compile(r"(?P<format>\w+):(?P<width>\d+)x(?P<height>\d+)(?:@(?P<rate>[\d./]+))?")
_MATRIX_TAGS = {"bt601": "smpte170m", "bt709": "bt709", "bt2020": "bt2020nc"}
MATRICES = tuple(_MATRIX_TAGS)
_FIELDS = {"t": "tff", "b": "bff", "m": "tff"}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What is known of a pipe's frames before the first one comes."""

    format: str
    """in words"""
    planes: Planes
    rate: Fraction | None
    pixel_aspect: Fraction = Fraction(1)
    interlace: str = "p"
    """y4m's letter: p is progressive, t top field first, b bottom field first, m mixed"""
    full_range: bool | None = None
    """None: not told"""
    siting: str | None = None
    """libav's chroma location; None: not told"""
    matrix: str | None = None
    """one of ``MATRICES``; None: as players assume it, by the size"""
    marker: bytes = b""
    """what the line before each frame begins with; empty: there is none"""

    @property
    def tags(self) -> str:
        """For libav's filter ``setparams``."""
        tags = {
            "field_mode": _FIELDS.get(self.interlace, "prog"),
            "range": {None: "unspecified", True: "pc", False: "tv"}[self.full_range],
        }
        if self.matrix is not None:
            tags["colorspace"] = _MATRIX_TAGS[self.matrix]
        return ":".join(f"{name}={value}" for name, value in tags.items())


class PipeSource:
    """The frames of a pipe, or of a file with a pipe's content. A pipe can be read once."""

    def __init__(self, opened: Opened, name: str, layout: Layout, *, deinterlace: bool = True) -> None:
        self._opened, self._layout = opened, layout
        interlaced = layout.interlace in _FIELDS
        self._deinterlace = interlaced and deinterlace
        blank = av.VideoFrame(*layout.planes.size, layout.planes.pixel_format)
        tagged = Chain(blank, (("setparams", layout.tags),))(blank)[0]
        self._colour = replace(describe(tagged, "rawvideo"), siting=layout.siting)
        notes = list(self._colour.notes)
        if interlaced:
            done = "deinterlaced (bwdif), which takes one frame more of delay" if deinterlace else "both fields stay"
            notes.append(f"interlaced: {done}")
        if layout.pixel_aspect != 1:
            across, down = layout.pixel_aspect.as_integer_ratio()
            notes.append(f"pixels are not square ({across}:{down}): kept as they are")
        self.info = SourceInfo(
            name=name,
            format=layout.format,
            length=None,
            size=layout.planes.size,
            rate=layout.rate,
            color_range=self._colour.range_name,
            color_space=self._colour.matrix,
            primaries=self._colour.primaries,
            transfer=self._colour.transfer,
            bits=self._colour.bits,
            pixel_aspect=layout.pixel_aspect,
            notes=tuple(notes),
            options={"deinterlace": "off"} if interlaced and not deinterlace else {},
        )

    def read(self, indices: range) -> Iterator[Frame]:
        """Raises InputError where the pipe ends within a frame, after all frames before it."""
        if not indices:
            return
        convert = Converter(self._colour, "rawvideo")
        with self._opened() as stream:
            numbered = self._tagged(stream, indices[-1] + (1 if self._deinterlace else 0))
            for place, frame in deinterlaced(numbered) if self._deinterlace else numbered:
                if place in indices:
                    yield Frame(convert(frame), place)
                if place >= indices[-1]:
                    return

    def _tagged(self, stream: BinaryIO, last: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """The frames up to ``last``, each with what the header tells of its colours and fields."""
        layout, tag = self._layout, None
        for place in range(last + 1):
            if layout.marker and not self._marked(stream, place):
                return
            data = read_exactly(stream, layout.planes.bytes)
            if len(data) < layout.planes.bytes:
                if data or layout.marker:
                    raise InputError(f"the pipe ends within frame {place}: {len(data)} of {layout.planes.bytes} bytes")
                return
            frame = layout.planes.frame(data)
            tag = tag or Chain(frame, (("setparams", layout.tags),))
            yield place, tag(frame)[0]

    def _marked(self, stream: BinaryIO, place: int) -> bool:
        """Reads the line before a frame; False at the end of the pipe."""
        line = stream.readline(256)
        if line and not line.startswith(self._layout.marker):
            raise InputError(f"frame {place} should begin with {self._layout.marker!r}, and begins with {line[:24]!r}")
        return bool(line)


def read_exactly(stream: BinaryIO, count: int) -> bytearray:
    """``count`` bytes, or fewer at the end; a pipe gives them in pieces."""
    data = bytearray(count)
    view, got = memoryview(data), 0
    while got < count:
        more = stream.readinto(view[got:])  # type: ignore[attr-defined]
        if not more:
            view.release()
            del data[got:]
            break
        got += more
    return data


def read_raw(source: str | Path | BinaryIO, layout: str) -> Clip:
    """Frames without any header. ``layout``: ``rgb24:320x180@25``: one of libav's pixel formats, width and height, and,
    where it is known, frames per second (``30000/1001`` too). ``source``: as ``read_y4m`` takes it.

    Raises InputError for a layout that makes no sense.
    """
    match = _RAW.fullmatch(layout.strip())
    if match is None or 0 in (int(match["width"]), int(match["height"])):
        raise InputError(f"a raw layout is FORMAT:WIDTHxHEIGHT@RATE, such as rgb24:320x180@25; got {layout!r}")
    try:
        rate = as_rate(None if match["rate"] is None else Fraction(match["rate"]))
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(
            f"the rate of a raw layout is a number, such as 25 or 30000/1001; got {match['rate']!r}"
        ) from error
    planes = Planes(match["format"], (int(match["width"]), int(match["height"])))
    opened, name = opener(source)
    return Clip(PipeSource(opened, name, Layout(format=f"raw {match['format']}", planes=planes, rate=rate)))


def opener(source: str | Path | BinaryIO) -> tuple[Opened, str]:
    """How a source of bytes is opened, and its name. A file opens anew each time, a pipe once."""
    if not isinstance(source, (str, Path)):
        return _once(source), "pipe"
    if str(source) == "-":
        return _once(sys.stdin.buffer), "standard input"
    path = Path(source).expanduser()
    if not path.exists():
        raise InputError(f"{path} does not exist; expected a file or a named pipe of frames, or - for standard input")
    if stat.S_ISREG(path.stat().st_mode):
        return lambda: path.open("rb"), path.name
    return _once(path.open("rb")), path.name


def _once(stream: BinaryIO) -> Opened:
    """Of a stream that cannot be begun again."""
    left = [stream]

    def opened() -> BinaryIO:
        if not left:
            raise InputError("a pipe can be read once, and this one was")
        return left.pop()

    return opened
