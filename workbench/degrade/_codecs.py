"""Frames through a video codec and back, in memory: real groups of pictures, P- and B-frames, 4:2:0 colour.

compressed(frames, "h264", 28)      # x264 at crf 28, as ``ffmpeg -crf 28`` would leave them
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from workbench.errors import InputError, SettingsError

RATE = 25  # frames per second: rate control and MPEG-2's table of rates want one
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 otherwise writes its settings to the terminal


@dataclass(frozen=True)
class Codec:
    """A row of ``CODECS``."""

    encoder: str
    """libav's name of the encoder"""
    decoder: str
    quality: str
    """how the quality number is given: ``crf`` or ``quantiser``"""
    best: float
    """the number that nobody can tell from the source"""
    worst: float
    """a number at which blocks are plain to see"""
    options: Mapping[str, str] = field(default_factory=dict)
    """of the encoder, always"""
    fast: Mapping[str, str] = field(default_factory=dict)
    """of the encoder, where speed matters more than size"""
    full_range: bool = False
    b_frames: bool = True
    """whether the encoder can make B-frames when asked to"""
    smallest: int = 16
    """pixels of the shorter side that it takes"""


CODECS: dict[str, Codec] = {
    "h264": Codec("libx264", "h264", "crf", 12, 38, fast={"preset": "veryfast"}),
    "h265": Codec("libx265", "hevc", "crf", 12, 38, {"x265-params": "log-level=none:pools=none:frame-threads=1"},
                  {"preset": "ultrafast"}, smallest=64),
    "vp9": Codec("libvpx-vp9", "vp9", "crf", 10, 55, {"b": "0"}, {"deadline": "realtime", "cpu-used": "7"},
                 b_frames=False),
    "av1": Codec("libsvtav1", "libdav1d", "crf", 15, 55, {"svtav1-params": "lp=1"}, {"preset": "12"},
                 b_frames=False, smallest=64),
    "mpeg2": Codec("mpeg2video", "mpeg2video", "quantiser", 2, 20),
    "mpeg4": Codec("mpeg4", "mpeg4", "quantiser", 2, 20),
    "mjpeg": Codec("mjpeg", "mjpeg", "quantiser", 2, 20, full_range=True, b_frames=False),
}  # fmt: skip
"""Name -> codec. The lower its quality number, the better the picture."""


def compressed(
    frames: np.ndarray,
    codec: str = "h264",
    quality: float = 28,
    *,
    group: int = 250,
    b_frames: int | None = None,
    fast: bool = False,
) -> np.ndarray:
    """(T, h, w, 3) uint8 RGB -> the same frames after the codec, same shape; the first one is a key frame.

    ``quality``: crf (h264, h265, vp9, av1) or quantiser (mpeg2, mpeg4, mjpeg); see ``CODECS`` for sensible ranges.
    ``group``: frames from one key frame to the next. ``b_frames``: between two others, None for the encoder's own
    choice. ``fast``: the encoder's fast settings in place of its usual ones.
    Colour is BT.709 in limited range (JPEG: full), 4:2:0. Raises SettingsError for an unknown codec, InputError for
    frames that it cannot take.
    """
    if codec not in CODECS:
        raise SettingsError(f"a codec must be one of {', '.join(CODECS)}, got {codec!r}.")
    row = CODECS[codec]
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise InputError(
            f"frames to compress must be (T, h, w, 3) uint8 with T of at least 1, got {frames.shape} {frames.dtype}."
        )
    height, width = frames.shape[1:3]
    if min(height, width) < row.smallest:
        raise InputError(f"{codec} takes frames of {row.smallest} pixels a side or more, got {width}x{height}.")
    even = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    context = _encoder(row, even.shape[2], even.shape[1], quality, group, b_frames, fast)
    decoded = list(_decoded(row, context, even))
    if len(decoded) != len(frames):
        raise InputError(f"{codec} gave back {len(decoded)} of {len(frames)} frames of {width}x{height}.")
    return np.stack(decoded)[:, :height, :width]


def _encoder(row: Codec, width: int, height: int, quality: float, group: int, b_frames: int | None, fast: bool) -> Any:
    context: Any = av.CodecContext.create(row.encoder, "w")
    context.width, context.height = width, height
    context.pix_fmt = "yuvj420p" if row.full_range else "yuv420p"
    context.time_base, context.framerate = Fraction(1, RATE), Fraction(RATE)
    context.thread_count = 1
    context.gop_size = group
    options = {**row.options, **(row.fast if fast else {})}
    if row.quality == "crf":
        options["crf"] = f"{quality:g}"
    else:
        context.qmin = context.qmax = round(quality)
    if b_frames is not None and row.b_frames:
        options["bf"] = str(b_frames)
    context.options = options
    return context


def _decoded(row: Codec, encoder: Any, frames: np.ndarray) -> Iterator[np.ndarray]:
    """The frames in the order they are shown."""
    decoder: Any = av.CodecContext.create(row.decoder, "r")
    decoder.thread_count = 1
    there, back = VideoReformatter(), VideoReformatter()
    for packet in _packets(row, encoder, frames, there):
        for frame in decoder.decode(packet):
            yield _rgb(row, frame, back)
    for frame in decoder.decode(None):
        yield _rgb(row, frame, back)


def _packets(row: Codec, encoder: Any, frames: np.ndarray, reformatter: VideoReformatter) -> Iterator[av.Packet]:
    for k, image in enumerate(frames):
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame = reformatter.reformat(
            rgb,
            format=encoder.pix_fmt,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=_range(row),
            interpolation=EXACT,
        )
        frame.pts, frame.time_base = k, encoder.time_base
        frame.pict_type = 0  # the encoder chooses the picture type
        yield from encoder.encode(frame)
    yield from encoder.encode(None)


def _rgb(row: Codec, frame: av.VideoFrame, reformatter: VideoReformatter) -> np.ndarray:
    shown = reformatter.reformat(
        frame,
        format="rgb24",
        src_colorspace=Colorspace.ITU709,
        src_color_range=_range(row),
        dst_color_range=ColorRange.JPEG,
        interpolation=EXACT,
    )
    return cast(np.ndarray, shown.to_ndarray())


def _range(row: Codec) -> ColorRange:
    return ColorRange.JPEG if row.full_range else ColorRange.MPEG
