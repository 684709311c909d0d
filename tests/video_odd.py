"""Makers of odd but real video files, each a few frames long: what cameras, capture programs and trimmers write."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.video_material import ffmpeg, make_video, pictures

SOURCE = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.4")
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "12", "-pix_fmt", "yuv420p")


def doubled_stamp(path: Path) -> Path:
    """Variable rate, with one time stamp twice."""
    stamps = [0, 33, 66, 66, 1066, 1100, 3100, 3133]
    whole = make_video(path.with_suffix(".nut"), pictures(8), options={"g": "1", "bf": "0"})
    with av.open(str(whole)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for packet, stamp in zip(packets, stamps, strict=True):
            packet.time_base = Fraction(1, 1000)
            packet.pts = packet.dts = stamp
            packet.duration, packet.stream = 33, stream
            out.mux(packet)
    return path


def joined(path: Path) -> Path:
    """Two recordings one after the other: the clock starts anew."""
    one, two = path.with_name("one.ts"), path.with_name("two.ts")
    ffmpeg(*SOURCE, *X264, one)
    ffmpeg(*SOURCE, "-vf", "negate", *X264, two)
    path.write_bytes(one.read_bytes() + two.read_bytes())
    return path


def lost_packets(path: Path) -> Path:
    """A broadcast with a hole in it."""
    whole = path.with_name("whole.ts")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x96:r=25:d=1", *X264, "-g", "6", "-bf", "2", whole)
    data = whole.read_bytes()
    count = len(data) // 188
    path.write_bytes(data[: 188 * (count // 3)] + data[188 * (count // 3 + 17) :])
    return path


def tuned_in_late(path: Path) -> Path:
    """A broadcast that begins within a group of pictures."""
    whole = path.with_name("whole.ts")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x96:r=25:d=1", *X264, "-g", "6", "-bf", "2", whole)
    data = whole.read_bytes()
    path.write_bytes(data[: 188 * 3] + data[188 * (len(data) // 188 // 4) :])
    return path


def null_frames(path: Path) -> Path:
    """AVI with empty packets where nothing was captured."""
    ffmpeg(*SOURCE, "-vf", "select='not(eq(n\\,3)+eq(n\\,4))'", "-fps_mode", "passthrough", "-c:v", "mjpeg", path)
    return path


def trimmed(path: Path) -> Path:
    """Trimmed without encoding anew: the edit list shows five of ten frames."""
    ffmpeg(*SOURCE, *X264, "-bf", "0", path)
    data = bytearray(path.read_bytes())
    (scale,) = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)
    struct.pack_into(">I", data, data.index(b"elst") + 12, scale // 5)
    path.write_bytes(data)
    return path


def began_before_zero(path: Path) -> Path:
    ffmpeg(*SOURCE, *X264, "-bf", "2", "-output_ts_offset", "-0.6", "-avoid_negative_ts", "disabled", path)
    return path


def changed_size(path: Path) -> Path:
    parts = [make_video(path.with_name(f"{n}.mpg"), pictures(4, 64 + 32 * n), codec="mpeg2video") for n in range(2)]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def field_pictures(path: Path) -> Path:
    """H.264 whose fields are pictures of their own, each in a packet of its own, as AVCHD camcorders write them.

    Two macroblocks a frame (16x32), all samples stored as they are (I_PCM), the upper field first.
    """
    sps = _Bits((8, 77), (8, 0), (8, 30), 0, 0, 0, 4, 1, (1, 0), 0, 0)  # profile, level, numbers; 1x1 macroblocks
    sps += _Bits((1, 0), (1, 0), (1, 1), (1, 0), (1, 1))  # fields may be pictures; no cropping; timing follows
    sps += _Bits((1, 0), (1, 0), (1, 0), (1, 0), (1, 1), (32, 1), (32, 50), (1, 1), (1, 0), (1, 0), (1, 0), (1, 0))
    pps = _Bits(0, 0, (1, 0), (1, 0), 0, 0, 0, (1, 0), (2, 0), 0, 0, 0, (1, 1), (1, 0), (1, 0))
    heads = _unit(3, 7, sps) + _unit(3, 8, pps)
    with av.open(str(path), "w", format="mpegts") as out:
        stream: Any = out.add_stream("h264", rate=25)
        stream.width, stream.height, stream.time_base = 16, 32, Fraction(1, 90_000)
        for number in range(16):
            lower = number % 2
            slice_header = _Bits(0, 7, 0, (4, 0), (1, 1), (1, lower))
            slice_header += _Bits((8, lower), (1, 0)) if lower else _Bits(number // 2 % 2, (8, 0), (1, 0), (1, 0))
            samples = np.full(256, 40 + 10 * number, np.uint8).tobytes() + bytes([128]) * 128
            picture = slice_header + _Bits(0, 1, 25)
            picture.align()
            picture += _Bits(*((8, sample) for sample in samples))
            unit = _unit(1, 1 if lower else 5, picture)
            packet = av.Packet(_unit(0, 9, _Bits((3, 0))) + (b"" if lower else heads) + unit)
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 90_000), not lower
            packet.pts = packet.dts = 90_000 + 1800 * number
            out.mux(packet)
    return path


class _Bits:
    """Bits of an H.264 unit: a pair (length, value), or a number in the Exp-Golomb code."""

    def __init__(self, *values: int | tuple[int, int]) -> None:
        self.text = "".join(self._coded(value) for value in values)

    @staticmethod
    def _coded(value: int | tuple[int, int]) -> str:
        if isinstance(value, tuple):
            return f"{value[1]:0{value[0]}b}"
        return "0" * ((value + 1).bit_length() - 1) + f"{value + 1:b}"

    def __add__(self, other: _Bits) -> _Bits:
        both = _Bits()
        both.text = self.text + other.text
        return both

    def align(self) -> None:
        self.text += "0" * (-len(self.text) % 8)


def _unit(reference: int, kind: int, bits: _Bits) -> bytes:
    text = bits.text + "1"
    text += "0" * (-len(text) % 8)
    payload = int(text, 2).to_bytes(len(text) // 8, "big")
    guarded, zeros = bytearray(), 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:  # so that no start code appears within
            guarded.append(3)
            zeros = 0
        guarded.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return b"\0\0\0\1" + bytes([reference << 5 | kind]) + bytes(guarded)


ODD = {
    "doubled.mkv": doubled_stamp,
    "joined.ts": joined,
    "lost.ts": lost_packets,
    "late.ts": tuned_in_late,
    "null.avi": null_frames,
    "trimmed.mov": trimmed,
    "before.mkv": began_before_zero,
    "size.mpg": changed_size,
    "fields.ts": field_pictures,
}
"""File name -> maker of the file at that path."""
