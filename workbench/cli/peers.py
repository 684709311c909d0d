"""``workbench peers``: the shipped models beside the tools that people use now, on the shipped scenes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--write", action="store_true", help="replace the shipped table, docs/peers.md and the README's part of it"
    )
    group.add_argument(
        "--check", action="store_true", help="compare with the shipped table; exit code 1 where it disagrees"
    )
    parser.epilog = "Needs a checkout of the project (its samples) and its extras peers and metrics; some ten minutes."


def run(args: argparse.Namespace) -> int:
    from workbench.bench.footprint import footprint
    from workbench.comparison.peer_table import STATED, PeerTable, disagreements, measure, page, shipped, with_excerpt
    from workbench.engines.table import TORCH
    from workbench.models.folder import fingerprint
    from workbench.models.hub import SHIPPED
    from workbench.pipeline.load import load_pipeline

    table = measure(
        {name: load_pipeline(name, device="cpu", engine=TORCH) for name in SHIPPED},
        ROOT / "samples" / "scenes",
        models={name: fingerprint(folder) for name, folder in SHIPPED.items()},
        memory=footprint,
        on_clip=lambda words: print(words, file=sys.stderr, flush=True),
    )
    print(page(table))
    if args.check:
        lines = disagreements(PeerTable.from_json(shipped().read_text(encoding="utf-8")), table)
        print("\n".join(lines) or f"The shipped table holds {STATED}.")
        return 1 if lines else 0
    if args.write:
        shipped().write_text(table.to_json(), encoding="utf-8")
        (ROOT / "docs" / "peers.md").write_text(page(table), encoding="utf-8")
        readme = ROOT / "README.md"
        readme.write_text(with_excerpt(readme.read_text(encoding="utf-8"), table), encoding="utf-8")
        print(f"wrote {shipped()}, {ROOT / 'docs' / 'peers.md'} and {readme}")
    return 0
