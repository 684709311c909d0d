"""``workbench train``: the recipe that made the embedded model, on any photos and clips."""

from __future__ import annotations

import argparse
from pathlib import Path

from workbench.errors import TrainingError, did_you_mean

RECIPES = ("embedded", "published", "published_width", "regressor")
EXAMPLES = """\
examples:
  python -m workbench.train.material material            gather the free material the embedded model was made from
  workbench train regressor --data material/train --heldout material/heldout --out run
  workbench train embedded --data material/train --warm-start run/model --out another   its base grows out of that one
  workbench train my.toml --data photos clips --out run  your own recipe; run again to go on after a stop
  workbench train my.toml --data photos --out run --stop-after 500   a part of it; the same command goes on later
  accelerate launch -m workbench train published --data photos clips --warm-start folder --out run --device cuda
  accelerate launch -m workbench train published_width --data photos clips --out run --device cuda
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    parser.add_argument("config", help=f"a TOML recipe, or the name of a shipped one: {', '.join(RECIPES)}")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of photos and clips")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints, curve, log and the model")
    parser.add_argument("--heldout", type=Path, default=None, help="folder of clips to evaluate on as it goes")
    parser.add_argument("--warm-start", type=Path, default=None, help="a model folder to begin from")
    parser.add_argument("--restart", action="store_true", help="begin anew instead of going on from the checkpoint")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    parser.add_argument("--precision", default="no", choices=("no", "fp16", "bf16"), help="mixed precision")
    parser.add_argument("--share", type=float, default=1.0, help="share of every stage's iterations, such as 0.05")
    parser.add_argument(
        "--stop-after", type=int, default=None, metavar="N", help="checkpoint and stop after iteration N of the recipe"
    )
    parser.add_argument("--minutes", type=float, default=None, help="checkpoint and stop after so much time")
    parser.add_argument("--scenes", type=Path, default=None, help="folder of prepared scenes (default: OUT/scenes)")
    parser.add_argument("--workers", type=int, default=1, help="threads that prepare the scenes before training")


def run(args: argparse.Namespace) -> int:
    from workbench.train.recipe import shipped
    from workbench.train.run import train

    recipe = shipped(args.config) if args.config in RECIPES else Path(args.config)
    if not recipe.is_file():
        hint = did_you_mean(args.config, RECIPES)
        raise TrainingError(
            f"there is no recipe {args.config!r}.{hint} Give a TOML file, or one of {', '.join(RECIPES)}."
        )
    model = train(
        recipe,
        args.data,
        args.out,
        heldout=args.heldout,
        warm_start=args.warm_start,
        resume=not args.restart,
        device=args.device,
        precision=args.precision,
        share=args.share,
        stop_after=args.stop_after,
        minutes=args.minutes,
        scenes=args.scenes,
        workers=args.workers,
    )
    print(f"{model}: a model folder; use it with --model {model}")
    return 0
