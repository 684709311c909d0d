"""``workbench ablate``: which part of the embedded model earns its cost, on the shipped samples."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.cli.options import add_devices, spread_from

if TYPE_CHECKING:
    from workbench.ablation import Study

ROOT = Path(__file__).parents[2]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--write", action="store_true", help="replace the shipped table, docs/ablation.md and docs/ablation.png"
    )
    group.add_argument(
        "--check", action="store_true", help="compare with the shipped table; exit code 1 where it disagrees"
    )
    add_devices(parser, default=None)
    parser.set_defaults(model=None, revision=None, dtype="auto")
    parser.epilog = "Needs a checkout of the project (its samples), and some minutes of one processor core."


def run(args: argparse.Namespace) -> int:
    from workbench.ablation import committed, shipped
    from workbench.ablation.check import STATED, disagreements
    from workbench.ablation.page import page

    study = _study(args)
    print(page(study, "ablation.png"))
    if args.check:
        lines = disagreements(committed(), study)
        print("\n".join(lines) or f"The shipped table holds {STATED}.")
        return 1 if lines else 0
    if args.write:
        from workbench.views.plots.ablation import ablation

        docs = ROOT / "docs"
        docs.mkdir(exist_ok=True)
        shipped().write_text(study.to_json(), encoding="utf-8")
        (docs / "ablation.md").write_text(page(study, "ablation.png"), encoding="utf-8")
        ablation(study).savefig(docs / "ablation.png")
        print(f"wrote {shipped()}, {docs / 'ablation.md'} and {docs / 'ablation.png'}")
    return 0


def _study(args: argparse.Namespace) -> Study:
    from workbench.ablation import measure
    from workbench.comparison import Comparison
    from workbench.engines.table import TORCH
    from workbench.models.folder import fingerprint
    from workbench.models.hub import EMBEDDED
    from workbench.pipeline.load import load_pipeline
    from workbench.pipeline.settings import Settings

    pairs = measure.scenes(ROOT / "samples")  # said before a model is loaded
    model, spread = fingerprint(EMBEDDED), spread_from(args)
    if spread is None:
        return measure.run(
            load_pipeline(device="cpu", engine=TORCH),
            pairs,
            model=model,
            on_progress=lambda words: print(words, file=sys.stderr, flush=True),
        )
    texts = spread([measure.MeasureScene(ROOT / "samples", name, Settings()) for name, _, _ in pairs])
    done = [Comparison.from_json(text) for text in texts]
    return measure.study(load_pipeline(device="cpu", engine=TORCH), pairs, done, model=model)
