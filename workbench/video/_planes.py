"""Frames as pipes carry them: the planes of a pixel format one after another, with no padding between rows."""

from __future__ import annotations

from typing import Any

import av
import numpy as np

from workbench.errors import InputError


class Planes:
    """The layout of one frame of ``size`` (width, height) in one of libav's pixel formats.

    Raises InputError for a format that is unknown, or that needs more than the pixels, such as a palette.
    """

    def __init__(self, pixel_format: str, size: tuple[int, int]) -> None:
        try:
            about = av.VideoFormat(pixel_format, *size)
        except ValueError as error:
            raise InputError(f"there is no pixel format {pixel_format!r}; use rgb24, yuv420p, gray16le, ...") from error
        if about.has_palette or not about.components:
            raise InputError(f"{pixel_format} frames are not made of pixels alone; use rgb24, yuv420p, gray16le, ...")
        self.pixel_format, self.size = pixel_format, size
        self._rows = _rows(about)
        self.bytes = sum(rows * length for rows, length in self._rows)
        """of one frame"""

    def frame(self, data: bytearray) -> av.VideoFrame:
        """``data``: as many bytes as a frame has."""
        frame = av.VideoFrame(*self.size, self.pixel_format)
        start = 0
        for plane, (rows, length) in zip(frame.planes, self._rows, strict=True):
            there = _bytes_of(plane)
            there[:rows, :length] = np.frombuffer(data, np.uint8, rows * length, start).reshape(rows, length)
            start += rows * length
        return frame

    def pack(self, frame: av.VideoFrame) -> bytes:
        """The inverse of ``frame``."""
        parts: list[bytes] = []
        for plane, (rows, length) in zip(frame.planes, self._rows, strict=True):
            parts.append(_bytes_of(plane)[:rows, :length].tobytes())
        return b"".join(parts)


def _rows(about: av.VideoFormat) -> list[tuple[int, int]]:
    """(rows, bytes of a row) of each plane."""
    planes: dict[int, list[Any]] = {}
    for component in about.components:
        planes.setdefault(component.plane, []).append(component)
    if len(planes) == 1 and all(component.width == about.width for component in about.components):
        return [(about.height, about.width * about.padded_bits_per_pixel // 8)]  # as rgb24, bgr0, rgb565le
    return [
        (max(c.height for c in planes[k]), sum(c.width * -(-c.bits // 8) for c in planes[k])) for k in sorted(planes)
    ]


def _bytes_of(plane: Any) -> np.ndarray:
    """(rows, line size) uint8, the plane's own memory."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
