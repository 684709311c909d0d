"""Where the frames of a video file are: how many there are, when each is shown, and where decoding can begin.

What the decoder gives is the truth. Only a long MP4 or Matroska file whose packets each carry their own time stamp, and
whose first frames come out just as these say, is taken by its packets; every other file is decoded once to be counted.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError

from workbench.errors import InputError
from workbench.video._stamps import Steady, steady, typical_step
from workbench.video.container import open_media, video_stream
from workbench.video.decoder import Decoder, nothing_decodes

_SEEKABLE = ("mov", "matroska")  # key frame flags and time stamps of these can be relied on
_QUICK = 5e8  # pixels that are decoded in about a second: below, every file is decoded to be counted
_SAMPLE = 32  # frames of a long file that must be where its packets say
_MAY_LEAP = 0x0200  # AVFMT_TS_DISCONT: formats whose clock is cut where recordings are joined
_FALLBACK_RATE = Fraction(25)


@dataclass(frozen=True)
class FrameIndex:
    """The frames of a stream in the order of showing."""

    pts: tuple[int, ...]
    """When each frame is shown, in ``time_base`` units, rising."""
    last_duration: int
    """Of the last frame, in the same units."""
    time_base: Fraction
    seek_points: tuple[int, ...] = ()
    """Places of the frames from which decoding gives the same pictures as decoding from the start."""
    counted: bool = True
    """Whether the frames were counted by decoding them, so that the decoder gives just these."""
    interlaced: bool | None = None
    """Whether some frames are; None where that is not known."""
    notes: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        return len(self.pts)


def read_index(path: Path) -> FrameIndex:
    """The index of a file; kept while the file stays as it is. Raises InputError where no frame can be decoded."""
    if not path.exists():
        raise InputError(f"{path} does not exist")
    status = path.stat()
    return _read_index(path.resolve(), path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _read_index(_resolved: Path, path: Path, _size: int, _changed: int) -> FrameIndex:
    with open_media(path) as container:
        packets = _Packets(container, path)
        promised = packets.read()
    if promised is not None and packets.pixels > _QUICK and _sample_agrees(path, promised):
        return promised
    return _count(path, packets.pixels > _QUICK)


class _Packets:
    """A stream's packets, walked through without decoding."""

    def __init__(self, container: InputContainer, path: Path) -> None:
        self._container = container
        self._stream = video_stream(container, path)
        self._seekable = container.format.name.split(",")[0] in _SEEKABLE
        self.pixels = 0  # of all frames, as far as known

    def read(self) -> FrameIndex | None:
        """An index, or None where the packets cannot be trusted with that."""
        durations: dict[int, int] = {}
        clean: set[int] = set()
        area = self._stream.width * self._stream.height
        trusted = self._seekable
        try:
            for packet in self._container.demux(self._stream):
                if not packet.size:
                    continue
                self.pixels += area
                if not trusted and self.pixels > _QUICK:
                    return None
                if packet.pts is None or packet.pts in durations or packet.is_discard or packet.is_corrupt:
                    trusted = False
                    continue
                durations[packet.pts] = packet.duration or 0
                if trusted and starts_anew(packet, self._stream):
                    clean.add(packet.pts)
        except FFmpegError:
            return None
        if not trusted or not durations:
            return None
        pts = tuple(sorted(durations))
        time_base = self._stream.time_base or Fraction(1)
        last = durations[pts[-1]] or typical_step(pts, _nominal_step(self._stream, time_base))
        return FrameIndex(
            pts=pts,
            last_duration=last,
            time_base=time_base,
            seek_points=tuple(place for place, stamp in enumerate(pts) if stamp in clean),
            counted=False,
            notes=tuple(_shortfall(self._stream, pts[0], pts[-1] + last, time_base)),
        )


def _sample_agrees(path: Path, index: FrameIndex) -> bool:
    with open_media(path) as container:
        decoder = Decoder(container, path)
        stamps = [stamp for _, stamp in itertools.islice(decoder.frames(), _SAMPLE)]
    return not decoder.faults and tuple(stamps) == index.pts[:_SAMPLE]


@dataclass
class _Pass:
    """What one decoding of the whole stream shows."""

    stamps: list[int | None] = field(default_factory=list)
    clean: set[int] = field(default_factory=set)
    before_key: int = 0  # packets before the first key frame
    key: int | None = None  # the time stamp of that
    last_duration: int = 0
    interlaced: bool = False
    gaps: list[int] = field(default_factory=list)  # places of frames in which the decoder had to fill something
    sizes: list[tuple[int, tuple[int, int]]] = field(default_factory=list)  # (place, size) at every change

    def add(self, frame: av.VideoFrame, stamp: int | None) -> None:
        place = len(self.stamps)
        self.stamps.append(stamp)
        self.last_duration = frame.duration or 0
        self.interlaced = self.interlaced or frame.interlaced_frame
        if frame.is_corrupt:
            self.gaps.append(place)
        size = (frame.width, frame.height)
        if not self.sizes or self.sizes[-1][1] != size:
            self.sizes.append((place, size))


def _count(path: Path, is_long: bool) -> FrameIndex:
    """Decode the whole stream once."""
    seen = _Pass()
    with open_media(path) as container:
        decoder = Decoder(container, path)
        stream = decoder.stream
        seekable = container.format.name.split(",")[0] in _SEEKABLE

        def watch(packet: av.Packet) -> None:
            if seen.key is None and packet.is_keyframe:
                seen.key = packet.pts
            seen.before_key += seen.key is None
            if seekable and packet.pts is not None and starts_anew(packet, stream):
                seen.clean.add(packet.pts)

        for frame, stamp in decoder.frames(watch):
            seen.add(frame, stamp)
        time_base = stream.time_base or Fraction(1)
        bare = all(stamp is None for stamp in seen.stamps)  # a stream without a container: its frames know their length
        nominal = (bare and seen.last_duration) or _nominal_step(stream, time_base)
        step = typical_step(seen.stamps, nominal)
        may_leap = bool(container.format.flags & _MAY_LEAP)
        clock = steady(seen.stamps, step, time_base, may_leap=may_leap, nominal=nominal)
        last = _last_duration(clock.stamps, seen.last_duration, step) if clock.stamps else 0
        hints = []
        if seekable and clock.stamps:
            hints = _shortfall(stream, clock.stamps[0], clock.stamps[-1] + last, time_base)
    if not seen.stamps:
        raise nothing_decodes(path, decoder.faults)
    notes = _notes(decoder, seen, clock, time_base) + hints
    if is_long:
        notes.append("the frames were counted by decoding the file once, since its packets do not tell them apart")
    # After damage or with a mended clock, decoding from another place might not give the same.
    exact = not decoder.faults and clock.stamps == tuple(seen.stamps)
    points = [place for place, stamp in enumerate(clock.stamps) if stamp in seen.clean] if exact else []
    return FrameIndex(
        pts=clock.stamps,
        last_duration=last,
        time_base=time_base,
        seek_points=tuple(points),
        interlaced=seen.interlaced,
        notes=tuple(notes),
    )


def _notes(decoder: Decoder, seen: _Pass, clock: Steady, time_base: Fraction) -> list[str]:
    def when(place: int) -> str:
        return f"{float((clock.stamps[place] - clock.stamps[0]) * time_base):.2f} s"

    notes: list[str] = []
    start = seen.stamps[0]
    if seen.before_key and seen.key is not None and start is not None and start >= seen.key:
        notes.append(f"{seen.before_key} packets before the first key frame cannot be decoded: left out")
    if decoder.broken is not None:
        end = when(len(clock.stamps) - 1)
        notes.append(f"cut short or damaged: reading ended at {end} by an error ({decoder.broken.reason})")
    if decoder.faults:
        fault = decoder.faults[0]
        place = ""
        if fault.stamp is not None and start is not None:
            place = f", the first near {max(0.0, float((fault.stamp - start) * time_base)):.2f} s"
        notes.append(f"damaged: {len(decoder.faults)} packets cannot be decoded{place} ({fault.reason}): left out")
    if seen.gaps:
        notes.append(f"damaged: the decoder filled gaps in {len(seen.gaps)} frames, the first at {when(seen.gaps[0])}")
    if clock.joints:
        notes.append(f"the clock of the file jumps, first at {when(clock.joints[0])}: carried on from there")
    if clock.nudged:
        notes.append(f"{clock.nudged} time stamps do not rise: moved behind the one before")
    if len(seen.sizes) > 1:
        (_, (width, height)), (place, (other_width, other_height)) = seen.sizes[:2]
        notes.append(
            f"the pictures change their size at {when(place)} from {width}x{height} to {other_width}x{other_height}: "
            f"scaled to {width}x{height}"
        )
    return notes


def _shortfall(stream: av.VideoStream, start: int, end: int, time_base: Fraction) -> list[str]:
    """A note where there is clearly less than the header names. That is a hint: some headers are wrong."""
    held = float((end - start) * time_base)
    try:
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")  # Matroska: where the track ends
        named = int(hours) * 3600 + int(minutes) * 60 + float(seconds) - float(start * time_base)
    except (KeyError, ValueError):
        named = float((stream.duration or 0) * time_base)
    missing = named - held > max(0.5, 0.05 * named)
    return [f"the header names {named:.1f} s of video and the file holds {held:.1f} s"] if missing else []


def _last_duration(stamps: tuple[int, ...], told: int, step: int) -> int:
    """As the file tells, but not the half of a picture that it tells of one that is stored as two fields."""
    steps = [later - earlier for earlier, later in itertools.pairwise(stamps)]
    even = not steps or max(steps) - min(steps) <= 1
    return step if not told or (even and 4 * told < 3 * step) else told


def _nominal_step(stream: av.VideoStream, time_base: Fraction) -> int:
    rate = stream.average_rate or stream.guessed_rate or _FALLBACK_RATE
    return max(1, round(1 / (rate * time_base)))


def starts_anew(packet: av.Packet, stream: av.VideoStream) -> bool:
    """Whether decoding can start here and be exact: an H.264 key frame may also be a recovery point, which is not."""
    if not packet.is_keyframe or stream.codec_context.name != "h264":
        return packet.is_keyframe
    extradata = stream.codec_context.extradata
    data = bytes(packet)
    if not extradata or extradata[0] != 1:  # Annex B: units begin with 00 00 01
        return any(unit and unit[0] & 0x1F == 5 for unit in data.split(b"\0\0\1")[1:])
    length_size = (extradata[4] & 3) + 1  # ISO/IEC 14496-15, 5.3.3.1
    position = 0
    while position + length_size < len(data):
        length = int.from_bytes(data[position : position + length_size], "big")
        position += length_size
        if data[position] & 0x1F == 5:
            return True
        position += length
    return False
