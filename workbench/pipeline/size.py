"""How large an output is to be: x4, or x4 brought down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import SettingsError
from workbench.pixels import SCALE

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class OutputSize:
    """The model always makes x4; a smaller picture is that one brought down, which looks better than a smaller model's.

    Without either field, x4. Sizes that do not come out whole are rounded to even ones, which every video format takes.
    """

    scale: float | None = None
    """times the source's size, above 0, at most 4"""
    height: int | None = None
    """rows of the output instead, at most x4; the width follows"""

    def __post_init__(self) -> None:
        if self.scale is not None and self.height is not None:
            raise SettingsError("the output's size is given by scale or by height, not by both; leave one out.")
        if self.scale is not None and not (_is_number(self.scale) and 0 < self.scale <= SCALE):
            raise SettingsError(f"scale must be above 0 and at most {SCALE}, got {self.scale!r}.")
        if self.height is not None and not (_is_number(self.height) and self.height == int(self.height) >= 2):
            raise SettingsError(f"height must be a whole number of rows from 2 on, got {self.height!r}.")

    def of(self, size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) of a source -> those of its output. Raises SettingsError for more rows than x4 has."""
        width, height = size
        if self.height is None:
            scale = SCALE if self.scale is None else self.scale
            return _whole(width * scale), _whole(height * scale)
        if self.height > height * SCALE:
            raise SettingsError(
                f"height must be at most {height * SCALE} for frames of {width}x{height} (x{SCALE}), got {self.height}."
            )
        return _whole(width * self.height / height), int(self.height)

    def fits(self, size: tuple[int, int], source: tuple[int, int]) -> bool:
        """Whether pictures of ``size`` (width, height) can stand beside outputs of a ``source``: they have the output's
        size, or x4, which ``apply`` brings down."""
        return size in (self.of(source), (source[0] * SCALE, source[1] * SCALE))

    def in_words(self, source: tuple[int, int]) -> str:
        """What ``fits``: ``4 times as large as the clip, 1280x720``."""
        (width, height), (columns, rows) = source, self.of(source)
        words = f"{SCALE} times as large as the clip, {width * SCALE}x{height * SCALE}"
        return words if (columns, rows) == (width * SCALE, height * SCALE) else f"{words}, or {columns}x{rows}"

    def apply(self, picture: Tensor, source: tuple[int, int] | None = None) -> Tensor:
        """(3, Y, X) -> (3, H, W), both in [0, 1], by an antialiased bicubic filter; what has that size stays as it is.

        ``source``: (width, height) of the low-resolution frame; without it, a quarter of the picture's.
        """
        rows, columns = picture.shape[-2:]
        width, height = self.of(source or (columns // SCALE, rows // SCALE))
        if (height, width) == (rows, columns):
            return picture
        from torch.nn.functional import interpolate  # the app's server has no torch, and knows this class

        small = interpolate(picture[None], (height, width), mode="bicubic", align_corners=False, antialias=True)
        return small[0].clamp(0, 1)


def _whole(length: float) -> int:
    """The length where it is whole, else the nearest even number; never less than 2."""
    return max(2, int(length) if length == int(length) else 2 * round(length / 2))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
