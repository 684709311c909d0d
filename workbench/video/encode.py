"""Encoding one part of a video output so that every frame is on disk as soon as it is written."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from workbench.video.files import media_path
from workbench.video.source import SourceInfo

HDR = {"smpte2084": "PQ", "arib-std-b67": "HLG"}  # transfers that 8 bits cannot hold
_KEY_FRAME_SECONDS = 2
# libswscale's flags for exact rounding and interpolated chroma; PyAV names them from version 18 on.
_TO_YUV = int(Interpolation.BICUBIC) | 0x40000 | 0x2000
_BT2020 = 9  # AVColorSpace


@dataclass(frozen=True)
class Coding:
    """How the pictures of an output are coded. ``colours``: libav's options that tag them, also in the container."""

    codec: str
    pixel_format: str
    bits: int
    options: dict[str, str]
    colours: dict[str, str]

    @property
    def lossless(self) -> bool:
        return self.codec == "ffv1"


def choose_coding(suffix: str, info: SourceInfo | None, crf: int) -> Coding:
    """.mp4: H.264 with 8 bits, or HEVC with 10 for PQ and HLG. .mkv: lossless FFV1 with the bits of the source.

    No lookahead and no B-frames: those keep some fifty frames in memory, to be lost when the process is killed.
    """
    primaries = (info and info.primaries) or "bt709"
    transfer = (info and info.transfer) or ""
    if suffix == ".mkv":
        bits = 8 if info is None else info.bits
        pixel_format = {8: "bgr0", 10: "gbrp10le", 12: "gbrp12le"}.get(bits, "gbrp16le")
        tags = _tags(primaries, transfer or "iec61966-2-1", "rgb", "pc")
        return Coding("ffv1", pixel_format, bits if bits in (8, 10, 12) else 16, {"level": "3", "slicecrc": "1"}, tags)
    wide = primaries == "bt2020"
    tags = _tags(primaries, transfer or "bt709", "bt2020nc" if wide else "bt709", "tv")
    if transfer in HDR:
        light = "" if info is None else info.light.x265
        options = {"crf": str(crf), "tune": "zerolatency", "x265-params": f"repeat-headers=1:log-level=error{light}"}
        return Coding("libx265", "yuv420p10le", 10, options, tags)
    options = {"crf": str(crf), "tune": "zerolatency", "x264-params": "repeat-headers=1"}
    return Coding("libx264", "yuv420p", 8, options, tags)


def _tags(primaries: str, transfer: str, matrix: str, levels: str) -> dict[str, str]:
    return {"color_primaries": primaries, "color_trc": transfer, "colorspace": matrix, "color_range": levels}


class PartEncoder:
    """Frames of one size -> a NUT file, which keeps any time base exactly and gets each packet at once."""

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        *,
        coding: Coding,
        rate: Fraction,
        time_base: Fraction,
        pixel_aspect: Fraction,
        comment: str = "",
    ) -> None:
        self._coding = coding
        self._time_base = time_base
        self._reformatter = VideoReformatter()
        self._container: OutputContainer = av.open(media_path(path), "w", format="nut", options={"flush_packets": "1"})
        self._container.metadata["comment"] = comment
        self._stream: Any = self._container.add_stream(coding.codec, rate=rate, options=coding.options | coding.colours)
        context = self._stream.codec_context
        width, height = size
        # 4:2:0 halves the colour planes, so odd sizes get their last column or row twice.
        self._padding = (0, 0) if coding.lossless else (height % 2, width % 2)
        context.width, context.height = width + self._padding[1], height + self._padding[0]
        context.pix_fmt = coding.pixel_format
        context.time_base = self._stream.time_base = time_base
        context.framerate = rate
        context.sample_aspect_ratio = pixel_aspect
        context.gop_size = 1 if coding.lossless else max(1, round(_KEY_FRAME_SECONDS * rate))

    @property
    def padded(self) -> bool:
        return any(self._padding)

    def write(self, image: np.ndarray, pts: int) -> None:
        """(h, w, 3) RGB, uint8 or uint16. ``pts``: when it is shown, in units of the time base."""
        bottom, right = self._padding
        image = np.pad(image, ((0, bottom), (0, right), (0, 0)), mode="edge")
        frame = self._planes(image) if self._coding.bits > 8 and self._coding.lossless else self._reformatted(image)
        frame.pts, frame.time_base = pts, self._time_base
        self._container.mux(self._stream.encode(frame))

    def _reformatted(self, image: np.ndarray) -> av.VideoFrame:
        deep = self._coding.bits > 8
        image = with_bits(image, 16) if deep else with_bits(image, 8)
        frame = av.VideoFrame.from_ndarray(image, format="rgb48le" if deep else "rgb24")
        if self._coding.lossless:
            return self._reformatter.reformat(frame, format=self._coding.pixel_format)
        wide = self._coding.colours["colorspace"] == "bt2020nc"
        return self._reformatter.reformat(
            frame,
            format=self._coding.pixel_format,
            dst_colorspace=_BT2020 if wide else Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=_TO_YUV,
        )

    def _planes(self, image: np.ndarray) -> av.VideoFrame:
        """libswscale shifts 16 bits down; rounding keeps white white and grey grey."""
        return av.VideoFrame.from_ndarray(with_bits(image, self._coding.bits), format=self._coding.pixel_format)

    def close(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()


def with_bits(image: np.ndarray, bits: int) -> np.ndarray:
    """uint8 or uint16 full scale -> ``bits`` full scale, rounded, in the smallest type that holds it."""
    top, wanted = np.iinfo(image.dtype).max, 2**bits - 1
    if top == wanted:
        return np.ascontiguousarray(image)
    return np.rint(image.astype(np.float32) * (wanted / top)).astype(np.uint8 if bits == 8 else np.uint16)
