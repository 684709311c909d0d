"""How a stored picture is turned for showing: the eight ways that EXIF and a video's display matrix know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Orientation:
    """Swap rows and columns first, then mirror left-right and top-bottom."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    def apply(self, image: np.ndarray) -> np.ndarray:
        """(h, w, ...) as stored -> as shown, contiguous."""
        if self.transpose:
            image = image.swapaxes(0, 1)
        if self.mirror_x:
            image = image[:, ::-1]
        if self.mirror_y:
            image = image[::-1]
        return np.ascontiguousarray(image)

    def shown_size(self, width: int, height: int) -> tuple[int, int]:
        return (height, width) if self.transpose else (width, height)

    @property
    def rotation(self) -> int:
        """Degrees clockwise, one of 0, 90, 180, 270; a mirror image is reported by ``mirrored``."""
        if self.transpose:
            return 90 if self.mirror_x else 270
        return 180 if self.mirror_y else 0

    @property
    def mirrored(self) -> bool:
        return (self.transpose + self.mirror_x + self.mirror_y) % 2 == 1


_EXIF = {
    2: Orientation(mirror_x=True),
    3: Orientation(mirror_x=True, mirror_y=True),
    4: Orientation(mirror_y=True),
    5: Orientation(transpose=True),
    6: Orientation(transpose=True, mirror_x=True),
    7: Orientation(transpose=True, mirror_x=True, mirror_y=True),
    8: Orientation(transpose=True, mirror_y=True),
}


def from_exif(value: int | None) -> Orientation:
    """EXIF tag 0x0112; unknown values mean upright, as every viewer takes them."""
    return _EXIF.get(value or 1, Orientation())


def from_display_matrix(data: bytes) -> Orientation:
    """A container's 3x3 display matrix (36 bytes, int32): the stored (x, y) is shown at (a x + c y, b x + d y).

    Angles between the right ones are taken as the nearest right one.
    """
    a, b, _, c, d, *_ = np.frombuffer(data, dtype="=i4", count=9).tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(mirror_x=a < 0, mirror_y=d < 0)
    return Orientation(transpose=True, mirror_x=c < 0, mirror_y=b < 0)
