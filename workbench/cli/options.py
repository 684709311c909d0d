"""Options that several commands share; those of ``Settings`` are made from its fields."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import Any

from workbench.pipeline.settings import Settings, kind_of, parse_setting

ALIASES = {"steps": ["--num_inference_steps"]}
AUTOMATIC = "vae_slicing"  # may be left to the memory estimate


def add_settings(parser: argparse.ArgumentParser, *, automatic: bool = False) -> None:
    """One option per setting, in its groups. ``automatic``: ``vae_slicing`` takes ``auto``, too, and is it by default
    (see ``workbench.pipeline.automatic``)."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    for known in fields(Settings):
        group, open_ = known.metadata["group"], automatic and known.name == AUTOMATIC
        groups.setdefault(group, parser.add_argument_group(group))
        groups[group].add_argument(
            f"--{known.name.replace('_', '-')}",
            *ALIASES.get(known.name, []),
            dest=f"setting_{known.name}",
            metavar=f"auto|{_metavar(known)}" if open_ else _metavar(known),
            default="auto" if open_ else known.default,
            nargs="?" if kind_of(known).name == "switch" else None,
            const="on" if kind_of(known).name == "switch" else None,
            help=known.metadata["help"] + ("; auto: where frames do not fit otherwise" if open_ else ""),
        )


def settings_from(args: argparse.Namespace) -> Settings:
    """The settings that a parsed command line asks for; what is ``auto`` there is at its default here."""
    given = {known.name: getattr(args, f"setting_{known.name}") for known in fields(Settings)}
    if is_automatic(args):
        del given[AUTOMATIC]
    return Settings(**{name: parse_setting(name, v) if isinstance(v, str) else v for name, v in given.items()})


def is_automatic(args: argparse.Namespace) -> bool:
    """Whether VAE slicing is left to the estimate."""
    return getattr(args, f"setting_{AUTOMATIC}") == "auto"


def add_model(parser: argparse.ArgumentParser) -> None:
    """Which model, on which device, in which precision."""
    group = parser.add_argument_group("model and device")
    group.add_argument(
        "--model", "--model_id", help="a model folder or hub id; without it, the embedded model", default=None
    )
    group.add_argument("--revision", help="branch, tag or commit of a hub model", default=None)
    group.add_argument("--device", help="auto, cuda, cuda:N, mps or cpu", default="auto")
    group.add_argument("--dtype", help="auto, fp32, fp16 or bf16", default="auto")


def _metavar(known: Any) -> str:
    if kind_of(known).name == "switch":
        return "on|off"
    if "choices" in known.metadata:
        return "|".join(known.metadata["choices"])
    return known.name.upper()
