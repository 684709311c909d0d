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
from av.stream import Disposition

from workbench.errors import InputError
from workbench.types import Frame
from workbench.video._filters import deinterlaced
from workbench.video._index import FrameIndex, read_index
from workbench.video.colour import Colour, Converter, describe
from workbench.video.container import audio_stream, open_media
from workbench.video.decoder import Decoder, has_hidden_alpha, nothing_decodes
from workbench.video.source import Audio, SourceInfo

_JITTER = Fraction(2, 1000)  # seconds
Numbered = Iterator[tuple[int, av.VideoFrame]]


class VideoSource:
    """One video file. Frame k is the same picture whether it is decoded alone, in a slice, or with all others."""

    def __init__(self, path: Path, rate: Fraction | None, options: dict[str, str]) -> None:
        """``options``: "deinterlace" and "colours" of ``open_clip``."""
        self.path = path
        deinterlace, to_bt709 = options["deinterlace"] == "auto", options["colours"] == "bt709"
        self._index = index = read_index(path)
        probe = _probe(path, to_bt709)
        self._colour, self._codec = probe.colour, probe.codec
        # Where it is not known whether frames are interlaced, the filter looks at each frame's flag.
        interlaced = probe.interlaced if index.interlaced is None else index.interlaced
        self._deinterlace = deinterlace and index.interlaced is not False
        notes = [*index.notes, *probe.notes, *probe.colour.notes]
        if interlaced:
            notes.append("interlaced: " + ("deinterlaced (bwdif)" if deinterlace else "both fields stay in each frame"))
        changed: dict[str, str] = {}
        if interlaced and not deinterlace:
            changed["deinterlace"] = "off"
        if probe.colour.to_bt709:
            changed["colours"] = "bt709"
        if rate is not None:
            changed["fps"] = str(rate)
        audio, boundaries, true_rate = probe.audio, _boundaries(index), _true_rate(index, probe.rates, notes)
        if rate is not None:
            boundaries = None
            if audio is not None:
                audio = None
                notes.append("sound left out: the frame rate was overridden, so it would not stay in step")
        turned = probe.colour.orientation.transpose
        self.info = SourceInfo(
            name=path.name,
            format=f"{probe.codec} {probe.colour.pixel_format}",
            length=index.length,
            size=probe.colour.orientation.shown_size(*probe.colour.size),
            path=path,
            rate=rate or true_rate,
            time_base=None if boundaries is None else index.time_base,
            boundaries=boundaries,
            audio=audio,
            rotation=probe.colour.orientation.rotation,
            color_range=probe.colour.range_name,
            color_space=probe.colour.matrix,
            primaries=probe.colour.primaries,
            transfer=probe.colour.transfer,
            bits=probe.colour.bits,
            light=probe.colour.light,
            pixel_aspect=1 / probe.pixel_aspect if turned else probe.pixel_aspect,
            notes=tuple(notes),
            options=changed,
        )

    def read(self, indices: range) -> Iterator[Frame]:
        if not indices:
            return
        convert = Converter(self._colour, self._codec)
        first, last = indices.start, indices[-1]
        if self._deinterlace:  # looks at the frames beside each
            first, last = max(first - 1, 0), min(last + 1, self._index.length - 1)
        numbered = self._decode(first, last)
        if self._deinterlace:
            numbered = deinterlaced(numbered)
        for place, frame in numbered:
            if place in indices:
                yield Frame(convert(frame), place)

    def _decode(self, first: int, last: int) -> Numbered:
        """The decoded frames ``first`` to ``last`` with their places, from the nearest point to begin at."""
        points = self._index.seek_points
        nearest = points[bisect.bisect_right(points, first) - 1] if points and points[0] <= first else 0
        if nearest > 0:
            with open_media(self.path) as container:
                numbered = self._from(nearest, container)
                head = next(numbered, None)
                if head is not None:
                    yield from self._between(first, last, _chained(head, numbered))
                    return
            # The container did not go to where it was asked to: decode from the start.
        with open_media(self.path) as container:
            yield from self._between(first, last, self._from(0, container))

    def _between(self, first: int, last: int, numbered: Numbered) -> Numbered:
        place = -1
        for place, frame in numbered:
            if place >= first:
                yield place, frame
            if place >= last:
                return
        raise InputError(f"{self.path} ends after {place + 1} frames; it had {self._index.length} when it was opened")

    def _from(self, place: int, container: InputContainer) -> Numbered:
        """All frames from ``place`` on. Yields nothing where the container cannot be made to begin there."""
        decoder = Decoder(container, self.path)
        frames = decoder.frames()
        if place:
            try:
                container.seek(self._index.pts[place], stream=decoder.stream)
            except FFmpegError:
                return
            frames = _beginning_at(self._index.pts[place], frames)
        yield from (
            enumerate((frame for frame, _ in frames), place)
            if self._index.counted
            else self._held(place, frames, decoder)
        )

    def _held(self, place: int, frames: Iterator[tuple[av.VideoFrame, int | None]], decoder: Decoder) -> Numbered:
        """Frames where the packets say they are; where the decoder leaves one out, the one before stays."""
        pts = self._index.pts
        before: av.VideoFrame | None = None
        for frame, stamp in frames:
            found = place if stamp is None else bisect.bisect_left(pts, stamp)
            if found < place:
                continue
            yield from self._stay(place, min(found, len(pts)), before or frame)
            if found < len(pts):
                yield found, frame
            place, before = found + 1, frame
        if before is None:
            raise nothing_decodes(self.path, decoder.faults)
        yield from self._stay(place, len(pts), before)

    def _stay(self, start: int, stop: int, frame: av.VideoFrame) -> Numbered:
        if start < stop:
            lost = f"frame {start}" if stop == start + 1 else f"frames {start} to {stop - 1}"
            warnings.warn(f"{self.path}: damaged, {lost} cannot be decoded; the one before stays", stacklevel=2)
        for place in range(start, stop):
            yield place, frame


def _chained(head: tuple[int, av.VideoFrame], rest: Numbered) -> Numbered:
    yield head
    yield from rest


def _beginning_at(
    stamp: int, frames: Iterator[tuple[av.VideoFrame, int | None]]
) -> Iterator[tuple[av.VideoFrame, int | None]]:
    """From the frame with this time stamp on; nothing where there is none."""
    found = False
    for frame, current in frames:
        found = found or current == stamp
        if found:
            yield frame, current
        elif current is not None and current > stamp:
            return


@dataclass(frozen=True)
class _Probe:
    """What the streams and the first decoded frame tell."""

    codec: str
    colour: Colour
    interlaced: bool
    pixel_aspect: Fraction
    rates: tuple[Fraction | None, ...]
    audio: Audio | None
    notes: tuple[str, ...]


def _probe(path: Path, to_bt709: bool) -> _Probe:
    notes: list[str] = []
    with open_media(path) as container:
        decoder = Decoder(container, path)
        stream = decoder.stream
        codec = stream.codec_context.name
        frame, _ = next(decoder.frames(), (None, None))
        if frame is None:
            raise nothing_decodes(path, decoder.faults)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        if aspect != 1:
            notes.append(f"pixels are not square ({aspect.numerator}:{aspect.denominator}): kept as they are")
        covers = sum(bool(other.disposition & Disposition.attached_pic) for other in container.streams.video)
        others = len(container.streams.video) - covers - 1
        if others:
            notes.append(f"the file holds {others} more video stream(s): not read")
        colour = describe(frame, codec, to_bt709=to_bt709)
        if has_hidden_alpha(stream) and not colour.alpha:
            notes.append("the alpha channel is left out: libav has no decoder for it here")
        return _Probe(
            codec=codec,
            colour=colour,
            interlaced=frame.interlaced_frame,
            pixel_aspect=aspect,
            rates=(stream.average_rate, stream.guessed_rate),
            audio=_audio(container),
            notes=tuple(notes),
        )


def _audio(container: InputContainer) -> Audio | None:
    stream = audio_stream(container)
    if stream is None:
        return None
    context = stream.codec_context
    return Audio(context.name, context.sample_rate, context.layout.name)


def _boundaries(index: FrameIndex) -> tuple[float, ...]:
    """When each frame starts, and when the last one ends, in seconds."""
    return tuple(float(stamp * index.time_base) for stamp in (*index.pts, index.pts[-1] + index.last_duration))


def _true_rate(index: FrameIndex, rates: tuple[Fraction | None, ...], notes: list[str]) -> Fraction:
    """The mean frame rate; the exact one that the file names where that is the same."""
    pts = index.pts
    mean = len(pts) / ((pts[-1] + index.last_duration - pts[0]) * index.time_base)
    steps = np.diff(pts)
    # Containers with coarse clocks (Matroska: 1 ms) jitter around an even rate.
    jitter = max(1, round(_JITTER / index.time_base))
    if len(pts) > 1 and int(steps.max()) - int(steps.min()) > jitter:
        notes.append("variable frame rate: time stamps are kept")
        return mean.limit_denominator(100_000)
    exact = next((rate for rate in rates if rate and abs(rate / mean - 1) < Fraction(1, 100)), None)
    return exact or mean.limit_denominator(100_000)
