"""Video files, decoded frame by frame with PyAV."""

from __future__ import annotations

import bisect
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError

from workbench.errors import InputError
from workbench.types import Frame
from workbench.video.colour import Colour, Converter, describe
from workbench.video.container import FrameIndex, audio_stream, open_media, read_index, video_stream
from workbench.video.source import Audio, SourceInfo

_FALLBACK_RATE = Fraction(25)
_JITTER = Fraction(2, 1000)  # seconds


class VideoSource:
    """One video file. Frame k is the same picture whether it is decoded alone, in a slice, or with all others."""

    def __init__(self, path: Path, rate: Fraction | None) -> None:
        self.path = path
        index = read_index(path)
        if index.length == 0:
            raise InputError(f"{path} holds a video stream without a single frame")
        probe = _probe(path, index)
        self._index = index.without_first(probe.undecodable)
        self._codec, self._colour = probe.codec, probe.colour
        self._stored_size = probe.stored_size
        notes = [*probe.notes, *probe.colour.notes]
        boundaries, true_rate = _clock(self._index, probe.rates, notes)
        audio = probe.audio
        if rate is not None:
            boundaries = None
            if audio is not None:
                audio = None
                notes.append("sound left out: the frame rate was overridden, so it would not stay in step")
        elif boundaries is not None:
            _check_promise(boundaries, probe.promised_seconds, notes)
        turned = probe.colour.orientation.transpose
        self.info = SourceInfo(
            name=path.name,
            format=f"{probe.codec} {probe.colour.pixel_format}",
            length=self._index.length,
            size=probe.colour.orientation.shown_size(*probe.stored_size),
            path=path,
            rate=rate or true_rate,
            time_base=None if boundaries is None else self._index.time_base,
            boundaries=boundaries,
            audio=audio,
            rotation=probe.colour.orientation.rotation,
            color_range=probe.colour.range_name,
            color_space=probe.colour.matrix,
            primaries=probe.colour.primaries,
            transfer=probe.colour.transfer,
            bits=probe.colour.bits,
            pixel_aspect=1 / probe.pixel_aspect if turned else probe.pixel_aspect,
            notes=tuple(notes),
        )

    def read(self, indices: range) -> Iterator[Frame]:
        if not indices:
            return
        convert = Converter(self._colour)
        for place, decoded in self._decode(indices.start, indices[-1]):
            if place in indices:
                if decoded.format.name != convert.colour.pixel_format:
                    convert = Converter(describe(decoded, self._codec))
                yield Frame(convert(decoded), place)

    def _decode(self, first: int, last: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decoded frames with their places, from the nearest point before ``first`` up to ``last``."""
        points = self._index.seek_points
        nearest = points[bisect.bisect_right(points, first) - 1] if points and points[0] <= first else 0
        if nearest > 0:
            with open_media(self.path) as container:
                numbered = self._numbered(container, seek_to=self._index.pts[nearest])
                try:
                    head = next(numbered, None)
                except FFmpegError:
                    head = None
                if head is not None and head[0] <= first:
                    yield head
                    yield from self._until(last, numbered, head[0])
                    return
            # The container did not seek to where it was asked to: decode from the start.
        with open_media(self.path) as container:
            yield from self._until(last, self._numbered(container), -1)

    def _until(
        self, last: int, numbered: Iterator[tuple[int, av.VideoFrame]], place: int
    ) -> Iterator[tuple[int, av.VideoFrame]]:
        if place >= last:
            return
        reason = ""
        try:
            for place, frame in numbered:
                yield place, frame
                if place >= last:
                    return
        except FFmpegError as error:
            reason = f" ({error.strerror})"
        raise InputError(
            f"{self.path} breaks off after {place + 1} of {self._index.length} frames{reason}; "
            f"the frames before can be used: clip[:{place + 1}]"
        )

    def _numbered(self, container: InputContainer, seek_to: int | None = None) -> Iterator[tuple[int, av.VideoFrame]]:
        stream = video_stream(container, self.path)
        if seek_to is not None:
            container.seek(seek_to, stream=stream)
        expected: int | None = None if seek_to is not None else 0
        for frame in container.decode(stream):
            place = self._place(frame.pts, expected)
            if place is None or (expected is not None and place < expected):
                continue  # before the first frame that can be decoded, or shown already
            if expected is not None and place > expected:
                return  # the decoder left frames out
            self._check(frame, place)
            yield place, frame
            expected = place + 1

    def _place(self, stamp: int | None, expected: int | None) -> int | None:
        """Which frame a time stamp belongs to: ``expected`` where the stamp tells nothing, None before the first."""
        pts = self._index.pts
        if not pts or stamp is None:
            return expected
        place = bisect.bisect_left(pts, stamp)
        if place < len(pts) and pts[place] == stamp:
            return place
        return None if place == 0 else expected

    def _check(self, frame: av.VideoFrame, place: int) -> None:
        size = (frame.width, frame.height)
        if size != self._stored_size:
            was = f"{self._stored_size[0]}x{self._stored_size[1]}"
            raise InputError(f"{self.path} changes its size at frame {place} from {was} to {size[0]}x{size[1]}")
        if frame.is_corrupt:
            warnings.warn(f"{self.path}: frame {place} is damaged; the decoder filled the gaps", stacklevel=2)


@dataclass(frozen=True)
class _Probe:
    """What the streams and the first decoded frame tell."""

    codec: str
    colour: Colour
    stored_size: tuple[int, int]
    pixel_aspect: Fraction
    rates: tuple[Fraction | None, ...]
    promised_seconds: float | None
    audio: Audio | None
    undecodable: int
    notes: tuple[str, ...]


def _probe(path: Path, index: FrameIndex) -> _Probe:
    notes: list[str] = []
    with open_media(path) as container:
        stream = video_stream(container, path)
        codec = stream.codec_context.name
        try:
            frame = next((frame for frame in container.decode(stream) if not frame.is_corrupt), None)
        except FFmpegError as error:
            raise InputError(f"{path}: the first frame cannot be decoded ({error.strerror})") from error
        if frame is None:
            raise InputError(f"{path}: not one frame can be decoded")
        undecodable = 0
        if index.pts and frame.pts is not None and frame.pts > index.pts[0]:
            undecodable = bisect.bisect_left(index.pts, frame.pts)
            notes.append(f"{undecodable} frames before the first key frame cannot be decoded: left out")
        aspect = stream.sample_aspect_ratio or Fraction(1)
        if aspect != 1:
            notes.append(f"pixels are not square ({aspect.numerator}:{aspect.denominator}): kept as they are")
        others = len(container.streams.video) - 1
        if others:
            notes.append(f"the file holds {others} more video stream(s): not read")
        return _Probe(
            codec=codec,
            colour=describe(frame, codec),
            stored_size=(frame.width, frame.height),
            pixel_aspect=aspect,
            rates=(stream.average_rate, stream.guessed_rate),
            promised_seconds=_promised_seconds(stream),
            audio=_audio(container, notes),
            undecodable=undecodable,
            notes=tuple(notes),
        )


def _audio(container: InputContainer, notes: list[str]) -> Audio | None:
    stream = audio_stream(container)
    if stream is None:
        return None
    if len(container.streams.audio) > 1:
        notes.append(f"{len(container.streams.audio)} sound tracks: the first is used")
    context = stream.codec_context
    return Audio(context.name, context.sample_rate, context.layout.name)


def _promised_seconds(stream: av.VideoStream) -> float | None:
    """Matroska's per-track DURATION tag, "00:00:05.280000000"."""
    try:
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except (KeyError, ValueError):
        return None


def _clock(
    index: FrameIndex, rates: tuple[Fraction | None, ...], notes: list[str]
) -> tuple[tuple[float, ...] | None, Fraction]:
    """Frame boundaries in seconds where the container has time stamps, and the mean frame rate."""
    tagged = next((rate for rate in rates if rate), None)
    pts, n = index.pts, index.length
    if not pts:
        if tagged is None:
            notes.append(f"no frame rate in the file: {_FALLBACK_RATE} assumed")
        return None, tagged or _FALLBACK_RATE
    steps = np.diff(pts)
    typical = int(np.median(steps)) if n > 1 else 0
    last = index.last_duration or typical
    if last == 0:
        last = round(1 / ((tagged or _FALLBACK_RATE) * index.time_base))
    end = pts[-1] + last
    boundaries = tuple(float(stamp * index.time_base) for stamp in (*pts, end))
    mean = Fraction(n, end - pts[0]) / index.time_base
    # Containers with coarse clocks (Matroska: 1 ms) jitter around an even rate.
    jitter = max(1, round(_JITTER / index.time_base))
    if n > 1 and int(steps.max()) - int(steps.min()) > jitter:
        notes.append("variable frame rate: time stamps are kept")
        return boundaries, mean.limit_denominator(100_000)
    exact = next((rate for rate in rates if rate and abs(rate / mean - 1) < Fraction(1, 100)), None)
    return boundaries, exact or mean.limit_denominator(100_000)


def _check_promise(boundaries: tuple[float, ...], promised: float | None, notes: list[str]) -> None:
    found = boundaries[-1] - boundaries[0]
    if promised is not None and promised - found > max(0.5, 0.05 * promised):
        notes.append(f"the file promises {promised:.1f} s of video and holds {found:.1f} s: it may be cut short")
