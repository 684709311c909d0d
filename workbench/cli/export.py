"""``workbench export``: a model as graphs that run without this project."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from workbench.cli.bench import size_of
from workbench.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="embedded, a model folder or a hub id; without it, embedded")
    parser.add_argument("--size", required=True, metavar="WIDTHxHEIGHT", help="of the frames; multiples of 4")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a new folder")
    parser.add_argument("--steps", type=int, default=4, help="of the schedule that the card and the script use")
    parser.add_argument("--dtype", default="fp32", help="of the weights: fp32 or fp16; inputs and outputs are float32")
    parser.add_argument("--revision", help="branch, tag or commit of a hub model", default=None)
    parser.epilog = "Example: workbench export --size 320x180 -o graphs/"


def run(args: argparse.Namespace) -> int:
    size = size_of(args.size)
    if min(size) < 16 or any(length % 4 for length in size):
        raise InputError(f"--size must be multiples of 4 from 16 on, got {args.size}: the loop pads other frames.")

    import torch

    from workbench.devices import resolve_dtype
    from workbench.engines.package import write_package
    from workbench.models.load import load_models

    device = torch.device("cpu")
    models = load_models(args.model, device=device, dtype=resolve_dtype(args.dtype, device), revision=args.revision)
    folder = args.output.expanduser()
    write_package(models, size, folder, steps=args.steps, say=lambda words: print(words, file=sys.stderr))
    print(f"wrote {folder}: graphs, run.py and README.md")
    return 0
