"""``workbench eval``: the field's protocol on a folder of high-resolution clips."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from workbench.cli import options
from workbench.cli.compare import add_columns, list_metrics, metric_names, other_columns, varied
from workbench.errors import SettingsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="REDS4, Vid4, UDM10, Vimeo-90K, or a folder of clips of any kind")
    add_columns(parser)
    parser.add_argument(
        "--degradation", default="matlab", metavar="CHAIN",
        help="how clips are made small and damaged: bicubic (with antialias), matlab (BI), area, bd (blur of sigma "
        "1.6, then every fourth pixel) or realesrgan, then damage: bicubic+noise:3+h264:28; 'list' shows all",
    )  # fmt: skip
    parser.add_argument(
        "--strengths", metavar="A,B,...",
        help="evaluate for each of these strengths of the chain's last step, for example --degradation bicubic+h264 "
        "--strengths 18,23,28,33: where does each upscaler stop being better than bicubic?",
    )  # fmt: skip
    parser.add_argument("--figure", type=Path, metavar="FILE", help="with --strengths: draw quality against strength")
    parser.add_argument("--frames", type=int, metavar="N", help="only the first N frames of each clip")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers as JSON")
    options.add_devices(parser, default=None)
    options.add_size(parser)
    options.add_opening(parser)
    options.add_settings(parser)
    options.add_model(parser)


def run(args: argparse.Namespace) -> int:
    from workbench.comparison.evaluation import PROTOCOL, evaluate
    from workbench.comparison.strengths import by_strength

    if args.metrics == "list":
        return list_metrics()
    if args.degradation == "list":
        return list_damage()
    if args.figure is not None and args.strengths is None:
        raise SettingsError("--figure draws quality against strength: give --strengths too.")
    work: Callable[..., Any] = evaluate
    spread = options.spread_from(args, model=not args.no_pipeline)
    if args.strengths is not None:
        work = partial(by_strength, strengths=numbers(args.strengths))
    result = work(
        None if args.no_pipeline or spread is not None else options.load(args),
        args.folder,
        *([] if args.no_pipeline else varied(options.settings_from(args), args.vary)),
        degradation=args.degradation,
        metrics=metric_names(args.metrics, with_reference=True) or PROTOCOL,
        against=other_columns(args.against),
        frames=args.frames,
        size=options.size_from(args),
        open_with=options.opener(args),
        resume=args.resume,
        spread=spread,
        on_clip=lambda name, clip: print(f"{name}: {clip.frames} frames", flush=True),
    ).made_by(shlex.join(["workbench", *args.words]))
    print(result)
    if args.figure is not None:
        from workbench.views.plots.strengths import strengths

        strengths(result).savefig(args.figure)
        print(f"wrote {args.figure}")
    if args.json is not None:
        result.to_json(args.json)
        print(f"wrote {args.json}")
    return 0


def numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError as error:
        raise SettingsError(f"--strengths takes numbers, for example 18,23,28; got {text!r}.") from error


def list_damage() -> int:
    """Every step of a chain, and what it stands for."""
    from workbench.degrade.chain import DAMAGES, RESIZES

    for name, stands_for in RESIZES.items():
        print(f"{name:12} {stands_for}")
    for name, kind in DAMAGES.items():
        print(f"{f'{name}:{kind.usual:g}':12} {kind.stands_for}  [{kind.low:g} to {kind.high:g}, {kind.unit}]")
    return 0
