"""Frames that are already in memory, or come one by one from an iterator."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from workbench.errors import InputError
from workbench.pixels import float_to_image
from workbench.types import Frame
from workbench.video.source import SourceInfo

_EXPECTED = "expected (h, w, 3) RGB: uint8, uint16, or float in [0, 1]"


def is_tensor(value: object) -> bool:
    """Whether this is a torch tensor, without importing torch for those who have none."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def to_numpy(value: Any) -> np.ndarray:
    """A numpy array, or a torch tensor with channels first, as a numpy array with channels last."""
    if not is_tensor(value):
        try:
            return np.asarray(value)
        except ValueError as error:
            raise InputError(f"a {type(value).__name__} is no frame; {_EXPECTED}") from error
    tensor = value.detach().cpu()
    if tensor.dtype.is_floating_point:
        tensor = tensor.float()
    if tensor.ndim not in (3, 4) or tensor.shape[-3] != 3:
        raise InputError(f"a tensor must be (n, 3, h, w) or (3, h, w), not {tuple(tensor.shape)}")
    return np.moveaxis(tensor.numpy(), -3, -1)


def check_dtype(dtype: np.dtype[Any], name: str) -> None:
    if dtype not in (np.uint8, np.uint16) and dtype.kind != "f":
        raise InputError(f"{name} has dtype {dtype}; {_EXPECTED}")


def check_floats(image: np.ndarray, name: str) -> None:
    if not np.isfinite(image).all():
        raise InputError(f"{name} holds NaN or infinity; {_EXPECTED}")
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        raise InputError(f"{name} holds values from {low:.4g} to {high:.4g}; {_EXPECTED} (divide 8-bit values by 255)")


def checked_image(value: Any, name: str) -> np.ndarray:
    """One frame, checked -> (h, w, 3) uint8 or uint16; floats become uint16, which holds every 8-bit value exactly.

    Takes a numpy array (h, w, 3) or a torch tensor (3, h, w). Raises InputError, which names the frame by ``name``.
    """
    image = to_numpy(value)
    check_dtype(image.dtype, name)
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        hint = " (grey frames: repeat the channel three times)" if image.ndim == 2 or image.shape[-1] == 1 else ""
        raise InputError(f"{name} has shape {image.shape}; {_EXPECTED}{hint}")
    if image.dtype.kind != "f":
        return np.array(image)
    check_floats(image, name)
    return float_to_image(image.astype(np.float64))


class ArraySource:
    """A numpy array (n, h, w, 3) or (h, w, 3), or a torch tensor (n, 3, h, w) or (3, h, w)."""

    def __init__(self, value: Any, rate: Fraction | None) -> None:
        frames = to_numpy(value)
        if frames.ndim == 3:
            frames = frames[None]
        check_dtype(frames.dtype, "the array")
        if frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
            raise InputError(
                f"an array of frames must be (n, h, w, 3) or (h, w, 3) with nothing empty, not {np.shape(value)}"
            )
        if frames.dtype.kind == "f":
            for place, frame in enumerate(frames):
                check_floats(frame, f"frame {place} of the array")
        self._frames = frames
        n, height, width, _ = frames.shape
        kind = "tensor" if is_tensor(value) else "array"
        notes = ("float frames are handed on as uint16",) if frames.dtype.kind == "f" else ()
        self.info = SourceInfo(kind, f"{kind} {frames.dtype}", n, (width, height), rate=rate, notes=notes)

    def read(self, indices: range) -> Iterator[Frame]:
        for place in indices:
            yield Frame(checked_image(self._frames[place], f"frame {place} of the array"), place)


class StreamSource:
    """An iterable of (h, w, 3) arrays or Frames; the length of a list or tuple is known. An iterator is read once."""

    def __init__(self, frames: Iterable[Any], rate: Fraction | None) -> None:
        self._frames = frames
        self._length = len(frames) if isinstance(frames, Sequence) else None
        if self._length == 0:
            raise InputError(f"the {type(frames).__name__} holds no frames")
        self._once = isinstance(frames, Iterator)
        self._consumed = False
        self._peeked: list[Any] = []
        self._rate = rate
        self._size: tuple[int, int] | None = None

    @property
    def info(self) -> SourceInfo:
        return SourceInfo(type(self._frames).__name__, "frames", self._length, self._size, rate=self._rate)

    def peek_size(self) -> tuple[int, int]:
        """(width, height) of the first frame, which is pulled for it if need be and kept for the reading."""
        if self._size is None:
            if self._consumed:
                raise InputError("this iterator of frames was consumed before its size was asked for")
            first = list(itertools.islice(iter(self._frames), 1))
            if not first:
                raise InputError("the iterator holds no frames")
            if self._once:
                self._peeked = first
            self._image(first[0], 0)
        assert self._size is not None
        return self._size

    def read(self, indices: range) -> Iterator[Frame]:
        if not indices:
            return
        if self._once and self._consumed:
            raise InputError("an iterator of frames can be read once, and this one was; open it again")
        self._consumed = True
        pulled, self._peeked = itertools.chain(self._peeked, self._frames), []
        place = -1
        # Not islice: it would pull the items up to the range's stop, past the last frame that is wanted.
        for place, value in enumerate(pulled):
            if place in indices:
                image = self._image(value, place)
                time, duration = (value.time, value.duration) if isinstance(value, Frame) else (None, None)
                yield Frame(image, place, time, duration)
            if place >= indices[-1]:
                return
        if place < 0:
            raise InputError("the iterator holds no frames")

    def _image(self, value: Any, place: int) -> np.ndarray:
        image = checked_image(value.image if isinstance(value, Frame) else value, f"frame {place} of the iterable")
        height, width = image.shape[:2]
        if self._size is None:
            self._size = (width, height)
        elif self._size != (width, height):
            raise InputError(
                f"frame {place} of the iterable is {width}x{height}, the frames before it "
                f"{self._size[0]}x{self._size[1]}; all frames must have one size"
            )
        return image
