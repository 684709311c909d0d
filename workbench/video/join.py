"""Joining the parts of an output into one file, without encoding the pictures anew, and with the clip's sound."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.error import FFmpegError

from workbench.errors import OutputError
from workbench.video.audio import Sound, SoundTrack
from workbench.video.segments import Segment

_FORMATS = {".mp4": "mp4", ".mkv": "matroska"}


def join(output: Path, segments: list[Segment], *, last_duration: Fraction, sound: Sound | None) -> list[str]:
    """Write ``output`` whole, or not at all; it takes the place of what was there. Returns notes on the sound.

    ``last_duration``: of the last frame in seconds. Raises OSError, FFmpegError or OutputError; then the parts are
    as they were.
    """
    notes: list[str] = []
    unfinished = output.with_name(output.name + ".unfinished")
    try:
        try:
            notes += _mux(unfinished, output.suffix.lower(), segments, last_duration, sound)
        except (FFmpegError, ValueError) as error:
            if sound is None or isinstance(error, (OSError, OutputError)):
                raise
            notes += _mux(unfinished, output.suffix.lower(), segments, last_duration, None)
            notes.append(f"the sound could not be carried over ({error}): the output is silent")
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
    return notes


def _mux(path: Path, suffix: str, segments: list[Segment], last_duration: Fraction, sound: Sound | None) -> list[str]:
    options = {"movflags": "faststart"} if suffix == ".mp4" else {}
    with ExitStack() as stack:
        container: OutputContainer = stack.enter_context(
            av.open(str(path), "w", format=_FORMATS[suffix], options=options)
        )
        # The last part is one of ours, whose stream describes itself in the way that all formats take.
        template = stack.enter_context(av.open(str(segments[-1].path)))
        stream = container.add_stream_from_template(template.streams.video[0])
        streams = [_pictures(segments, stream, last_duration)]
        notes: list[str] = []
        if sound is not None:
            source = stack.enter_context(av.open(str(sound.path), metadata_errors="replace"))
            track = SoundTrack(sound, source, container)
            streams.append(track.packets())
            notes.append(track.note)
        for packet in heapq.merge(*streams, key=_time):
            container.mux(packet)
    return notes


def _time(packet: av.Packet) -> Fraction:
    return (packet.pts or 0) * (packet.time_base or Fraction(1))


def _pictures(segments: list[Segment], stream: av.VideoStream, last_duration: Fraction) -> Iterator[av.Packet]:
    """All packets in order, each with the duration up to the next one."""
    waiting: av.Packet | None = None
    for segment in segments:
        for packet in _packets(segment, stream):
            if waiting is not None:
                yield _lasting(waiting, _time(packet) - _time(waiting), stream)
            waiting = packet
    if waiting is not None:
        yield _lasting(waiting, last_duration, stream)


def _lasting(packet: av.Packet, seconds: Fraction, stream: av.VideoStream) -> av.Packet:
    packet.duration = round(seconds / (packet.time_base or Fraction(1)))
    packet.stream = stream
    return packet


def _packets(segment: Segment, stream: av.VideoStream) -> Iterator[av.Packet]:
    count = segment.stop - segment.start
    with av.open(str(segment.path)) as container:
        source = container.streams.video[0]
        filters = None
        if _has_lengths(source) and not _has_lengths(stream):
            filters = BitStreamFilterContext("h264_mp4toannexb", source)
        for packet in container.demux(source):
            if not packet.size:
                continue
            yield from [packet] if filters is None else filters.filter(packet)
            count -= 1
            if count == 0:
                return
    raise OutputError(f"{segment.path} lost {count} frames since the run began")


def _has_lengths(stream: av.VideoStream) -> bool:
    """Whether H.264 units are stored with lengths, as in MP4 (avcC), not with start codes as in our parts."""
    extradata = stream.codec_context.extradata
    return stream.codec_context.name in ("h264", "libx264") and bool(extradata) and extradata[0] == 1


def check_joinable(earlier: Path, later: Path) -> None:
    """Raise OutputError unless the streams of two files can be one stream.

    H.264 of ours repeats its parameters in the stream, so only size and codec matter; FFV1 keeps them in the header.
    """
    with av.open(str(earlier)) as first, av.open(str(later)) as second:
        a, b = first.streams.video[0].codec_context, second.streams.video[0].codec_context
        same = (a.name, a.width, a.height) == (b.name, b.width, b.height)
        if same and a.name == "ffv1":
            same = a.extradata == b.extradata
        if not same:
            raise OutputError(
                f"{earlier} ({a.name} {a.width}x{a.height}) cannot be continued with {b.name} {b.width}x{b.height} "
                "of this version; start anew with overwrite"
            )
