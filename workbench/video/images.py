"""A folder of frames, or a single image: PNG, JPEG, WebP, TIFF or BMP, 8 or 16 bit, grey, palette or with alpha."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from workbench.errors import InputError
from workbench.types import Frame
from workbench.video.colour import on_black
from workbench.video.orientation import Orientation, from_exif
from workbench.video.source import SourceInfo

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"})
_EXIF_ORIENTATION, _TIFF_BITS_PER_SAMPLE = 0x0112, 258
# What Pillow raises for files that are not what their names say, or break off.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort frame_2 before frame_10."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]


@dataclass(frozen=True)
class _Header:
    size: tuple[int, int]  # as shown
    format: str
    deep: bool
    alpha: bool
    orientation: Orientation
    pictures: int


def _read_header(path: Path) -> _Header:
    """Size, depth and orientation, without decoding the pixels."""
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); expected an image")
    try:
        with Image.open(path) as image:
            orientation = from_exif(image.getexif().get(_EXIF_ORIENTATION))
            bits = _bits(path, image)
            header = _Header(
                size=orientation.shown_size(*image.size),
                format=image.format or "",
                deep=bits > 8,
                alpha=_has_alpha(image),
                orientation=orientation,
                pictures=getattr(image, "n_frames", 1),
            )
    except _BROKEN as error:
        raise _broken(path, error) from error
    if bits > 16:
        raise InputError(f"{path} holds {bits}-bit samples; expected 8 or 16 bits: save it with 16")
    return header


def _has_alpha(image: Image.Image) -> bool:
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


def _broken(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} cannot be read as an image ({type(error).__name__}: {str(error).strip() or 'no detail'})"
    )


def read_image(path: Path) -> np.ndarray:
    """(h, w, 3) RGB as shown: uint8, or uint16 for 16-bit files. Alpha is composited on black."""
    header = _read_header(path)
    try:
        image, alpha = _read_deep(path) if header.deep else _read_eight_bit(path)
    except _BROKEN as error:
        raise _broken(path, error) from error
    if alpha is not None:
        image = on_black(image, alpha)
    return header.orientation.apply(image)


def _read_eight_bit(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    with Image.open(path) as image:
        if _has_alpha(image):
            rgba = np.array(image.convert("RGBA"))
            return rgba[..., :3], rgba[..., 3]
        return np.array(image.convert("RGB")), None


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
                notes.append(f"ignored {len(strays)} that are not frames: {_some(strays)}")
        else:
            self._files = [path]
        headers = [_read_header(file) for file in self._files]
        first = headers[0]
        for file, header in zip(self._files, headers, strict=True):
            if header.size != first.size:
                raise InputError(
                    f"{file.name} is {header.size[0]}x{header.size[1]}, but {self._files[0].name} is "
                    f"{first.size[0]}x{first.size[1]}; all frames of {path} must have one size"
                )
        if any(header.alpha for header in headers):
            notes.append("alpha channel composited on black")
        if deep := sum(header.deep for header in headers):
            notes.append(f"{deep} of {len(headers)} frames are 16-bit: those are uint16")
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
            bits=16 if deep else 8,
            notes=tuple(notes),
        )

    def read(self, indices: range) -> Iterator[Frame]:
        for place in indices:
            image = read_image(self._files[place])
            if image.shape[1::-1] != self.info.size:
                raise InputError(f"{self._files[place]} changed its size since the clip was opened")
            yield Frame(image, place)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _empty_folder(folder: Path, strays: list[str]) -> str:
    message = f"{folder} holds no frames (PNG, JPEG, WebP, TIFF or BMP files)"
    if strays:
        return f"{message}, only {_some(strays)}; name one video file or one folder of frames"
    return f"{message}: it is empty"
