"""The tap function of one frame."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import Tensor

from workbench.trace._storage import TapStore
from workbench.trace.edits import Edit

STEPPED = ("unet.", "controlnet.", "attention.")  # modules that run at every step


class FrameTap:
    """Applies the edits, keeps what was asked for, and knows which step it is.

    ``live`` holds, while the frame is made, what decoding a latent into a picture takes.
    """

    def __init__(self, index: int, store: TapStore, names: Sequence[str], edits: Sequence[Edit]) -> None:
        self.index = index
        self.live: dict[str, list[Tensor]] = {"lr": [], "x0": [], "latent": [], "memory": []}
        self._store = store
        self._names = names
        self._edits = edits
        self._step: int | None = None
        self._pictures = self.wants("x0.picture") or self.wants("latent.picture")

    def wants(self, name: str) -> bool:
        """Whether this name is recorded in this frame."""
        return self._store.keeps(self.index) and any(fnmatchcase(name, wanted) for wanted in self._names)

    def __call__(self, name: str, value: Tensor, step: int | None = None) -> Tensor:
        if name == "unet.input":
            self._step = step
        for edit in self._edits:
            if edit.fits(name):
                value = _edited(edit, name, value, self.index, step)
                edit.applied += 1
        if self._pictures:
            self._hold(name, value)
        if self.wants(name):
            self._store.put((name, self.index, step), _unbatched(value), is_map=value.ndim >= 3)
        return value

    def record_module(self, name: str, value: Tensor) -> None:
        """The output of a module, without batch dimension; of its n-th call in this step under ``name#n``."""
        if self._store.keeps(self.index):
            step = self._step if name.startswith(STEPPED) else None
            is_map = value.ndim == 3 and not name.startswith("attention.")
            calls = 1
            while self._store.holds(_nth(name, calls), self.index, step):
                calls += 1
            self._store.put((_nth(name, calls), self.index, step), value, is_map=is_map)

    def _hold(self, name: str, value: Tensor) -> None:
        if name in self.live:
            self.live[name].append(value)
        elif fnmatchcase(name, "tpm.*.previous"):
            self.live["memory"].append(value)


class ReplayTap:
    """Decoding once more for a picture: edits of the decoder act, nothing is recorded or counted."""

    def __init__(self, index: int, edits: Sequence[Edit]) -> None:
        self._index = index
        self._edits = edits

    def wants(self, name: str) -> bool:
        return False

    def __call__(self, name: str, value: Tensor, step: int | None = None) -> Tensor:
        if not fnmatchcase(name, "tpm.*.previous"):
            for edit in self._edits:
                if edit.fits(name):
                    value = _edited(edit, name, value, self._index, step)
        return value


def _edited(edit: Edit, name: str, value: Tensor, frame: int, step: int | None) -> Tensor:
    """The edit sees and gives values without batch dimension; the loop has one."""
    edited = edit(name, _unbatched(value), frame, step)
    return edited.reshape(value.shape)


def _nth(name: str, calls: int) -> str:
    return name if calls == 1 else f"{name}#{calls}"


def _unbatched(value: Tensor) -> Tensor:
    return value[0] if value.ndim == 4 and value.shape[0] == 1 else value
