"""The settings as a form needs them: one control per field, so that no form can forget one."""

from __future__ import annotations

from dataclasses import Field, dataclass, fields
from typing import Any, Literal

from workbench.pipeline.settings import Settings, kind_of

ACRONYMS = frozenset({"artg", "tpm", "vae"})


@dataclass(frozen=True, kw_only=True)
class Control:
    """How one setting is asked for."""

    name: str
    label: str
    group: str
    """controls of one group stand together"""
    help: str
    """one line"""
    kind: Literal["switch", "whole", "scale", "choice"]
    """a whole number or a scale from ``low`` to ``high``, a choice among ``choices``"""
    default: Any
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


def controls() -> tuple[Control, ...]:
    """One for each field of ``Settings``, in its order."""
    return tuple(_control(known) for known in fields(Settings))


def groups() -> dict[str, tuple[Control, ...]]:
    """The controls by their group."""
    found: dict[str, tuple[Control, ...]] = {}
    for control in controls():
        found[control.group] = (*found.get(control.group, ()), control)
    return found


def _control(known: Field[Any]) -> Control:
    about = known.metadata
    return Control(
        name=known.name,
        label=_label(known.name),
        group=about["group"],
        help=about["help"],
        kind=kind_of(known).name,
        default=known.default,
        low=about.get("low"),
        high=about.get("high"),
        choices=tuple(about.get("choices", ())),
    )


def _label(name: str) -> str:
    words = [word.upper() if word in ACRONYMS else word for word in name.split("_")]
    return " ".join([words[0][0].upper() + words[0][1:], *words[1:]])
