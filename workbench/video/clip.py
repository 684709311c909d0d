"""A clip: a lazy sequence of frames, whatever it is read from."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from workbench.errors import InputError
from workbench.files import IMAGE_SUFFIXES
from workbench.types import Frame
from workbench.video._animation import AnimationSource
from workbench.video._arrays import ArraySource, StreamSource, is_tensor
from workbench.video._decode import VideoSource
from workbench.video.images import ImageSource, image_header, read_header
from workbench.video.source import Audio, Source, SourceInfo, as_rate


def open_clip(
    source: Any,
    *,
    fps: float | Fraction | None = None,
    deinterlace: Literal["auto", "off"] = "auto",
    colours: Literal["source", "bt709"] = "source",
) -> Clip:
    """Open a clip. A video is decoded once for its frames' number and times (a long one only where its packets do not
    tell them); of images only the headers are read.

    ``source``: a video file, a folder of frames, a single image, an animated one, an array (n, h, w, 3) or (h, w, 3) of
    uint8, uint16 or float in [0, 1], a torch tensor (n, 3, h, w) or (3, h, w), or an iterable of (h, w, 3) arrays or
    ``Frame`` s, whose length is not known. What a file holds decides how it is read, not its name.

    ``fps``: the frame rate of sources that have none; for a video file it overrides the time stamps, and the sound is
    left out. ``deinterlace``: "auto" makes whole pictures of interlaced video's frames, "off" leaves both fields woven
    into each. ``colours``: "source" keeps a video's primaries and transfer (``clip.info`` names them), such as PQ or
    HLG; "bt709" maps them to BT.709.

    Raises InputError for a source that is missing, damaged, empty, of another kind, or of mixed frame sizes.
    """
    if isinstance(source, Clip):
        if fps is not None or deinterlace != "auto" or colours != "source":
            raise InputError("options cannot be changed on a clip that is open; give them where the clip is opened")
        return source
    options = {"deinterlace": _choice("deinterlace", deinterlace, "auto", "off")}
    options["colours"] = _choice("colours", colours, "source", "bt709")
    rate = as_rate(fps)
    if isinstance(source, (str, os.PathLike)):
        return Clip(_open_path(Path(source).expanduser(), rate, options))
    if isinstance(source, np.ndarray) or is_tensor(source):
        return Clip(ArraySource(source, rate))
    if isinstance(source, Iterable) and not isinstance(source, (bytes, bytearray)):
        return Clip(StreamSource(source, rate))
    raise InputError(
        f"cannot open a {type(source).__name__} as a clip; expected a path, an array (n, h, w, 3), "
        "a tensor (n, 3, h, w) or an iterable of (h, w, 3) arrays"
    )


def _choice(name: str, value: str, *allowed: str) -> str:
    if value not in allowed:
        raise InputError(f"{name} must be {' or '.join(map(repr, allowed))}, not {value!r}")
    return value


def _open_path(path: Path, rate: Fraction | None, options: dict[str, str]) -> Source:
    if not path.exists():
        raise InputError(f"{path} does not exist; expected a video file, a folder of frames or an image")
    if path.is_dir():
        return ImageSource(path, rate)
    header = image_header(path)
    if header is not None:
        return AnimationSource(path, header, rate) if header.is_animated else ImageSource(path, rate)
    try:
        return VideoSource(path, rate, options)
    except InputError:
        if path.suffix.lower() in IMAGE_SUFFIXES:
            read_header(path)  # it is no video either: raises the error of the image that its name promises
        raise


def is_picture(path: Path) -> bool:
    """Whether ``open_clip`` gives one picture without a clock for this path."""
    if path.is_dir():
        return False
    header = image_header(path)
    return header is not None and not header.is_animated


class Clip:
    """Frames in order, decoded when asked for: iterate, index (``clip[3]``) or slice (``clip[10:34]``, ``clip[::2]``).

    A slice is a clip and shares the source. No file is kept open between two iterations, and a clip can be iterated
    any number of times (one that was opened from an iterator: once). Made by ``open_clip``.
    """

    def __init__(self, source: Source, indices: range | None = None) -> None:
        self._source = source
        length = source.info.length
        self._indices = range(sys.maxsize if length is None else length) if indices is None else indices

    def __iter__(self) -> Iterator[Frame]:
        for index, frame in enumerate(self._source.read(self._indices)):
            yield self._placed(frame, index)

    @overload
    def __getitem__(self, key: int) -> Frame: ...
    @overload
    def __getitem__(self, key: slice) -> Clip: ...
    def __getitem__(self, key: int | slice) -> Frame | Clip:
        if isinstance(key, slice):
            return Clip(self._source, self._sliced(key))
        index = key.__index__()
        if self.info.length is None and index < 0:
            raise TypeError("a clip of unknown length cannot be indexed from its end")
        try:
            place = self._indices[index]
        except IndexError:
            raise IndexError(f"frame {index} is outside this clip of {len(self._indices)} frames") from None
        frame = next(iter(self._source.read(range(place, place + 1))), None)
        if frame is None:
            raise IndexError(f"frame {index} is past the end of this clip")
        return self._placed(frame, index % len(self._indices))

    def __len__(self) -> int:
        if self.info.length is None:
            raise TypeError("this clip comes from an iterator, so its length is not known before it ends")
        return len(self._indices)

    def _sliced(self, key: slice) -> range:
        if key.step is not None and key.step <= 0:
            raise InputError(f"a clip is read forwards: a slice's step must be 1 or more, not {key.step}")
        if self.info.length is None and any(bound is not None and bound < 0 for bound in (key.start, key.stop)):
            raise InputError("a clip of unknown length can only be sliced with bounds from its start")
        return self._indices[key]

    def _placed(self, frame: Frame, index: int) -> Frame:
        """The source's frame as frame ``index`` of this clip, with its time and a duration that honours the stride."""
        if frame.time is not None:
            return replace(frame, index=index)
        start = self._boundary(frame.index)
        end = self._boundary(frame.index + self._indices.step)
        return Frame(frame.image, index, start, None if start is None or end is None else end - start)

    def _boundary(self, place: int) -> float | None:
        """When the source's frame ``place`` starts; where the last one ends for places beyond it."""
        info = self.info
        if info.length is not None:
            place = min(place, info.length)
        if info.boundaries is not None:
            return info.boundaries[place]
        return None if info.rate is None else float(place / info.rate)

    @property
    def indices(self) -> range:
        """Which of the source's frames this clip has."""
        return self._indices

    @property
    def info(self) -> SourceInfo:
        """Facts of the whole source, before slicing."""
        return self._source.info

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels as shown, after rotation. Of an iterator, the first frame is pulled for it."""
        if self.info.size is None and isinstance(self._source, StreamSource):
            return self._source.peek_size()
        assert self.info.size is not None
        return self.info.size

    @property
    def width(self) -> int:
        return self.size[0]

    @property
    def height(self) -> int:
        return self.size[1]

    @property
    def rate(self) -> Fraction | None:
        """Frames per second as an exact fraction (the mean where it varies); None where there is no clock."""
        return None if self.info.rate is None else self.info.rate / self._indices.step

    @property
    def fps(self) -> float | None:
        return None if self.rate is None else float(self.rate)

    @property
    def times(self) -> tuple[float, ...] | None:
        """When each frame is shown, in seconds on the source's clock; None without a clock or a known length."""
        if self.info.length is None or self.info.rate is None:
            return None
        times = [self._boundary(place) for place in self._indices]
        return tuple(time for time in times if time is not None)

    @property
    def span(self) -> tuple[float, float] | None:
        """(start, end) in seconds on the source's clock, as ``times``."""
        if self.info.length is None or self.info.rate is None or not self._indices:
            return None
        start, end = self._boundary(self._indices[0]), self._boundary(self._indices[-1] + self._indices.step)
        return None if start is None or end is None else (start, end)

    @property
    def audio(self) -> Audio | None:
        """The sound track that goes with the clip, if there is one."""
        return self.info.audio

    @property
    def path(self) -> Path | None:
        return self.info.path

    @property
    def rotation(self) -> int:
        """Degrees clockwise that the stored pictures are turned by; already done in the frames."""
        return self.info.rotation

    @property
    def color_range(self) -> str:
        """ "full" or "limited", as stored; frames are always full range."""
        return self.info.color_range

    @property
    def color_space(self) -> str:
        """ "rgb", "grey", "bt601", "bt709", "bt2020", ... as stored; frames are always RGB."""
        return self.info.color_space

    @property
    def notes(self) -> tuple[str, ...]:
        """What was ignored, converted or guessed while opening."""
        return self.info.notes

    def __repr__(self) -> str:
        info = self.info
        count = "unknown number of" if info.length is None else str(len(self._indices))
        whole = "" if info.length in (None, len(self._indices)) else f" of {info.length}"
        facts = [f"{count}{whole} frames"]
        if info.size is not None:
            facts.append(f"{info.size[0]}x{info.size[1]}")
        if self.fps is not None:
            facts.append(f"{self.fps:.5g} fps")
        facts.append(info.format)
        if info.color_space not in ("rgb", "grey"):
            facts.append(f"{info.color_space} {info.color_range} range")
        if info.rotation:
            facts.append(f"turned by {info.rotation} degrees")
        if info.audio is not None:
            facts.append(f"audio {info.audio}")
        return f"Clip({info.name!r}: {', '.join(facts)})"
