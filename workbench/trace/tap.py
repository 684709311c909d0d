"""The one way a value leaves or enters the loop: ``value = tap(name, value, step)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Tap(Protocol):
    """Sees a value under its name and returns the value that flows on (the same one, unless edited)."""

    def __call__(self, name: str, value: Tensor, step: int | None = None) -> Tensor: ...

    def wants(self, name: str) -> bool:
        """Whether a value that the loop itself does not need should be computed to be seen."""
        ...


class Untapped:
    """A tap that records and edits nothing."""

    def __call__(self, name: str, value: Tensor, step: int | None = None) -> Tensor:
        return value

    def wants(self, name: str) -> bool:
        return False


untapped = Untapped()
