"""Decoded video frames -> full-range RGB: matrix, range, depth, alpha, orientation.

libswscale converts, told by the stream's tags. Frames deeper than 8 bit take two steps, first to full chroma at their
own depth and then to RGB with its newer code ("unstable" in its options): the older one maps white to 65283 of 65535.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from workbench.errors import InputError
from workbench.pixels import eight_bit, float_to_image
from workbench.video._filters import Chain, Steps
from workbench.video._light import UNKNOWN, Light, read_light
from workbench.video._orientation import Orientation, from_display_matrix

# libswscale's flags for exact rounding and interpolated chroma; PyAV names them from version 18 on.
_ACCURATE_RND, _FULL_CHR_H_INP = 0x40000, 0x4000
_TO_YUV = int(Interpolation.BICUBIC) | _ACCURATE_RND | _FULL_CHR_H_INP
SWS_FLAGS = "flags=bicubic+accurate_rnd+full_chroma_int"

# AVColorSpace (ITU-T H.273 matrix coefficients) -> name; libswscale calls bt601 "smpte170m"
_MATRICES = {
    **{0: "rgb", 1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 8: "ycgco", 9: "bt2020", 10: "bt2020"},
    **{11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ictcp", 15: "ipt-c2"},
    **{16: "ycgco-re", 17: "ycgco-ro"},
}
SWS_MATRICES = {"bt709": "bt709", "bt601": "smpte170m", "fcc": "fcc", "smpte240m": "smpte240m", "bt2020": "bt2020"}
# AVColorPrimaries and AVColorTransferCharacteristic (ITU-T H.273) by libav's names
_PRIMARIES: dict[int, str] = {
    **{1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020"},
    **{10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213"},
}
_TRANSFERS: dict[int, str] = {
    **{1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 11: "iec61966-2-4"},
    **{13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428", 18: "arib-std-b67"},
}
_HDR = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
_WIDE = {"bt2020": "BT.2020", "smpte431": "DCI P3", "smpte432": "Display P3"}


@dataclass(frozen=True)
class Colour:
    """How the pixels of a stream are to be read."""

    pixel_format: str
    matrix: str  # "rgb", "grey", "bt601", "bt709", "bt2020", "fcc", "smpte240m", "ycgco"
    full_range: bool
    bits: int
    alpha: bool
    orientation: Orientation
    primaries: str | None  # of the frames that come out, as the transfer
    transfer: str | None
    size: tuple[int, int]  # (width, height) as stored
    light: Light = UNKNOWN
    to_bt709: Steps = ()  # what maps a wider gamut or a higher range to BT.709, where that was asked for
    notes: tuple[str, ...] = ()
    siting: str | None = None  # of the chroma samples, libav's name, where a reader of the stream knows it

    @property
    def range_name(self) -> str:
        return "full" if self.full_range else "limited"


def describe(frame: av.VideoFrame, codec: str, *, to_bt709: bool = False) -> Colour:
    """Read the tags of a decoded frame; what the stream leaves open is decided as players do, and noted.

    ``to_bt709``: map PQ, HLG and wide primaries to BT.709. Raises InputError for a matrix that cannot be converted.
    """
    name, components = frame.format.name, frame.format.components
    notes: list[str] = []
    bits = max(component.bits for component in components)
    # pal8 and the packed RGB formats count as RGB; everything else that has three colours is YUV.
    is_rgb = frame.format.is_rgb or frame.format.has_palette or name.startswith("xyz")
    has_chroma = not is_rgb and sum(not component.is_alpha for component in components) >= 3
    grey = not is_rgb and not has_chroma
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
    primaries, transfer = _PRIMARIES.get(int(frame.color_primaries)), _TRANSFERS.get(int(frame.color_trc))
    steps: Steps = ()
    light = UNKNOWN if to_bt709 else read_light(frame)
    if light.dynamic:
        notes.append(f"{' and '.join(light.dynamic)} (told for each frame) is left out")
    if transfer in _HDR or primaries in _WIDE:
        kind = f"HDR ({_HDR[transfer]})" if transfer in _HDR else f"{_WIDE[primaries or '']} colours"
        if to_bt709:
            steps = _mapping(primaries, transfer)
            primaries = transfer = "bt709"
            notes.append(f"{kind}: mapped to BT.709")
        else:
            notes.append(f"{kind}: frames are kept so, and look flat where they are shown as BT.709")
    orientation = Orientation()
    if (side_data := frame.side_data.get("DISPLAYMATRIX")) is not None:
        orientation = from_display_matrix(bytes(side_data))
        if orientation.mirrored:
            notes.append("the stream asks for a mirror image: done")
    size = (frame.width, frame.height)
    return Colour(name, matrix, full, bits, alpha, orientation, primaries, transfer, size, light, steps, tuple(notes))


def _mapping(primaries: str | None, transfer: str | None) -> Steps:
    """libswscale's tone and gamut mapping; what is not tagged is taken as the standards pair it."""
    tags = f"in_primaries={primaries or 'bt2020'}:in_transfer={transfer or 'bt709'}"
    intent = "perceptual" if transfer in _HDR else "relative_colorimetric"
    return (("scale", f"{SWS_FLAGS}:{tags}:out_primaries=bt709:out_transfer=bt709:intent={intent}"),)


def _yuv_tags(frame: av.VideoFrame, codec: str, notes: list[str]) -> tuple[str, bool]:
    full_range_format = frame.format.name.startswith("yuvj")
    matrix = _MATRICES.get(int(frame.colorspace))
    if matrix is None or matrix == "rgb":
        matrix = "bt601" if codec == "mjpeg" else assumed_matrix(frame.width, frame.height)  # JFIF is BT.601
        if codec != "mjpeg":
            notes.append(f"colour matrix not tagged: {matrix} assumed from the size {frame.width}x{frame.height}")
    if matrix not in SWS_MATRICES and matrix != "ycgco":
        raise InputError(f"the colour matrix {matrix} cannot be converted to RGB; convert the clip to bt709 first")
    color_range = int(frame.color_range)
    if color_range == 0 and not full_range_format:
        notes.append("colour range not tagged: limited assumed")
    return matrix, full_range_format or color_range == int(ColorRange.JPEG)


def assumed_matrix(width: int, height: int) -> str:
    """Of pictures that name none, by the rule of players: what is larger than standard definition is BT.709."""
    return "bt709" if height > 576 or width >= 1280 else "bt601"


class Converter:
    """Decoded frames of one stream -> (h, w, 3) RGB uint8, or uint16 where the source is deeper than 8 bit.

    Frames that differ from the first one in size are scaled to it.
    """

    def __init__(self, first: Colour, codec: str) -> None:
        self._first = first
        self._codec = codec
        self._layout: object = None

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        layout = (frame.width, frame.height, frame.format.name, int(frame.colorspace), int(frame.color_range))
        try:
            if layout != self._layout:
                self._colour = describe(frame, self._codec)
                self._chain = Chain(frame, _to_rgb(self._colour, self._first))
                self._layout = layout
            pixels = self._chain(frame)[0].to_ndarray()
        except (FFmpegError, ValueError) as error:
            raise InputError(f"frames of {frame.format.name} cannot be converted to RGB ({error})") from error
        if self._colour.matrix == "ycgco":
            pixels = _from_ycgco(pixels, self._colour)
        if pixels.ndim == 2:  # grey, always of 16 bits
            pixels = np.repeat(pixels[..., None], 3, axis=2)
        image = pixels[..., :3]
        if pixels.shape[2] == 4:
            image = on_black(image, pixels[..., 3])
        image = _of_depth(image, self._first.bits)
        return self._first.orientation.apply(image)


def _to_rgb(colour: Colour, first: Colour) -> Steps:
    """Filters that end in packed RGB; in 16-bit grey for grey; in YUV 4:4:4 for YCgCo, which libswscale lacks."""
    deep, a = colour.bits > 8, "a" if colour.alpha else ""
    rgb = f"rgb{a}" + (("64le" if a else "48le") if deep else ("" if a else "24"))
    siting = f":in_chroma_loc={first.siting}" if first.siting else ""
    size = f"w={first.size[0]}:h={first.size[1]}{siting}:{SWS_FLAGS}"
    if colour.matrix == "rgb":
        return (("scale", size), ("format", rgb), *_mapped(first, rgb))
    matrix, tag = SWS_MATRICES.get(colour.matrix, "bt709"), "pc" if colour.full_range else "tv"
    grey = colour.matrix == "grey"
    # Grey counts as full range in libswscale whatever its tag says, so its range is told in the second step.
    same = f"in_range={tag}:out_range={tag}:in_color_matrix={matrix}:out_color_matrix={matrix}"
    if grey:
        same = "in_range=pc:out_range=pc"
    whole: Steps = (("scale", f"{size}:{same}"), ("format", f"yuv{a}444p" + (f"{colour.bits}le" if deep else "")))
    if colour.matrix == "ycgco":
        return (whole[0], ("format", "yuv444p16le"))
    convert = ("scale", f"{size}{'+unstable' if deep else ''}:in_range={tag}:out_range=pc:in_color_matrix={matrix}")
    if grey and not a:
        return (*whole, convert, ("format", "gray16le"))
    return (*(whole if deep or grey else ()), convert, ("format", rgb), *_mapped(first, rgb))


def _mapped(first: Colour, rgb: str) -> Steps:
    return (*first.to_bt709, ("format", rgb)) if first.to_bt709 else ()


def _of_depth(image: np.ndarray, bits: int) -> np.ndarray:
    """uint8 for 8 bits, uint16 for more."""
    if bits <= 8:
        return eight_bit(image)
    return image if image.dtype == np.uint16 else image * np.uint16(257)


def _from_ycgco(planes: np.ndarray, colour: Colour) -> np.ndarray:
    """(h, w, 3) Y, Cg, Co, widened to 16 bits by a shift -> RGB uint16; ITU-T H.273, equations 59 to 61."""
    top = (2**colour.bits - 1) << (16 - colour.bits)
    black, luma, chroma = (0, top, top) if colour.full_range else (16 * 256, 219 * 256, 224 * 256)
    y, cg, co = np.moveaxis(planes.astype(np.float32), -1, 0)
    y, cg, co = (y - black) / luma, (cg - 32768) / chroma, (co - 32768) / chroma
    return float_to_image(np.stack([y - cg + co, y + cg, y - cg - co], axis=-1))


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
