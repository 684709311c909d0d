"""Pictures and clips for a report, as data URIs: where the columns differ most, and how they move."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.reformatter import Colorspace

from workbench.comparison.store import Folder

CANDIDATES = 4  # windows kept a frame
QUALITY = "14"  # x264's constant rate factor: differences survive it


@dataclass(frozen=True)
class Crop:
    """A square window of a frame, in output pixels."""

    index: int
    """of the frame"""
    x: int
    y: int
    size: int
    """pixels a side"""
    score: float
    """the columns' difference in it, 0..255"""

    def overlaps(self, other: Crop) -> bool:
        return abs(self.x - other.x) < self.size and abs(self.y - other.y) < self.size

    def of(self, picture: np.ndarray) -> np.ndarray:
        return picture[self.y : self.y + self.size, self.x : self.x + self.size]


def most_different(store: Folder, columns: int, frames: int, *, count: int = 3) -> list[Crop]:
    """The windows where the first column and the others differ most, apart from each other; one frame at a time."""
    found: list[Crop] = []
    for index in range(frames):
        first = store.picture(0, index)
        difference = np.zeros(first.shape[:2], np.float32)
        for other in range(1, columns):
            difference += cv2.absdiff(first, store.picture(other, index)).mean(2)
        found += _peaks(difference / max(columns - 1, 1), index)
    chosen: list[Crop] = []
    for crop in sorted(found, key=lambda c: -c.score):
        if len(chosen) < count and not any(crop.overlaps(other) for other in chosen):
            chosen.append(crop)
    return chosen


def _peaks(difference: np.ndarray, index: int) -> list[Crop]:
    height, width = difference.shape
    size = min(max(min(height, width) // 4, 32), 128, height, width)
    means = cv2.boxFilter(difference, -1, (size, size), anchor=(0, 0))[: height - size + 1, : width - size + 1].copy()
    peaks = []
    for _ in range(CANDIDATES):
        y, x = (int(i) for i in np.unravel_index(np.argmax(means), means.shape))
        if not np.isfinite(means[y, x]):
            break
        peaks.append(Crop(index, x, y, size, float(means[y, x])))
        means[max(0, y - size + 1) : y + size, max(0, x - size + 1) : x + size] = -np.inf
    return peaks


def png(picture: np.ndarray) -> str:
    """(H, W, 3) uint8 RGB -> a lossless data URI."""
    encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    return "data:image/png;base64," + base64.b64encode(encoded.tobytes()).decode()


def shrunk(picture: np.ndarray, width: int) -> np.ndarray:
    """At most ``width`` wide."""
    height = round(picture.shape[0] * width / picture.shape[1])
    return picture if picture.shape[1] <= width else cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def mp4(pictures: Iterable[np.ndarray], fps: float) -> str:
    """(H, W, 3) uint8 RGB frames -> H.264 in MP4 (BT.709), base64; every eighth frame can be sought.

    Odd sides lose their last row or column, since the format has even ones only."""
    buffer = io.BytesIO()
    stream = None
    with av.open(buffer, "w", format="mp4") as container:
        for whole in pictures:
            picture = np.ascontiguousarray(whole[: whole.shape[0] // 2 * 2, : whole.shape[1] // 2 * 2])
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": QUALITY, "g": "8", "bf": "0"}
                context = stream.codec_context
                context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
                context.color_range = 1  # studio range
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)))
        if stream is not None:
            container.mux(stream.encode(None))
    return base64.b64encode(buffer.getvalue()).decode()
