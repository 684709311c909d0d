"""Options that several commands share; those of ``Settings`` are made from its fields."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any

from workbench.engines.table import AUTO, ENGINES
from workbench.errors import InputError
from workbench.pipeline.settings import Settings, kind_of, parse_setting
from workbench.pipeline.size import OutputSize

if TYPE_CHECKING:
    from workbench.batch.spread import Spread
    from workbench.pipeline.pipeline import Pipeline
    from workbench.video import Clip

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


def add_opening(parser: argparse.ArgumentParser) -> None:
    """How clips are read; ``opener`` takes it."""
    group = parser.add_argument_group("reading")
    group.add_argument(
        "--deinterlace", choices=("auto", "off"), default="auto",
        help="off: leave both fields of interlaced video woven into each frame",
    )  # fmt: skip
    group.add_argument(
        "--colours", choices=("source", "bt709"), default="source",
        help="bt709: tone-map HDR (PQ, HLG) and convert wide gamuts, rather than keep them",
    )  # fmt: skip


def opener(args: argparse.Namespace) -> Callable[[Any], Clip]:
    """``open_clip`` as the command line asks for it."""
    from workbench.video import open_clip

    return partial(open_clip, deinterlace=args.deinterlace, colours=args.colours)


def add_size(parser: argparse.ArgumentParser) -> None:
    """How large the output is; ``size_from`` takes it."""
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--scale", type=float, default=None, help="size of the output: up to 4, by default 4")
    size.add_argument("--height", type=int, default=None, help="rows of the output instead, up to x4, as 1080")


def size_from(args: argparse.Namespace) -> OutputSize:
    return OutputSize(scale=args.scale, height=args.height)


def frame_slice(text: str) -> slice:
    """``10:34`` -> slice(10, 34)."""
    try:
        bounds = [int(part) if part.strip() else None for part in text.split(":")]
    except ValueError:
        bounds = []
    if not 2 <= len(bounds) <= 3:
        raise InputError(f"--frames must be START:STOP or START:STOP:STEP, for example 0:24; got {text!r}.")
    return slice(*bounds)


def add_devices(parser: argparse.ArgumentParser, *, default: str | None = "auto") -> None:
    """Over which workers the clips go (see ``workbench.batch.crews``)."""
    group = parser.add_argument_group("workers")
    group.add_argument(
        "--devices", metavar="LIST", default=default,
        help="auto (every GPU, else the CPU), or 0,1 or gpu:2 (two GPUs), mps, cpu:2 (two workers that share it)",
    )  # fmt: skip
    group.add_argument(
        "--ray", metavar="local|ADDRESS", default=None,
        help="workers are Ray actors, here or in the cluster at this address ('auto': the one of this node)",
    )  # fmt: skip


def spread_from(args: argparse.Namespace, *, model: bool = True) -> Spread | None:
    """What ``--devices`` and ``--ray`` ask for; None where neither is given. ``model``: whether workers need one."""
    if args.devices is None and args.ray is None:
        return None
    from workbench.batch.crews import AUTO, Load, no_pipeline
    from workbench.batch.spread import Spread

    load = Load(args.model, args.revision, args.dtype) if model else no_pipeline
    return Spread(load, args.devices or AUTO, args.ray, say=lambda words: print(words, file=sys.stderr, flush=True))


def add_model(parser: argparse.ArgumentParser, *, device: bool = True) -> None:
    """Which model, on which device, in which precision. ``device``: whether there is ``--device``."""
    group = parser.add_argument_group("model and device")
    group.add_argument(
        "--model", "--model_id", default=None,
        help="embedded, a model folder or a hub id; without it, embedded",
    )  # fmt: skip
    group.add_argument("--revision", help="branch, tag or commit of a hub model", default=None)
    if device:
        group.add_argument("--device", help="auto, cuda, cuda:N, mps or cpu", default="auto")
    group.add_argument("--dtype", help="auto, fp32, fp16 or bf16", default="auto")
    add_engine(group)


def load(args: argparse.Namespace, **parts: Any) -> Pipeline:
    """The pipeline that ``add_model``'s options ask for; ``parts``: networks that come from elsewhere."""
    from workbench.pipeline.load import load_pipeline

    return load_pipeline(
        args.model, device=args.device, dtype=args.dtype, revision=args.revision, engine=args.engine, **parts
    )


def add_engine(parser: argparse.ArgumentParser | argparse._ArgumentGroup, default: str = AUTO) -> None:
    """What runs the networks."""
    words = f"what runs the networks: {AUTO}, {', '.join(ENGINES)} ('workbench engines' tells which are here)"
    parser.add_argument("--engine", metavar="ENGINE", default=default, help=words)


def _metavar(known: Any) -> str:
    if kind_of(known).name == "switch":
        return "on|off"
    if "choices" in known.metadata:
        return "|".join(known.metadata["choices"])
    return known.name.upper()
