"""Where recorded values lie: copies on the CPU, under a budget of bytes, and their file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from workbench.errors import TraceError
from workbench.files import replacing

Key = tuple[str, int, int | None]
"""(tap name, frame, step); the step is None for what happens once a frame."""

FORMAT = "stream-diffvsr-trace/1"
POLICIES = ("error", "thin", "downsample")
UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}


def parse_bytes(budget: str | int) -> int:
    """``"2GB"``, ``"300 MB"`` or a number of bytes -> bytes (decimal units)."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(B|KB|MB|GB)\s*", str(budget).upper())
    if isinstance(budget, int) and not isinstance(budget, bool) and budget > 0:
        return budget
    if not found or float(found[1]) <= 0:
        raise TraceError(f"budget must be a number of bytes or like '300MB' or '2GB', got {budget!r}.")
    return int(float(found[1]) * UNITS[found[2]])


def show_bytes(count: int) -> str:
    """Bytes as people read them: three digits and a decimal unit."""
    unit = next((unit for unit in ("GB", "MB", "KB") if count >= UNITS[unit]), "B")
    return f"{count / UNITS[unit]:.3g} {unit}"


class TapStore:
    """Copies of values by (name, frame, step). ``when_full`` says what happens when the budget is reached.

    ``error``: TraceError. ``thin``: only every second of the frames held is kept, now and from then on, and so
    again. ``downsample``: every map is averaged over 2x2, now and from then on, and so again.
    """

    def __init__(self, budget: int, when_full: str = "error", every: int = 1, dtype: torch.dtype | None = None) -> None:
        if when_full not in POLICIES:
            raise TraceError(f"when_full must be one of {', '.join(POLICIES)}, got {when_full!r}.")
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise TraceError(f"every must be a whole number of frames, 1 or more, got {every!r}.")
        self.budget = budget
        self.when_full = when_full
        self.every = every
        self.dtype = dtype
        self.halvings = 0
        self.values: dict[str, dict[int, dict[int | None, Tensor]]] = {}
        self.bytes = 0
        self._first: int | None = None
        self._maps: set[str] = set()

    def begin(self, frame: int) -> None:
        """The first frame ever begun is always kept; ``every`` counts from it."""
        if self._first is None:
            self._first = frame

    def keeps(self, frame: int) -> bool:
        return (frame - (self._first or 0)) % self.every == 0

    def room(self) -> int:
        return self.budget - self.bytes

    def put(self, key: Key, value: Tensor, *, is_map: bool) -> None:
        """Keeps a copy, on the CPU. ``is_map``: its last two dimensions are rows and columns of a picture."""
        copied = _copied(value, self.dtype)
        if is_map:
            self._maps.add(key[0])
            for _ in range(self.halvings):
                copied = _halved(copied)
        name, frame, step = key
        self.values.setdefault(name, {}).setdefault(frame, {})[step] = copied
        self.bytes += copied.nbytes
        while self.bytes > self.budget:
            self._make_room(frame)

    def drop(self, frame: int) -> None:
        """Forgets one frame."""
        self._keep(lambda held: held != frame)

    def holds(self, name: str, frame: int, step: int | None) -> bool:
        return step in self.values.get(name, {}).get(frame, {})

    def items(self) -> Iterator[tuple[Key, Tensor]]:
        for name, frames in self.values.items():
            for frame, steps in frames.items():
                for step, value in steps.items():
                    yield (name, frame, step), value

    def frames(self, name: str) -> list[int]:
        return sorted(self.values.get(name, {}))

    def steps(self, name: str, frame: int) -> list[int | None]:
        """In order; [None] for what happens once a frame, [] for what is not held."""
        return sorted(self.values.get(name, {}).get(frame, {}), key=lambda step: -1 if step is None else step)

    def _make_room(self, frame: int) -> None:
        before = self.bytes
        if self.when_full == "thin":
            while len({held for frames in self.values.values() for held in frames}) > 1 and self.bytes == before:
                self.every *= 2
                self._keep(self.keeps)
        elif self.when_full == "downsample":
            self.halvings += 1
            for name in self._maps & self.values.keys():
                for steps in self.values[name].values():
                    steps.update({step: _halved(value) for step, value in steps.items()})
            self._count()
        if self.bytes == before:
            raise TraceError(
                f"the trace is full: frame {frame} takes it to {show_bytes(self.bytes)}, its budget is "
                f"{show_bytes(self.budget)} and when_full is {self.when_full!r}. Record fewer taps, use every=, "
                f"dtype='float16' or when_full='thin' or 'downsample', or raise the budget."
            )

    def _keep(self, wanted: Callable[[int], bool]) -> None:
        """Keeps the wanted frames, and drops names that have none left."""
        for name, frames in list(self.values.items()):
            self.values[name] = {frame: steps for frame, steps in frames.items() if wanted(frame)}
            if not self.values[name]:
                del self.values[name]
        self._count()

    def _count(self) -> None:
        self.bytes = sum(value.nbytes for _, value in self.items())


def _copied(value: Tensor, dtype: torch.dtype | None) -> Tensor:
    wanted = dtype if dtype is not None and value.is_floating_point() else value.dtype
    return value.detach().to("cpu", wanted, copy=True).contiguous()


def _halved(value: Tensor) -> Tensor:
    """(..., y, x) -> (..., y / 2, x / 2), rounded up."""
    channels = value.reshape(-1, 1, *value.shape[-2:]).float()
    small = F.avg_pool2d(channels, 2, ceil_mode=True, count_include_pad=False)
    return small.reshape(*value.shape[:-2], *small.shape[-2:]).to(value.dtype)


def write(path: str | os.PathLike[str], values: Iterable[tuple[Key, Tensor]], about: dict[str, Any]) -> Path:
    """One safetensors file; a crash while writing leaves the file that was there before."""
    path = Path(path)
    tensors = {"/".join(str(part) for part in key if part is not None): value for key, value in values}
    with replacing(path) as partial:
        save_file(tensors, partial, metadata={"format": FORMAT, "about": json.dumps(about)})
    return path


def read(path: str | os.PathLike[str]) -> tuple[dict[Key, Tensor], dict[str, Any]]:
    """What ``write`` wrote; raises TraceError for anything else."""
    path = Path(path)
    if not path.is_file():
        raise TraceError(f"no trace at {path}; trace.save(path) writes one.")
    values: dict[Key, Tensor] = {}
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise TraceError(f"{path} is no trace: expected {FORMAT}, got {header.get('format')!r}.")
            for stored in file.keys():  # noqa: SIM118 (no __iter__)
                name, frame, *step = stored.split("/")
                values[name, int(frame), int(step[0]) if step else None] = file.get_tensor(stored)
    except (SafetensorError, OSError) as error:
        raise TraceError(f"{path} is not a readable trace ({error}).") from error
    return values, json.loads(header["about"])
