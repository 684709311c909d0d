"""``workbench blind``: which version does a person prefer, not knowing which is which?"""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path

from workbench.cli import compare as compare_command
from workbench.errors import SettingsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    compare_command.add_arguments(parser, outputs=False)
    parser.add_argument(
        "--answers", type=Path, metavar="FILE", help="where answers are kept, and go on (default: CLIP_blind.json)"
    )
    parser.add_argument("--answers-csv", type=Path, metavar="FILE", help="write all answers as CSV at the end")
    parser.add_argument("--rounds", type=int, default=4, metavar="N", help="looks at each pair (default: 4)")
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="of the page on this machine (default: a free one)"
    )
    parser.add_argument("--no-browser", action="store_true", help="only say the page's address")
    parser.epilog = "Example: workbench blind clip.mp4 --against bicubic,realesr-animevideov3 --frames 48"


def run(args: argparse.Namespace) -> int:
    from workbench.comparison.blind import Answers, blind_page, serve, table
    from workbench.player.votes import votes_csv

    if args.rounds < 1:
        raise SettingsError(f"--rounds must be 1 or more, got {args.rounds}.")
    result = compare_command.compared(args)
    if len(result.columns) < 2:
        raise SettingsError("a blind test needs two versions: set something in --against, or vary a setting.")
    answers = Answers(args.answers or Path(f"{args.clip.stem}_blind.json"), result.about)

    def ready(url: str) -> None:
        print(f"Look and answer at {url}; answers are kept in {answers.path}. Ctrl-C ends it too.")
        if not args.no_browser:
            webbrowser.open(url)

    try:
        serve(blind_page(result, result.pictures(), args.rounds), answers, args.port, ready=ready)
    except KeyboardInterrupt:
        print()
    if args.answers_csv is not None:
        args.answers_csv.write_text(votes_csv(answers.votes), encoding="utf-8")
    print(table(answers.votes) if answers.votes else "no answer was given")
    return 0
