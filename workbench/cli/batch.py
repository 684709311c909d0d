"""``workbench batch``: many clips over many devices and machines."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from workbench.cli import options

EXAMPLES = """\
examples:
  workbench batch clips/ -o upscaled/                          every GPU of this machine, or its CPU
  workbench batch clips/*.mov more.txt -o upscaled/ --devices 0,1
  workbench batch clips/ -o upscaled/ --devices cpu:2 --height 1080
  workbench batch s3://bucket/clips -o s3://bucket/upscaled --ray auto
  workbench batch small/ -o upscaled/ --references originals/  with metrics in upscaled/batch.csv

The same command again goes on with what is not finished. Exit code 1: some clips failed; they are listed at the end.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    parser.add_argument(
        "sources", nargs="+",
        help="clips, folders of them, folders of frames, globs, lists (.txt: one a line; .csv: source, output, "
        "reference), or addresses of any of these (s3://, gs://, hf://)",
    )  # fmt: skip
    parser.add_argument("-o", "--output", required=True, help="a folder, or an address of one, for the results")
    parser.add_argument("--lossless", action="store_true", help="make .mkv (FFV1) of videos")
    parser.add_argument("--frames", default=None, help="which frames of each, as in Python: 10:34, ::2, :8")
    parser.add_argument("--references", metavar="FOLDER", help="the originals, by the clips' names: adds metrics")
    parser.add_argument("--metrics", metavar="A,B,...", help="with references: which ones (see workbench compare)")
    parser.add_argument("--overwrite", action="store_true", help="start anew, rather than go on with what is there")
    options.add_devices(parser)
    options.add_opening(parser)
    options.add_size(parser)
    options.add_settings(parser, automatic=True)
    options.add_model(parser, device=False)


def run(args: argparse.Namespace) -> int:
    from workbench.batch.clips import plan
    from workbench.batch.crews import Load, crew
    from workbench.batch.order import run_clips
    from workbench.batch.progress import Progress
    from workbench.batch.runner import Job
    from workbench.batch.upscaling import Orders, UpscaleClip

    orders = Orders(
        settings=options.settings_from(args),
        slicing=options.is_automatic(args),
        size=options.size_from(args),
        frames=_bounds(args.frames),
        deinterlace=args.deinterlace,
        colours=args.colours,
        overwrite=args.overwrite,
        metrics=None if args.metrics is None else tuple(word.strip() for word in args.metrics.split(",")),
    )
    tasks, passed = plan(
        args.sources, args.output, lossless=args.lossless, references=args.references, frames=orders.frames
    )
    for words in passed:
        print(f"note: {words}", file=sys.stderr)
    load = Load(args.model, args.revision, args.dtype, engine=args.engine)
    jobs = [Job(task.name, UpscaleClip(task.absolute(), orders), task.weight) for task in tasks]
    workers = crew(load, devices=args.devices, ray=args.ray)
    _say(f"{len(tasks)} clips over {len(workers.places)} workers: {', '.join(workers.places)}")
    progress = Progress(tasks, jobs, args.output, _say, orders=f"{orders} {load}")
    try:
        for news in run_clips(workers, jobs if args.overwrite else progress.left()):
            progress.hear(news)
    finally:
        _say(progress.end())
    return int(any(row.state != "done" for row in progress.rows))


def _bounds(text: str | None) -> tuple[Any, ...]:
    if text is None:
        return (None,)
    cut = options.frame_slice(text)
    return cut.start, cut.stop, cut.step


def _say(words: str) -> None:
    print(words, flush=True)
