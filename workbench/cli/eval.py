"""``workbench eval``: the field's protocol on a folder of high-resolution clips."""

from __future__ import annotations

import argparse
from pathlib import Path

from workbench.cli.compare import add_columns, list_metrics, load, metric_names, other_columns, varied
from workbench.cli.options import add_model, add_settings, settings_from


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="REDS4, Vid4, UDM10, Vimeo-90K, or a folder of clips of any kind")
    add_columns(parser)
    parser.add_argument(
        "--degradation",
        default="matlab",
        help="x1/4 by bicubic (with antialias), matlab (BI), area, or bd (blur of sigma 1.6, then every fourth pixel)",
    )
    parser.add_argument("--frames", type=int, metavar="N", help="only the first N frames of each clip")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers as JSON")
    add_settings(parser)
    add_model(parser)


def run(args: argparse.Namespace) -> int:
    from workbench.comparison.evaluation import PROTOCOL, evaluate

    if args.metrics == "list":
        return list_metrics()
    result = evaluate(
        None if args.no_pipeline else load(args),
        args.folder,
        *([] if args.no_pipeline else varied(settings_from(args), args.vary)),
        degradation=args.degradation,
        metrics=metric_names(args.metrics, with_reference=True) or PROTOCOL,
        against=other_columns(args.against),
        frames=args.frames,
        resume=args.resume,
        on_clip=lambda name, clip: print(f"{name}: {clip.frames} frames", flush=True),
    )
    print(result)
    if args.json is not None:
        result.to_json(args.json)
        print(f"wrote {args.json}")
    return 0
