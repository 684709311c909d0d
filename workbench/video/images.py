"""A folder of frames, or a single image: PNG, JPEG, WebP, TIFF, BMP or AVIF, 8 or 16 bit, grey, palette or with alpha.

What a file holds decides how it is read, not its name. Colour profiles are converted to sRGB.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from workbench.errors import InputError
from workbench.files import IMAGE_SUFFIXES
from workbench.types import Frame
from workbench.video._orientation import Orientation, from_exif
from workbench.video.colour import on_black
from workbench.video.source import SourceInfo

_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "BMP", "AVIF", "JXL")  # of Pillow; JXL where it has that
_ANIMATED = ("PNG", "WEBP", "AVIF", "JXL")  # in the others, several pictures are pages, not moments
_EXIF_ORIENTATION, _TIFF_BITS_PER_SAMPLE = 0x0112, 258
# What Pillow raises for files that are not what their names say, or break off.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort frame_2 before frame_10."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]


@dataclass(frozen=True)
class Header:
    """What an image file says of itself."""

    size: tuple[int, int]
    """(width, height) as shown."""
    format: str
    deep: bool
    """Whether it is read as uint16."""
    reduced: bool
    """Whether it has more than 8 bits that are lost: the conversion of a profile gives 8."""
    alpha: bool
    orientation: Orientation
    pictures: int
    profile: str | None = None
    """The name of a colour profile other than sRGB, which is converted."""

    @property
    def is_animated(self) -> bool:
        return self.pictures > 1 and self.format in _ANIMATED


_JPEG_XL = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a")  # a bare stream, and one in a file of boxes


def check_readable(path: Path) -> None:
    """Raises InputError for an image of a format that this Pillow does not have; libav has no decoder for it either."""
    if "JXL" in Image.OPEN:
        return
    with path.open("rb") as file:
        if file.read(len(_JPEG_XL[1])).startswith(_JPEG_XL):
            raise InputError(
                f"{path} is a JPEG XL image, which the installed Pillow cannot read; save it as PNG, for example with "
                "djxl"
            )


def open_image(path: Path) -> Image.Image:
    """Opened by its content. Raises one of ``_BROKEN`` where that is no image."""
    Image.init()
    return Image.open(path, formats=[name for name in _FORMATS if name in Image.OPEN])


def image_header(path: Path) -> Header | None:
    """The header of an image file; None for a file that holds something else."""
    try:
        open_image(path).close()
    except _BROKEN:
        check_readable(path)
        return None
    return read_header(path)


def is_animated(path: Path) -> bool:
    header = image_header(path)
    return header is not None and header.is_animated


def read_header(path: Path) -> Header:
    """Size, depth and orientation, without decoding the pixels. Raises InputError for what is no image."""
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); expected an image")
    check_readable(path)
    try:
        with open_image(path) as image:
            orientation = from_exif(image.getexif().get(_EXIF_ORIENTATION))
            bits = _bits(path, image)
            profile = _profile(image)
            header = Header(
                size=orientation.shown_size(*_stored_size(image)),
                format=image.format or "",
                deep=bits > 8 and profile is None,
                reduced=bits > 8 and profile is not None,
                alpha=has_alpha(image),
                orientation=orientation,
                pictures=getattr(image, "n_frames", 1),
                profile=profile,
            )
    except _BROKEN as error:
        raise broken_image(path, error) from error
    if bits > 16:
        raise InputError(f"{path} holds {bits}-bit samples; expected 8 or 16 bits: save it with 16")
    return header


def _stored_size(image: Image.Image) -> tuple[int, int]:
    if image.format != "TIFF":
        return image.size
    tags: Any = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
    return tags[256], tags[257]  # Pillow turns TIFF itself, and from some version on tells the size so


def _profile(image: Image.Image) -> str | None:
    data = image.info.get("icc_profile")
    if not data:
        return None
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(data))).strip()
    except (ImageCms.PyCMSError, OSError):
        return None  # an orientation that cannot be read is ignored, as browsers do
    return None if "srgb" in name.lower() else name or "unnamed"


def has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def _bits(path: Path, image: Image.Image) -> int:
    """Bits a sample as stored: Pillow's mode does not tell, since it opens 16-bit colour as 8 bit."""
    if image.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24]
    if image.format == "TIFF":
        tags: Any = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
        return max(tags.get(_TIFF_BITS_PER_SAMPLE, (1,)))
    return {"I": 32, "F": 32}.get(image.mode, 16 if image.mode.startswith("I;16") else 8)


def broken_image(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} cannot be read as an image ({type(error).__name__}: {str(error).strip() or 'no detail'})"
    )


def read_image(path: Path) -> np.ndarray:
    """(h, w, 3) RGB as shown: uint8, or uint16 for 16-bit files. Alpha is composited on black."""
    header = read_header(path)
    try:
        if header.deep:
            image, alpha = _read_deep(path)
            image = image if alpha is None else on_black(image, alpha)
        else:
            with open_image(path) as opened:
                image = eight_bit_rgb(opened)
    except _BROKEN as error:
        raise broken_image(path, error) from error
    # Pillow and OpenCV turn TIFF themselves.
    return image if header.format == "TIFF" else header.orientation.apply(image)


def eight_bit_rgb(image: Image.Image) -> np.ndarray:
    """An opened image, or the current picture of an animation -> (h, w, 3) uint8 sRGB on black."""
    if not has_alpha(image):
        return np.array(_to_srgb(image))
    rgba = image.convert("RGBA")
    return on_black(np.array(_to_srgb(rgba.convert("RGB"), image)), np.array(rgba.getchannel("A")))


def _to_srgb(pixels: Image.Image, described: Image.Image | None = None) -> Image.Image:
    """RGB, converted from the profile of ``described``, which is ``pixels`` itself where none is given."""
    described = described or pixels
    if _profile(described) is None:
        return pixels.convert("RGB")
    pixels = pixels if pixels.mode in ("RGB", "L", "CMYK", "LAB") else pixels.convert("RGB")
    profile = ImageCms.ImageCmsProfile(io.BytesIO(described.info["icc_profile"]))
    try:
        converted = ImageCms.profileToProfile(
            pixels,
            profile,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
        )
    except ImageCms.PyCMSError:  # a profile for other channels than the picture has
        return pixels.convert("RGB")
    assert converted is not None
    return converted


def _read_deep(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    # OpenCV keeps 16-bit colour, which Pillow cannot. Bytes, not the path: it does not open all paths on Windows.
    import cv2

    data = np.frombuffer(path.read_bytes(), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise OSError("damaged")
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=2), None
    if image.shape[2] == 4:
        return image[..., 2::-1], image[..., 3]
    return image[..., ::-1], None


def frame_files(folder: Path) -> tuple[list[Path], list[str]]:
    """The frames of a folder in natural order, and the names of what else lies there."""
    frames: list[Path] = []
    strays: list[str] = []
    try:
        entries = sorted(folder.iterdir(), key=natural_key)
    except OSError as error:
        raise InputError(f"{folder} cannot be listed: {error.strerror}") from error
    for entry in entries:
        # Hidden names include the ._ companions that macOS writes beside every file on foreign disks.
        if entry.suffix.lower() in IMAGE_SUFFIXES and not entry.name.startswith(".") and entry.is_file():
            frames.append(entry)
        else:
            strays.append(entry.name + ("/" if entry.is_dir() else ""))
    return frames, strays


class ImageSource:
    """Image files, one a frame; each is opened only while it is read."""

    def __init__(self, path: Path, rate: Fraction | None) -> None:
        notes: list[str] = []
        if path.is_dir():
            self._files, strays = frame_files(path)
            if not self._files:
                raise InputError(_empty_folder(path, strays))
            if strays:
                notes.append(f"ignored {len(strays)} that are not frames: {some(strays)}")
            notes += _holes([file.stem for file in self._files])
        else:
            self._files = [path]
        headers = [read_header(file) for file in self._files]
        first = headers[0]
        for file, header in zip(self._files, headers, strict=True):
            if header.size != first.size:
                raise InputError(
                    f"{file.name} is {header.size[0]}x{header.size[1]}, but {self._files[0].name} is "
                    f"{first.size[0]}x{first.size[1]}; all frames of {path} must have one size"
                )
        notes += header_notes(headers)
        if any(header.pictures > 1 for header in headers):
            notes.append("some files hold more than one picture: the first of each is read")
        self.info = SourceInfo(
            name=path.name or str(path),
            format="/".join(sorted({header.format for header in headers})),
            length=len(self._files),
            size=first.size,
            path=path,
            rate=rate,
            rotation=first.orientation.rotation,
            bits=16 if any(header.deep for header in headers) else 8,
            notes=tuple(notes),
        )

    def read(self, indices: range) -> Iterator[Frame]:
        for place in indices:
            image = read_image(self._files[place])
            if image.shape[1::-1] != self.info.size:
                raise InputError(f"{self._files[place]} changed its size since the clip was opened")
            yield Frame(image, place)


def header_notes(headers: list[Header]) -> list[str]:
    notes: list[str] = []
    if any(header.alpha for header in headers):
        notes.append("alpha channel composited on black")
    if deep := sum(header.deep for header in headers):
        notes.append(f"{deep} of {len(headers)} frames are 16-bit: those are uint16")
    profiles = sorted({header.profile for header in headers if header.profile is not None})
    if profiles:
        notes.append(f"colour profile ({some(profiles)}): converted to sRGB, 8 bit")
    if reduced := sum(header.reduced for header in headers):
        notes.append(f"{reduced} of {len(headers)} frames are 16-bit with such a profile: brought to 8 bit")
    return notes


def _holes(stems: list[str]) -> list[str]:
    """A note where the numbers of a sequence, such as frame_0001, leave some out."""
    matches = [re.fullmatch(r"(.*?)(\d+)(\D*)", stem) for stem in stems]
    if len({match and (match[1], match[3]) for match in matches}) != 1 or matches[0] is None:
        return []
    numbers = [int(match[2]) for match in matches if match]
    steps = [later - earlier for earlier, later in pairwise(numbers)]
    if not steps or min(steps) <= 0:
        return []
    usual = min(Counter(steps).items(), key=lambda item: (-item[1], item[0]))[0]
    holes = [
        f"{earlier + usual}" + (f" to {later - usual}" if later - earlier > 2 * usual else "")
        for earlier, later in pairwise(numbers)
        if later - earlier > usual
    ]
    return [f"the sequence has holes: {some(holes)} missing; the frames are taken one after the other"] if holes else []


def some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _empty_folder(folder: Path, strays: list[str]) -> str:
    message = f"{folder} holds no frames (PNG, JPEG, WebP, TIFF, BMP or AVIF files)"
    if strays:
        return f"{message}, only {some(strays)}; name one video file or one folder of frames"
    return f"{message}: it is empty"
