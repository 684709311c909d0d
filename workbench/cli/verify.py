"""``workbench verify FOLDER``: golden outputs against ours."""

from __future__ import annotations

import argparse
from pathlib import Path

from workbench.cli.options import add_engine
from workbench.engines.table import TORCH


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="a golden folder: model/ and golden*.npz")
    parser.add_argument("--device", default="cpu", help="auto, cuda, cuda:N, mps or cpu")
    add_engine(parser, default=TORCH)


def run(args: argparse.Namespace) -> int:
    from workbench.verify import table, verify

    rows = verify(args.folder, device=args.device, engine=args.engine)
    print(table(rows))
    return 0 if all(row.ok for row in rows) else 1
