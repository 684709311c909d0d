"""Decoded video frames -> full-range RGB: matrix, range, depth, alpha, orientation.

libswscale converts 8-bit frames (with accurate rounding and interpolated chroma it stays within one level of the exact
matrix). Deeper YUV is converted here, because libswscale's 16-bit RGB maps white to 65283 instead of 65535.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from workbench.pixels import float_to_image
from workbench.video.orientation import Orientation, from_display_matrix

# libswscale's flags for exact rounding and interpolated chroma; PyAV names them from version 18 on.
_ACCURATE_RND, _FULL_CHR_H_INT, _FULL_CHR_H_INP = 0x40000, 0x2000, 0x4000
_TO_RGB = int(Interpolation.BICUBIC) | _ACCURATE_RND | _FULL_CHR_H_INT
_TO_YUV = int(Interpolation.BICUBIC) | _ACCURATE_RND | _FULL_CHR_H_INP

# AVColorSpace (ITU-T H.273 matrix coefficients) -> name
_MATRICES = {0: "rgb", 1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
_SWS = {
    "bt709": Colorspace.ITU709,
    "bt601": Colorspace.ITU601,
    "fcc": Colorspace.FCC,
    "smpte240m": Colorspace.SMPTE240M,
    "bt2020": 9,  # Colorspace.BT2020, named from PyAV 18 on
}
_KR_KB = {
    "bt709": (0.2126, 0.0722),
    "bt601": (0.299, 0.114),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
    "bt2020": (0.2627, 0.0593),
}
# AVColorPrimaries and AVColorTransferCharacteristic (ITU-T H.273) by libav's names
_PRIMARIES: dict[int, str] = dict(
    zip(
        (1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22),
        "bt709 bt470m bt470bg smpte170m smpte240m film bt2020 smpte428 smpte431 smpte432 ebu3213".split(),
        strict=True,
    )
)
_TRANSFERS: dict[int, str] = dict(
    zip(
        (1, 4, 5, 6, 7, 8, 11, 13, 14, 15, 16, 17, 18),
        "bt709 gamma22 gamma28 smpte170m smpte240m linear iec61966-2-4 iec61966-2-1 "
        "bt2020-10 bt2020-12 smpte2084 smpte428 arib-std-b67".split(),
        strict=True,
    )
)
_HDR = {"smpte2084": "PQ", "arib-std-b67": "HLG"}


@dataclass(frozen=True)
class Colour:
    """How the pixels of a stream are to be read."""

    pixel_format: str
    matrix: str  # "rgb", "grey", "bt601", "bt709", "bt2020", "fcc", "smpte240m"
    full_range: bool
    bits: int
    alpha: bool
    orientation: Orientation
    primaries: str | None
    transfer: str | None
    notes: tuple[str, ...] = ()

    @property
    def range_name(self) -> str:
        return "full" if self.full_range else "limited"


def describe(frame: av.VideoFrame, codec: str) -> Colour:
    """Read the tags of a decoded frame; what the stream leaves open is decided as players do, and noted."""
    name, components = frame.format.name, frame.format.components
    notes: list[str] = []
    bits = max(component.bits for component in components)
    # pal8 and the packed grey/RGB formats count as RGB; everything with chroma planes is YUV.
    has_chroma = any(component.is_chroma for component in components) and not frame.format.is_rgb
    grey = not has_chroma and not frame.format.is_rgb and not frame.format.has_palette
    alpha = any(component.is_alpha for component in components) or frame.format.has_palette
    matrix = "grey" if grey else "rgb"
    full = True
    if has_chroma:
        matrix, full = _yuv_tags(frame, codec, notes)
    elif grey:
        full = int(frame.color_range) != int(ColorRange.MPEG)
    if alpha and not frame.format.has_palette:
        notes.append("alpha channel composited on black")
    if bits > 8:
        notes.append(f"{bits}-bit source: frames are uint16")
    transfer = _TRANSFERS.get(int(frame.color_trc))
    if transfer in _HDR:
        notes.append(f"HDR ({_HDR[transfer]}) is not tone-mapped: colours look flat")
    if frame.interlaced_frame:
        notes.append("interlaced: the two fields of a frame are not separated")
    orientation = Orientation()
    if (side_data := frame.side_data.get("DISPLAYMATRIX")) is not None:
        orientation = from_display_matrix(bytes(side_data))
        if orientation.mirrored:
            notes.append("the stream asks for a mirror image: done")
    primaries = _PRIMARIES.get(int(frame.color_primaries))
    return Colour(name, matrix, full, bits, alpha, orientation, primaries, transfer, tuple(notes))


def _yuv_tags(frame: av.VideoFrame, codec: str, notes: list[str]) -> tuple[str, bool]:
    full_range_format = frame.format.name.startswith("yuvj")
    matrix = _MATRICES.get(int(frame.colorspace))
    if matrix is None or matrix == "rgb":
        # The rule of players: JPEG is BT.601 (JFIF); otherwise what is larger than standard definition is BT.709.
        large = frame.height > 576 or frame.width >= 1280
        matrix = "bt709" if large and codec != "mjpeg" else "bt601"
        if codec != "mjpeg":
            notes.append(f"colour matrix not tagged: {matrix} assumed from the size {frame.width}x{frame.height}")
    color_range = int(frame.color_range)
    if color_range == 0 and not full_range_format:
        notes.append("colour range not tagged: limited assumed")
    return matrix, full_range_format or color_range == int(ColorRange.JPEG)


class Converter:
    """Decoded frames of one stream -> (h, w, 3) RGB uint8, or uint16 where the source is deeper than 8 bit."""

    def __init__(self, colour: Colour) -> None:
        self.colour = colour
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        colour = self.colour
        if colour.bits > 8:
            image, alpha = self._deep(frame)
        else:
            image, alpha = self._eight_bit(frame)
        if alpha is not None:
            image = on_black(image, alpha)
        return colour.orientation.apply(image)

    def _eight_bit(self, frame: av.VideoFrame) -> tuple[np.ndarray, np.ndarray | None]:
        colour = self.colour
        if colour.matrix == "grey" and not colour.alpha:
            # libswscale takes grey as full range whatever the tag says.
            grey = self._reformat(frame, "gray")
            if not colour.full_range:
                grey = np.clip(np.rint((grey.astype(np.float32) - 16) * (255 / 219)), 0, 255).astype(np.uint8)
            return np.repeat(grey[..., None], 3, axis=2), None
        if colour.alpha:
            rgba = self._reformat(frame, "rgba")
            return rgba[..., :3], rgba[..., 3]
        return self._reformat(frame, "rgb24"), None

    def _deep(self, frame: av.VideoFrame) -> tuple[np.ndarray, np.ndarray | None]:
        colour = self.colour
        # libswscale widens YUV and grey by a shift, so that full scale is (2^bits - 1) << (16 - bits).
        top = (2**colour.bits - 1) << max(16 - colour.bits, 0)
        if colour.matrix == "rgb" or (colour.matrix == "grey" and colour.alpha):
            rgb = self._reformat(frame, "rgba64le" if colour.alpha else "rgb48le")
            return rgb[..., :3], rgb[..., 3] if colour.alpha else None
        if colour.matrix == "grey":
            grey = self._reformat(frame, "gray16le").astype(np.float32)
            grey = grey / top if colour.full_range else (grey / 256 - 16) / 219
            return float_to_image(np.repeat(grey[..., None], 3, axis=2)), None
        planes = self._reformat(frame, "yuva444p16le" if colour.alpha else "yuv444p16le")
        rgb = float_to_image(_yuv_to_rgb(planes[..., :3].astype(np.float32), top, colour))
        alpha = None
        if colour.alpha:
            alpha = float_to_image(planes[..., 3].astype(np.float32) / top)
        return rgb, alpha

    def _reformat(self, frame: av.VideoFrame, pixel_format: str) -> np.ndarray:
        tags = {}
        if (matrix := self.colour.matrix) in _SWS:
            tags = {"src_colorspace": int(_SWS[matrix])}
            if pixel_format.startswith("rgb"):
                source = ColorRange.JPEG if self.colour.full_range else ColorRange.MPEG
                tags |= {"src_color_range": int(source), "dst_color_range": int(ColorRange.JPEG)}
            else:
                tags["dst_colorspace"] = tags["src_colorspace"]
        if frame.format.name == pixel_format:
            return frame.to_ndarray()
        converted = self._reformatter.reformat(frame, format=pixel_format, interpolation=_TO_RGB, **tags)
        return converted.to_ndarray()


def _yuv_to_rgb(yuv: np.ndarray, top: int, colour: Colour) -> np.ndarray:
    """(h, w, 3) YCbCr on a 16-bit scale -> (h, w, 3) float RGB; ITU-T H.273, equations 38 to 52."""
    if colour.full_range:
        y, u, v = yuv[..., 0] / top, (yuv[..., 1] - 32768) / top, (yuv[..., 2] - 32768) / top
    else:
        y, u, v = (yuv[..., 0] / 256 - 16) / 219, (yuv[..., 1] / 256 - 128) / 224, (yuv[..., 2] / 256 - 128) / 224
    kr, kb = _KR_KB[colour.matrix]
    red = y + 2 * (1 - kr) * v
    blue = y + 2 * (1 - kb) * u
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.stack([red, green, blue], axis=-1)


def on_black(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Straight-alpha (h, w, 3) and (h, w) of one dtype -> composited on black, same dtype."""
    if image.dtype != alpha.dtype:
        raise ValueError(f"image and alpha must share a dtype, not {image.dtype} and {alpha.dtype}")
    top = np.iinfo(image.dtype).max
    product = image.astype(np.uint64 if top > 255 else np.uint32) * alpha[..., None] + top // 2
    return (product // top).astype(image.dtype)


def to_yuv420(image: np.ndarray, reformatter: VideoReformatter) -> av.VideoFrame:
    """(h, w, 3) uint8 RGB, even sizes -> yuv420p, BT.709, limited range."""
    return reformatter.reformat(
        av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24"),
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation=_TO_YUV,
    )
