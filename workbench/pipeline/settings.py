"""Everything a run can be told, as one frozen value."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from workbench.errors import SettingsError, did_you_mean
from workbench.flow.table import ESTIMATORS

Limits = Mapping[str, Any]
"""A field's metadata: ``low`` and ``high``, or ``choices``."""

TRUTH = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}


def setting(default: Any, group: str, about: str, **limits: Any) -> Any:
    """A field that knows its help and its limits (``low``, ``high`` or ``choices``); forms are built from them."""
    return field(default=default, metadata={"group": group, "help": about, **limits})


@dataclass(frozen=True)
class Kind:
    """What a setting can be: the command line, the widgets and the app ask for it by this, and ``Settings`` checks."""

    name: Literal["switch", "whole", "scale", "choice"]
    asked: str
    """what it is, in a message about text that is none"""
    wanted: Callable[[Limits], str]
    """what it must be, in a message about a value that does not fit"""
    fits: Callable[[Any, Limits], bool]
    parse: Callable[[str], Any]
    """of text; raises ValueError"""


def _truth(text: str) -> bool:
    if text.lower() not in TRUTH:
        raise ValueError(text)
    return TRUTH[text.lower()]


def _within(value: Any, limits: Limits) -> bool:
    return limits["low"] <= value <= limits["high"]


KINDS: dict[type, Kind] = {
    bool: Kind("switch", "on or off", lambda _: "True or False", lambda value, _: isinstance(value, bool), _truth),
    int: Kind(
        "whole",
        "a number",
        lambda limits: f"a whole number from {limits['low']} to {limits['high']}",
        lambda value, limits: isinstance(value, int) and not isinstance(value, bool) and _within(value, limits),
        int,
    ),
    float: Kind(
        "scale",
        "a number",
        lambda limits: f"a number from {limits['low']:g} to {limits['high']:g} (or True, False)",
        lambda value, limits: isinstance(value, (bool, int, float)) and _within(value, limits),
        lambda text: float(TRUTH.get(text.lower(), text)),
    ),
    str: Kind(
        "choice",
        "text",
        lambda limits: f"one of {', '.join(limits['choices'])}",
        lambda value, limits: value in limits["choices"],
        str,
    ),
}


def kind_of(known: Field[Any]) -> Kind:
    """The kind of a field of ``Settings``, by the type of its default."""
    return KINDS[type(known.default)]


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
        "Auto-Regressive Temporal Guidance: scale of the ControlNet's residuals (and, up to 1, of the blend "
        "of models that have one), 0 to 2; on is 1, off is 0",
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
        choices=("auto", *ESTIMATORS),
    )
    flow_size: str = setting(
        "auto",
        "temporal",
        "grid the flow is estimated on; input has 1/16 of the output's pixels, auto is the model's own, or input where "
        "RAFT would need over 4 GiB",
        choices=("auto", "output", "input"),
    )
    reuse_residuals: bool = setting(
        False,
        "approximation",
        "the ControlNet runs on every other step only; the step between takes the residuals of the one before it",
    )
    reuse_deep_features: bool = setting(
        False,
        "approximation",
        "the whole UNet runs on every other step only; between, its first level does, on the deep features of the step "
        "before",
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

    def changes(self, base: Settings | None = None) -> str:
        """What differs from ``base`` (None: the defaults), as ``steps=2, tpm=off``; nothing where all is alike."""
        return words({name: mine for name, (mine, _) in self.diff(base or Settings()).items()})

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        _known(values)
        return cls(**values)

    def to_json(self) -> str:
        return json.dumps(self.to_dict())

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Settings:
        """Those a result was made with: a video, a .png, a folder of frames, or the sidecar .json of either.

        Raises InputError for a file that holds none, SettingsError for settings of another version.
        """
        from workbench.video.mark import about_result

        return cls.from_dict(about_result(Path(path).expanduser())["settings"])

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


def parse_setting(name: str, text: str) -> Any:
    """Text of one setting -> its value; ``on`` and ``off`` are understood. Its range is checked by ``Settings``."""
    _known((name,))
    kind = kind_of(next(known for known in fields(Settings) if known.name == name))
    try:
        return kind.parse(text)
    except ValueError as error:
        raise SettingsError(f"{name} must be {kind.asked}, got {text!r}.") from error


def word(value: Any) -> str:
    """A setting's value as people type it: ``off``, ``0.5``, ``raft-small``."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def words(changes: Mapping[str, Any]) -> str:
    """``steps=2, tpm=off``."""
    return ", ".join(f"{name}={word(value)}" for name, value in changes.items())


def _known(names: Iterable[str]) -> None:
    known = [f.name for f in fields(Settings)]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise SettingsError(f"there is no setting {name!r}.{hint} The settings are: {', '.join(known)}.")


def _checked(known: Field[Any], value: Any) -> Any:
    """The value in the field's own type, or SettingsError with what would have been right."""
    kind = kind_of(known)
    if not kind.fits(value, known.metadata):
        raise SettingsError(f"{known.name} must be {kind.wanted(known.metadata)}, got {value!r}.")
    return float(value) if kind.name == "scale" else value
