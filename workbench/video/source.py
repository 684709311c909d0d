"""What every kind of source tells about itself and how frames are asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from workbench.errors import InputError
from workbench.types import Frame
from workbench.video._light import UNKNOWN, Light


@dataclass(frozen=True)
class Audio:
    """The sound track that goes with a clip; it stays in the source until a writer copies it."""

    codec: str
    sample_rate: int
    layout: str

    def __str__(self) -> str:
        return f"{self.codec} {self.sample_rate / 1000:g} kHz {self.layout}"


@dataclass(frozen=True)
class SourceInfo:
    """Facts of a whole source. ``None`` means: not known, or there is no such thing."""

    name: str
    format: str  # "h264 yuv420p", "PNG", "array uint8", ...
    length: int | None
    size: tuple[int, int] | None  # (width, height) as shown
    path: Path | None = None
    rate: Fraction | None = None  # frames per second, the mean where it varies
    time_base: Fraction | None = None  # of the container's time stamps
    boundaries: tuple[float, ...] | None = None  # length + 1 seconds: where each frame starts, then where the last ends
    audio: Audio | None = None
    rotation: int = 0  # degrees clockwise, already applied
    color_range: str = "full"
    color_space: str = "rgb"
    primaries: str | None = None  # of the frames, libav's names: "bt709", "bt2020", "smpte432" (P3), ...
    transfer: str | None = None  # of the frames: "bt709", "smpte2084" (PQ), "arib-std-b67" (HLG), ...
    bits: int = 8  # of a sample as stored; frames of more than 8 are uint16
    pixel_aspect: Fraction = Fraction(1)  # of the picture as shown
    light: Light = UNKNOWN  # of the mastering display and of the brightest frame, where HDR tells it
    notes: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    """Of ``open_clip``, those that change the frames and are not as they are by default."""


class Source(Protocol):
    """Frames by their place in the source. Nothing is kept open between two reads."""

    @property
    def info(self) -> SourceInfo: ...

    def read(self, indices: range) -> Iterator[Frame]:
        """Yield the frames at these places (a rising range), decoding each when it is asked for.

        The frames' ``index`` is the place in the source; ``time`` is filled in by the clip unless the source sets it.
        """
        ...


def as_rate(fps: float | Fraction | None) -> Fraction | None:
    """Frames per second as a fraction. Raises InputError unless it is a positive number."""
    if fps is None:
        return None
    try:
        rate = Fraction(fps).limit_denominator(100_000)
    except (TypeError, ValueError, OverflowError):
        rate = Fraction(0)
    if rate <= 0:
        raise InputError(f"fps must be a positive number of frames per second, not {fps!r}")
    return rate
