"""``workbench bench``: seconds per frame and stage, here."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workbench.cli.options import add_model, add_settings, settings_from
from workbench.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", default="320x180", help="low-resolution size, WIDTHxHEIGHT")
    parser.add_argument("--repeats", type=int, default=3, help="timed frames of each kind, taken in turn")
    parser.add_argument("--json", type=Path, default=None, help="also write the numbers here")
    add_settings(parser)
    add_model(parser)


def run(args: argparse.Namespace) -> int:
    from workbench.bench.bench import bench
    from workbench.pipeline.load import load_pipeline

    pipe = load_pipeline(args.model, device=args.device, dtype=args.dtype, revision=args.revision)
    report = bench(pipe, settings_from(args), size=_size(args.size), repeats=args.repeats)
    print(report)
    if args.json:
        args.json.write_text(json.dumps(report.to_dict(), indent=2) + "\n", encoding="utf-8")
    return 0


def _size(text: str) -> tuple[int, int]:
    """``320x180`` -> (180, 320)."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise InputError(f"--size must be WIDTHxHEIGHT, for example 320x180; got {text!r}.")
    return int(height), int(width)
