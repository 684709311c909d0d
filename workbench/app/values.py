"""What goes between the server, its children and the page: small frozen values, each of which is a JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from typing_extensions import Self

from workbench.engines.table import AUTO


@dataclass(frozen=True, kw_only=True)
class Value:
    """Base: to and from a dictionary of plain values. An unknown name came from another version, and is left out."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        known = {f.name for f in fields(cls)}
        plain = {name: value for name, value in values.items() if name in known}
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()})

    def but(self, **changes: Any) -> Self:
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class Probe(Value):
    """What is known of an upload once it was looked at."""

    kind: Literal["video", "pictures"] = "video"
    """``pictures``: one image, or several that are frames."""
    width: int
    height: int
    frames: int
    fps: float | None = None
    """Frames per second, the mean where that varies; None for pictures."""
    seconds: float | None = None
    audio: str | None = None
    """The first sound track in words; None without one."""
    times: tuple[float, ...] = ()
    """Seconds from the beginning at which each frame begins; empty where frames are evenly spaced."""
    notes: tuple[str, ...] = ()
    made_with: str = ""
    """JSON of the settings that it was made with, where it is a result of this workbench."""
    telling: int = 0
    """Index of the first frame that shows something: many clips begin black."""
    telling_at: float = 0.0
    """Its time in seconds from the beginning."""

    @property
    def size(self) -> tuple[int, int]:
        """(w, h) in pixels."""
        return self.width, self.height

    def lasting(self, start: int, count: int) -> float | None:
        """Seconds that ``count`` frames from ``start`` on are shown; None where there is no clock."""
        if self.seconds is None:
            return None
        if not self.times:
            return self.seconds * count / self.frames
        ends = (*self.times, self.seconds)
        return ends[min(start + count, self.frames)] - ends[start]


@dataclass(frozen=True, kw_only=True)
class Plan(Value):
    """What a job will take, foreseen before it starts."""

    frames: int
    fits: bool = True
    """Whether its memory is there; a job that does not fit is refused."""
    text: str = ""
    """All of this in one sentence; why not, where it does not fit."""
    seconds: float | None = None
    """None where nothing is known yet."""
    memory_bytes: int | None = None
    available_bytes: int | None = None
    instead: dict[str, Any] | None = None
    """Changes of settings that would fit; None where it fits, or where none would."""


@dataclass(frozen=True, kw_only=True)
class Device(Value):
    """Something that jobs can run on."""

    name: str
    """As torch has it: ``cpu``, ``cuda:0``, ``mps``."""
    label: str
    dtypes: tuple[str, ...]
    """The precisions that it can do, ``auto`` first."""
    engines: tuple[str, ...] = (AUTO,)
    """What can run networks on it, ``auto`` first."""


@dataclass(frozen=True)
class ClipShown:
    """The clip that is chosen on a page."""

    token: str
    name: str
    probe: Probe
