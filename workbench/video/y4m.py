"""YUV4MPEG2, the format in which video programs hand each other frames through a pipe.

``YUV4MPEG2 W320 H180 F25:1 Ip A1:1 C420jpeg XCOLORRANGE=LIMITED``, then each frame: the line ``FRAME`` and its planes.
(The man page ``yuv4mpeg(5)`` of mjpegtools; depths and tags beyond it as ffmpeg's ``yuv4mpegpipe`` writes them.)
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal

import av
import numpy as np

from workbench.errors import InputError, SettingsError
from workbench.video._arrays import checked_image
from workbench.video._filters import Chain
from workbench.video._pipe import MATRICES, Layout, Opened, PipeSource, opener
from workbench.video._planes import Planes
from workbench.video.clip import Clip
from workbench.video.colour import SWS_FLAGS, SWS_MATRICES, assumed_matrix
from workbench.video.encode import with_bits
from workbench.video.source import SourceInfo, as_rate

MAGIC = b"YUV4MPEG2"
_LONGEST = 1024  # bytes of a header
_DEPTHS = (9, 10, 12, 14, 16)
_ASSUMED_RATE = Fraction(25)
_SMALLEST = 16  # rows and columns that libswscale's newer code needs


@dataclass(frozen=True)
class Chroma:
    """A word after ``C``: libav's pixel format, and where the chroma samples lie, where the word tells."""

    pixel_format: str
    bits: int = 8
    siting: str | None = None


CHROMA: dict[str, Chroma] = {
    "420jpeg": Chroma("yuv420p", siting="center"),
    "420mpeg2": Chroma("yuv420p", siting="left"),
    "420paldv": Chroma("yuv420p", siting="topleft"),
    "420": Chroma("yuv420p", siting="center"),
    "411": Chroma("yuv411p"),
    "422": Chroma("yuv422p"),
    "444": Chroma("yuv444p"),
    "444alpha": Chroma("yuva444p"),
    "mono": Chroma("gray"),
    **{f"{name}p{d}": Chroma(f"yuv{name}p{d}le", d) for name in ("420", "422", "444") for d in _DEPTHS},
    **{f"mono{d}": Chroma(f"gray{d}le", d) for d in _DEPTHS},
}


@dataclass(frozen=True, kw_only=True)
class Header:
    """The first line of a stream."""

    size: tuple[int, int]
    """(width, height)"""
    rate: Fraction | None = None
    interlace: str = "p"
    """p progressive, t top field first, b bottom field first, m mixed"""
    pixel_aspect: Fraction = Fraction(1)
    chroma: str = "420jpeg"
    full_range: bool | None = None
    """None: not told"""

    @classmethod
    def parse(cls, line: bytes) -> Header:
        """Raises InputError that says what is wrong with it."""
        magic, *words = line.split()[:64] or [b""]
        if magic != MAGIC:
            raise InputError(f"expected a YUV4MPEG2 header, got {line[:24]!r}; for frames without one say --raw")
        if not line.endswith(b"\n"):
            raise InputError(f"the YUV4MPEG2 header has no end within {_LONGEST} bytes")
        tags: dict[str, str] = {}
        for word in words:
            text = word.decode("ascii", "replace")
            key, value = text[1:].split("=", 1) if text[0] == "X" and "=" in text else (text[0], text[1:])
            tags[key.upper()] = value
        try:
            width, height = int(tags["W"]), int(tags["H"])
        except (KeyError, ValueError):
            width = height = 0
        if width <= 0 or height <= 0:
            raise InputError(f"a YUV4MPEG2 header must name width and height (W320 H180); got {line.strip()!r}")
        chroma = tags.get("C", "420jpeg")
        if chroma not in CHROMA:
            raise InputError(f"the chroma format {chroma!r} is not known; known are {', '.join(CHROMA)}")
        return cls(
            size=(width, height),
            rate=_ratio("rate F", tags.get("F", "0:0")),
            interlace=tags.get("I", "p").lower().replace("?", "p") or "p",
            pixel_aspect=_ratio("pixel aspect A", tags.get("A", "0:0")) or Fraction(1),
            chroma=chroma,
            full_range={"FULL": True, "LIMITED": False}.get(tags.get("COLORRANGE", "")),
        )

    def line(self) -> bytes:
        rate, aspect = self.rate or _ASSUMED_RATE, self.pixel_aspect
        words = [
            f"W{self.size[0]} H{self.size[1]} F{rate.numerator}:{rate.denominator} I{self.interlace}",
            f"A{aspect.numerator}:{aspect.denominator} C{self.chroma}",
        ]
        if self.full_range is not None:
            words.append(f"XCOLORRANGE={'FULL' if self.full_range else 'LIMITED'}")
        return MAGIC + b" " + " ".join(words).encode() + b"\n"


def _ratio(name: str, text: str) -> Fraction | None:
    """``30000:1001``; None for ``0:0``, which is not known."""
    try:
        above, below = (int(part) for part in text.split(":"))
        return None if above == 0 or below == 0 else Fraction(above, below)
    except ValueError as error:
        raise InputError(f"the {name} of a YUV4MPEG2 header is a ratio, such as 30000:1001; got {text!r}") from error


def read_y4m(
    source: str | Path | BinaryIO,
    *,
    deinterlace: Literal["auto", "off"] = "auto",
    matrix: str | None = None,
) -> Clip:
    """A clip of the frames of a YUV4MPEG2 stream, read one by one as they are asked for; its length is not known.

    ``source``: a path, ``"-"`` for standard input, or an open binary file. A file can be iterated again and again, a
    pipe once. ``deinterlace``: as ``open_clip``; it needs the frame after, which comes one frame later. ``matrix``: the
    stream names none; None takes what players assume by the size, else one of bt601, bt709, bt2020.

    Raises InputError for a broken header, and, while it is read, for a frame that is cut short.
    """
    if deinterlace not in ("auto", "off"):
        raise InputError(f"deinterlace must be 'auto' or 'off', not {deinterlace!r}")
    _check_matrix(matrix)
    opened, name = opener(source)
    stream = opened()
    header = Header.parse(stream.readline(_LONGEST))
    chroma = CHROMA[header.chroma]
    layout = Layout(
        format=f"y4m {header.chroma}",
        planes=Planes(chroma.pixel_format, header.size),
        rate=header.rate,
        pixel_aspect=header.pixel_aspect,
        interlace=header.interlace,
        full_range=header.full_range,
        siting=chroma.siting,
        matrix=matrix,
        marker=b"FRAME",
    )
    return Clip(PipeSource(_after_header(stream, opened), name, layout, deinterlace=deinterlace == "auto"))


def _after_header(stream: BinaryIO, again: Opened) -> Opened:
    """The stream whose header was read, and afterwards, where it can be opened again, a new one at the same place."""
    first = [stream]

    def opened() -> BinaryIO:
        if first:
            return first.pop()
        new = again()
        new.readline(_LONGEST)
        return new

    return opened


class Y4MWriter:
    """Writes frames to a YUV4MPEG2 stream, each handed on as soon as it is written.

    ``target``: a path, or an open binary file, which is left open. ``like``: what the frames are made from gives rate,
    pixel aspect, range, and, where it is y4m itself, the chroma format. ``rate`` and ``chroma`` replace them; without
    any, 25 frames a second and 420jpeg (420p10 for deeper frames). ``matrix``: as ``read_y4m``.

    ``write`` raises BrokenPipeError where nobody reads any more.
    """

    def __init__(
        self,
        target: str | Path | BinaryIO,
        like: Clip | None = None,
        *,
        rate: float | Fraction | None = None,
        chroma: str | None = None,
        matrix: str | None = None,
    ) -> None:
        _check_matrix(matrix)
        info = SourceInfo("", "", None, None) if like is None else like.info
        self.chroma = chroma or _chroma_like(info)
        if self.chroma not in CHROMA:
            raise SettingsError(f"chroma must be one of {', '.join(CHROMA)}, not {self.chroma!r}")
        self._rate = as_rate(rate) or (None if like is None else like.rate)
        self._info, self._matrix = info, matrix
        self._stack = contextlib.ExitStack()
        self._stream = (
            self._stack.enter_context(Path(target).expanduser().open("wb"))
            if isinstance(target, (str, Path))
            else target
        )
        self._pack: _Packer | None = None
        self.count = 0
        """frames written"""

    @property
    def bits(self) -> int:
        """of a sample"""
        return CHROMA[self.chroma].bits

    def write(self, frame: Any) -> None:
        """An Output, a Frame, an (H, W, 3) array or a (3, H, W) tensor, as ``ClipWriter`` takes them."""
        if self.bits > 8 and hasattr(frame, "frame"):
            frame = frame.frame  # an Output's floats
        image = checked_image(getattr(frame, "image", frame), f"frame {self.count}")
        size = (image.shape[1], image.shape[0])
        if self._pack is None:
            full = self._info.color_range == "full" and self._info.color_space not in ("rgb",)
            header = Header(
                size=size, rate=self._rate, pixel_aspect=self._info.pixel_aspect, chroma=self.chroma,
                full_range=full or self.chroma.startswith("mono"),
            )  # fmt: skip
            self._pack = _Packer(header, self._matrix or assumed_matrix(*size))
            self._stream.write(header.line())
        if size != self._pack.planes.size:
            raise InputError(
                f"frame {self.count} is {size[0]}x{size[1]}, the frames before it {self._pack.planes.size}"
            )
        self._stream.write(b"FRAME\n" + self._pack(image))
        self._stream.flush()
        self.count += 1

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Y4MWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_y4m(
    frames: Iterable[Any],
    target: str | Path | BinaryIO,
    like: Clip | None = None,
    *,
    rate: float | Fraction | None = None,
    chroma: str | None = None,
    matrix: str | None = None,
) -> int:
    """Writes frames (Outputs, Frames, arrays) as a YUV4MPEG2 stream, each as it comes; gives their number.

    ``wb.write_y4m(pipe.stream(clip), "out.y4m", clip)``; the rest as ``Y4MWriter``.
    """
    with Y4MWriter(target, like, rate=rate, chroma=chroma, matrix=matrix) as writer:
        for frame in frames:
            writer.write(frame)
        return writer.count


class _Packer:
    """(H, W, 3) RGB, uint8 or uint16 -> the bytes of a frame's planes."""

    def __init__(self, header: Header, matrix: str) -> None:
        chroma = CHROMA[header.chroma]
        self.planes = Planes(chroma.pixel_format, header.size)
        self._deep = chroma.bits > 8
        options = [f"out_range={'pc' if header.full_range else 'tv'}", f"out_color_matrix={SWS_MATRICES[matrix]}"]
        if chroma.siting:
            options.append(f"out_chroma_loc={chroma.siting}")
        # The older code makes deep grey half a level of 255 brighter; the newer one breaks down on very small frames.
        flags = SWS_FLAGS + ("+unstable" if self._deep and min(header.size) >= _SMALLEST else "")
        self._steps = (("scale", ":".join([flags, *options])), ("format", chroma.pixel_format))
        self._chain: Chain | None = None

    def __call__(self, image: np.ndarray) -> bytes:
        image = with_bits(image, 16 if self._deep else 8)
        frame = av.VideoFrame.from_ndarray(image, format="gbrp16le" if self._deep else "rgb24")
        self._chain = self._chain or Chain(frame, self._steps)
        return self.planes.pack(self._chain(frame)[0])


def _chroma_like(info: SourceInfo) -> str:
    """That of a y4m source without its alpha; else 4:2:0 in a depth that holds the source's."""
    kind, _, name = info.format.partition(" ")
    if kind == "y4m":
        return name.removesuffix("alpha")
    return "420jpeg" if info.bits <= 8 else f"420p{next(d for d in (10, 12, 14, 16) if d >= info.bits)}"


def _check_matrix(matrix: str | None) -> None:
    if matrix is not None and matrix not in MATRICES:
        raise SettingsError(f"matrix must be one of {', '.join(MATRICES)}, not {matrix!r}")
