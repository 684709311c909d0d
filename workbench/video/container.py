"""Opening a video file safely, and its index of frames, read from the packets without decoding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition

from workbench.errors import InputError

# Only containers that hold their own media: a playlist or script format could name other files or addresses.
CONTAINERS = (
    "mov,mp4,matroska,webm,avi,gif,apng,mpegts,mpeg,mpegvideo,flv,asf,ogg,ivf,mxf,nut,h264,hevc,m4v,mjpeg,obu,av1,"
    "yuv4mpegpipe,dv,rm,wtv,mp3,wav,flac,aac,aiff,ac3"
)
_SEEKABLE = ("mov", "matroska")  # key frame flags and time stamps of these can be relied on


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """An open container. Raises InputError for what is no media file, here or while it is used inside the block."""
    if not path.exists():
        raise InputError(f"{path} does not exist")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); expected a video or an image")
    options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    try:
        container = av.open(str(path.resolve()), container_options=options, metadata_errors="replace")
    except (FFmpegError, OSError) as error:
        reason = error.strerror or type(error).__name__
        raise InputError(
            f"{path} cannot be opened as a video ({reason}); it may be cut short, or be no video at all"
        ) from error
    with container:
        yield container


def video_stream(container: InputContainer, path: Path) -> av.VideoStream:
    """The first video stream that is not cover art. Raises InputError where there is none."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic and stream.codec_context is not None:
            return stream
    if container.streams.audio:
        raise InputError(f"{path} holds sound but no video")
    raise InputError(f"{path} holds no video")


def audio_stream(container: InputContainer) -> av.AudioStream | None:
    """The first sound track that can be decoded, if there is one."""
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


@dataclass(frozen=True)
class FrameIndex:
    """Where the frames of a stream are, in the order of showing.

    ``pts``: time stamps in ``time_base`` units, rising; empty where the container has none, then only ``length``
    counts. ``last_duration``: of the last frame, in the same units, 0 where unknown. ``seek_points``: places of the
    frames from which decoding gives the same pictures as decoding from the start.
    """

    length: int
    pts: tuple[int, ...]
    last_duration: int
    seek_points: tuple[int, ...]
    time_base: Fraction

    def without_first(self, count: int) -> FrameIndex:
        points = tuple(point - count for point in self.seek_points if point >= count)
        return FrameIndex(self.length - count, self.pts[count:], self.last_duration, points, self.time_base)


def read_index(path: Path) -> FrameIndex:
    """Walk through the packets. Raises InputError for a file that ends before what its header promises."""
    stamps: list[int | None] = []
    durations: dict[int, int] = {}
    clean: set[int] = set()
    packets, broken = 0, ""
    with open_media(path) as container:
        stream = video_stream(container, path)
        time_base = stream.time_base or Fraction(1, 1)
        seekable = container.format.name.split(",")[0] in _SEEKABLE
        started = False
        try:
            for packet in container.demux(stream):
                if not packet.size or packet.is_corrupt:
                    continue
                packets += 1
                started = started or packet.is_keyframe
                if not started or packet.is_discard or not _is_shown(packet, stream):
                    continue
                stamps.append(packet.pts)
                if packet.pts is not None:
                    durations[packet.pts] = packet.duration or 0
                    if seekable and packet.is_keyframe and _starts_anew(packet, stream):
                        clean.add(packet.pts)
        except FFmpegError as error:
            broken = f" ({error.strerror})"
        if packets < stream.frames or broken:
            promised = f"{stream.frames} frames" if stream.frames else "more"
            raise InputError(
                f"{path} is cut short or damaged: its header promises {promised}, the file holds {packets}{broken}; "
                f"get it whole, or save what is there with 'ffmpeg -i {path.name} -c copy whole.mkv'"
            )
    pts = sorted(stamp for stamp in stamps if stamp is not None)
    if len(set(pts)) != len(stamps):
        return FrameIndex(len(stamps), (), 0, (), time_base)
    points = tuple(place for place, stamp in enumerate(pts) if stamp in clean)
    return FrameIndex(len(pts), tuple(pts), durations[pts[-1]] if pts else 0, points, time_base)


def _is_shown(packet: av.Packet, stream: av.VideoStream) -> bool:
    """VP8 keeps its hidden reference frames in packets of their own (RFC 6386, 9.1: the show_frame bit)."""
    return stream.codec_context.name not in ("vp8", "libvpx") or bool(bytes(packet)[0] & 0x10)


def _starts_anew(packet: av.Packet, stream: av.VideoStream) -> bool:
    """Whether decoding can start here and be exact: an H.264 key frame may also be a recovery point, which is not."""
    if stream.codec_context.name != "h264":
        return True
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
