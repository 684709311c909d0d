"""Everything a run can be told, as one frozen value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from workbench.errors import SettingsError

FLOW_ESTIMATORS = ("auto", "raft-large", "raft-small", "dis", "none")
FLOW_SIZES = ("auto", "output", "input")
MAX_STEPS = 1000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a run; the defaults are the published method with the model's own flow estimator.

    steps               DDIM steps, 1..1000. The published model was distilled for 4.
    seed                the noise of frame k depends on (seed, k) only, on every device.
    artg                Auto-Regressive Temporal Guidance: scale of the ControlNet's residuals, 0..2; 0 or False is off.
    tpm                 Temporal Processing Modules: fuse features of the warped previous output while decoding.
    flow                estimator: auto (the model's own), raft-large, raft-small, dis, none (no warping: still scenes).
    flow_size           where flow is estimated: auto (the model's own), output (published), input (1/16 of the pixels).
    attention_slicing   diffusers' attention slicing: slower, and rarely smaller (see ``workbench bench``).
    vae_slicing         decode and encode in horizontal strips: same picture, far less memory for large frames.
    """

    steps: int = 4
    seed: int = 0
    artg: float = 1.0
    tpm: bool = True
    flow: str = "auto"
    flow_size: str = "auto"
    attention_slicing: bool = False
    vae_slicing: bool = False

    def __post_init__(self) -> None:
        _integer("steps", self.steps, 1, MAX_STEPS)
        _integer("seed", self.seed, 0, 2**63 - 1)
        object.__setattr__(self, "artg", _number("artg", self.artg, 0.0, 2.0))
        for name in ("tpm", "attention_slicing", "vae_slicing"):
            if not isinstance(getattr(self, name), bool):
                raise SettingsError(f"{name} must be True or False, got {getattr(self, name)!r}.")
        _choice("flow", self.flow, FLOW_ESTIMATORS)
        _choice("flow_size", self.flow_size, FLOW_SIZES)

    def but(self, **changes: Any) -> Settings:
        """The same settings with some changed; unknown names raise with the nearest known one."""
        _known(changes)
        return replace(self, **changes)

    def diff(self, other: Settings) -> dict[str, tuple[Any, Any]]:
        """Names that differ, each with (mine, theirs)."""
        mine, theirs = asdict(self), asdict(other)
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        _known(values)
        return cls(**values)

    def to_json(self) -> str:
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str | Path) -> Settings:
        """From JSON text, or from a ``Path`` to a file of it."""
        try:
            values = json.loads(text.read_text(encoding="utf-8") if isinstance(text, Path) else text)
        except ValueError as error:
            raise SettingsError(f"settings must be a JSON object, and this is not JSON: {error}.") from error
        if not isinstance(values, dict):
            raise SettingsError(f"settings must be a JSON object, got a {type(values).__name__}.")
        return cls.from_dict(values)


def _known(names: Mapping[str, Any]) -> None:
    known = [f.name for f in fields(Settings)]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise SettingsError(f"there is no setting {name!r}.{hint} The settings are: {', '.join(known)}.")


def _integer(name: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SettingsError(f"{name} must be a whole number from {low} to {high}, got {value!r}.")


def _number(name: str, value: Any, low: float, high: float) -> float:
    if not isinstance(value, bool | int | float) or not low <= value <= high:
        raise SettingsError(f"{name} must be a number from {low:g} to {high:g} (or True/False), got {value!r}.")
    return float(value)


def _choice(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SettingsError(f"{name} must be one of {', '.join(known)}, got {value!r}.")
