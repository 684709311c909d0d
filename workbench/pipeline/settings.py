"""Everything a run can be told, as one frozen value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from workbench.errors import SettingsError

FLOW_ESTIMATORS = ("auto", "raft-large", "raft-small", "dis", "none")


def setting(default: Any, group: str, about: str, **limits: Any) -> Any:
    """A field that knows its help and its limits (``low``, ``high`` or ``choices``); forms are built from them."""
    return field(default=default, metadata={"group": group, "help": about, **limits})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a run; the defaults are the published method with the model's own flow estimator.

    Each field carries its group, help and limits in ``dataclasses.fields(Settings)[k].metadata``; the command
    line, the widgets and the app are made from them.
    """

    steps: int = setting(
        4, "quality", "DDIM steps, 1 to 1000; the published model was distilled for 4", low=1, high=1000
    )
    seed: int = setting(
        0, "quality", "the noise of frame k depends on (seed, k) only, on every device", low=0, high=2**63 - 1
    )
    artg: float = setting(
        1.0,
        "temporal",
        "Auto-Regressive Temporal Guidance: scale of the ControlNet's residuals (and, up to 1, of the model's "
        "blend), 0 to 2; on is 1, off is 0",
        low=0.0,
        high=2.0,
    )
    tpm: bool = setting(
        True, "temporal", "Temporal Processing Modules: fuse features of the warped previous output while decoding"
    )
    flow: str = setting(
        "auto",
        "temporal",
        "optical-flow estimator; auto is the model's own, none does not warp",
        choices=FLOW_ESTIMATORS,
    )
    flow_size: str = setting(
        "auto",
        "temporal",
        "grid the flow is estimated on; input has 1/16 of the output's pixels, auto is the model's own, or input where "
        "RAFT would need over 4 GiB",
        choices=("auto", "output", "input"),
    )
    attention_slicing: bool = setting(
        False, "memory", "diffusers' attention slicing: slower, and rarely smaller (measure with 'workbench bench')"
    )
    vae_slicing: bool = setting(
        False, "memory", "decode and encode in horizontal strips: the same picture, less memory for large frames"
    )

    def __post_init__(self) -> None:
        for known in fields(self):
            object.__setattr__(self, known.name, _checked(known, getattr(self, known.name)))

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


def _checked(known: Field[Any], value: Any) -> Any:
    """The value in the field's own type, or SettingsError with what would have been right."""
    limits = known.metadata
    if isinstance(known.default, bool):
        wanted, fits = "True or False", isinstance(value, bool)
    elif isinstance(known.default, int):
        wanted = f"a whole number from {limits['low']} to {limits['high']}"
        fits = isinstance(value, int) and not isinstance(value, bool) and limits["low"] <= value <= limits["high"]
    elif isinstance(known.default, float):
        wanted = f"a number from {limits['low']:g} to {limits['high']:g} (or True, False)"
        fits = isinstance(value, (bool, int, float)) and limits["low"] <= value <= limits["high"]
    else:
        wanted, fits = f"one of {', '.join(limits['choices'])}", value in limits["choices"]
    if not fits:
        raise SettingsError(f"{known.name} must be {wanted}, got {value!r}.")
    return float(value) if isinstance(known.default, float) else value
