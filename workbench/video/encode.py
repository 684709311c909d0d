"""Encoding one part of a video output so that every frame is on disk as soon as it is written."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import VideoReformatter

from workbench.video.colour import to_yuv420

_BT709, _SRGB = 1, 13  # AVColorPrimaries / AVColorSpace / AVColorTransferCharacteristic
_LIMITED, _FULL = 1, 2  # AVColorRange
_KEY_FRAME_SECONDS = 2


class PartEncoder:
    """Frames of one size -> H.264 (yuv420p, BT.709, limited range) or lossless FFV1 (RGB) in a NUT file.

    NUT, because it keeps any time base exactly and writes each packet at once; H.264 without lookahead and B-frames,
    because those would keep some fifty frames in memory, to be lost when the process is killed.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        *,
        lossless: bool,
        crf: int,
        rate: Fraction,
        time_base: Fraction,
        pixel_aspect: Fraction,
    ) -> None:
        self._lossless = lossless
        self._time_base = time_base
        self._reformatter = VideoReformatter()
        self._container: OutputContainer = av.open(str(path), "w", format="nut", options={"flush_packets": "1"})
        codec, options = "libx264", {"crf": str(crf), "tune": "zerolatency", "x264-params": "repeat-headers=1"}
        if lossless:
            codec, options = "ffv1", {"level": "3", "slicecrc": "1"}
        self._stream = self._container.add_stream(codec, rate=rate, options=options)
        context = self._stream.codec_context
        width, height = size
        # 4:2:0 halves the colour planes, so odd sizes get their last column or row twice.
        self._padding = (0, 0) if lossless else (height % 2, width % 2)
        context.width, context.height = width + self._padding[1], height + self._padding[0]
        context.pix_fmt = "bgr0" if lossless else "yuv420p"
        context.time_base = self._stream.time_base = time_base
        context.framerate = rate
        context.sample_aspect_ratio = pixel_aspect
        context.gop_size = 1 if lossless else max(1, round(_KEY_FRAME_SECONDS * rate))
        context.color_range = _FULL if lossless else _LIMITED
        context.color_primaries = _BT709
        context.colorspace = 0 if lossless else _BT709
        context.color_trc = _SRGB if lossless else _BT709

    @property
    def padded(self) -> bool:
        return any(self._padding)

    def write(self, image: np.ndarray, pts: int) -> None:
        """(h, w, 3) uint8 RGB. ``pts``: when it is shown, in units of the time base."""
        bottom, right = self._padding
        image = np.pad(image, ((0, bottom), (0, right), (0, 0)), mode="edge")
        if self._lossless:
            rgb = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame = self._reformatter.reformat(rgb, format="bgr0")
        else:
            frame = to_yuv420(image, self._reformatter)
        frame.pts, frame.time_base = pts, self._time_base
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()
