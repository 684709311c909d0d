"""``workbench compare``: settings and upscalers on one clip."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.cli import options
from workbench.errors import SettingsError
from workbench.pipeline.settings import Settings, parse_setting

if TYPE_CHECKING:
    from workbench.comparison import Comparison
    from workbench.video import Clip


def add_arguments(parser: argparse.ArgumentParser, *, outputs: bool = True) -> None:
    """``outputs``: also what is written of the result."""
    parser.add_argument("clip", type=Path, help="a video file or a folder of frames")
    add_columns(parser)
    parser.add_argument("--reference", type=Path, help="the same clip four times as large, for metrics that need it")
    parser.add_argument(
        "--degradation",
        metavar="CHAIN",
        help="CLIP is the high-resolution original: make the small one from it by this chain (see 'workbench eval'), "
        "and measure against it",
    )
    parser.add_argument("--frames", type=int, metavar="N", help="only the first N frames")
    if outputs:
        _add_outputs(parser)
    options.add_devices(parser, default=None)
    options.add_size(parser)
    options.add_opening(parser)
    parser.epilog = "Example: workbench compare clip.mp4 --vary steps=1,2,4 --vary tpm=on,off --report report.html"
    options.add_settings(parser)
    options.add_model(parser)


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--report", type=Path, metavar="FILE", help="write one self-contained HTML page")
    parser.add_argument(
        "--video", type=Path, metavar="FILE", help="write a labelled film to share: .mp4, .mkv, .gif or .webp"
    )
    parser.add_argument(
        "--layout", default="sweep", choices=("sweep", "split", "side"), help="of --video (default: sweep)"
    )
    parser.add_argument(
        "--show", metavar="A,B,...", help="columns of --video from left to right (default: bicubic and the first)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers as JSON")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all numbers as CSV")


def add_columns(parser: argparse.ArgumentParser) -> None:
    """What is compared, by which metrics, and where it is kept."""
    parser.add_argument(
        "--vary", action="append", default=[], metavar="SETTING=A,B,...", help="one row per value; all combinations"
    )
    parser.add_argument(
        "--against",
        default="bicubic",
        metavar="A,B,...",
        help="bicubic, lanczos, realesrgan-x4plus, realesrgan-x4plus-anime, realesr-animevideov3, embedded, "
        "files of single-image models, videos that others made of the clip; or none",
    )
    parser.add_argument("--no-pipeline", action="store_true", help="only what stands in --against")
    parser.add_argument("--metrics", metavar="A,B,...", help="names, 'all' that can be had, or 'list' to show them")
    parser.add_argument("--resume", type=Path, metavar="FOLDER", help="keep everything here, and go on from it")


def run(args: argparse.Namespace) -> int:
    if args.metrics == "list":
        return list_metrics()
    result = compared(args)
    print(result)

    def film(path: Path) -> Path:
        return result.film(path, layout=args.layout, columns=film_columns(args.show, result.film_columns))

    written = ((args.json, result.to_json), (args.csv, result.to_csv), (args.report, result.report), (args.video, film))
    for path, write in written:
        if path is not None:
            write(path)
            print(f"wrote {path}")
    return 0


def compared(args: argparse.Namespace) -> Comparison:
    """What the columns' options ask for, run over the clip."""
    from workbench.comparison import compare
    from workbench.comparison.columns import compare_apart
    from workbench.pipeline.memory import check_memory

    if args.degradation is not None and args.reference is not None:
        raise SettingsError("with --degradation the clip is its own reference; leave out --reference.")
    beside = args.reference and args.reference.absolute()
    made = Clips(args.clip.absolute(), beside, args.degradation, args.frames, options.opener(args))
    clip, reference = made()
    for note in (*clip.notes, *(() if reference is None else reference.notes)):
        print(f"note: {note}", file=sys.stderr)
    spread = options.spread_from(args, model=not args.no_pipeline)
    settings = [] if args.no_pipeline else varied(options.settings_from(args), args.vary)
    asked: dict[str, Any] = {
        "metrics": metric_names(args.metrics, with_reference=reference is not None),
        "against": other_columns(args.against),
        "size": options.size_from(args),
        "open_with": options.opener(args),
        "resume": args.resume,
    }
    if spread is not None:
        result = compare_apart(spread, made, *settings, **asked)
    else:
        pipe = None if args.no_pipeline else options.load(args)
        if pipe is not None:
            for one in settings:
                check_memory(pipe, (clip.height, clip.width), one)
        asked["on_frame"] = lambda done: print(f"\rframe {done}", end="", file=sys.stderr, flush=True)
        result = compare(pipe, clip, *settings, reference=reference, **asked)
    print(file=sys.stderr)
    return result.made_by(shlex.join(["workbench", *args.words]))


@dataclass(frozen=True)
class Clips:
    """What is compared; opened where it is called: the clip and its reference, None without one."""

    clip: Path
    reference: Path | None
    degradation: str | None
    frames: int | None
    open_with: Callable[[Any], Clip]

    def __call__(self) -> tuple[Clip, Clip | None]:
        from workbench.degrade import cropped, degraded

        clip = self.open_with(self.clip)
        reference = None if self.reference is None else self.open_with(self.reference)
        if self.degradation is not None:
            clip, reference = degraded(clip, self.degradation), cropped(clip)
        return clip[: self.frames], reference


def varied(base: Settings, choices: list[str]) -> list[Settings]:
    """``["steps=1,2", "tpm=on,off"]`` -> the four settings, the first named varying slowest."""
    axes = []
    for choice in choices:
        name, equals, values = choice.partition("=")
        if not (equals and values):
            raise SettingsError(f"--vary takes SETTING=A,B,..., for example steps=1,2,4; got {choice!r}.")
        name = name.strip().replace("-", "_")
        axes.append([(name, parse_setting(name, value.strip())) for value in values.split(",")])
    return [base.but(**dict(combination)) for combination in product(*axes)]


def other_columns(text: str) -> list[str]:
    return [] if text == "none" else [word.strip() for word in text.split(",") if word.strip()]


def film_columns(text: str | None, known: Sequence[str]) -> list[str]:
    """``"steps=1, tpm=on,bicubic"`` -> both names: a name may hold commas itself. None given: the usual ones."""
    words = [] if text is None else [word.strip() for word in text.split(",")]
    names = []
    while words:
        count = next((k for k in range(len(words), 0, -1) if ", ".join(words[:k]) in known), 1)
        names.append(", ".join(words[:count]))
        words = words[count:]
    return names


def metric_names(text: str | None, *, with_reference: bool) -> list[str] | None:
    """``all``: those that can be had here; what cannot is said, with the reason."""
    from workbench.metrics import METRICS

    if text is None:
        return None
    if text != "all":
        return [word.strip() for word in text.split(",") if word.strip()]
    names = []
    for metric in METRICS.values():
        if metric.needs_reference and not with_reference:
            continue
        if metric.unavailable is None:
            names.append(metric.name)
        else:
            print(f"without {metric.name}: {metric.unavailable}")
    return names


def list_metrics() -> int:
    from workbench.metrics import METRICS

    for metric in METRICS.values():
        way = "higher" if metric.higher_is_better else "lower"
        needs = "with reference" if metric.needs_reference else "no reference"
        missing = metric.unavailable
        print(f"{metric.name:14} {way} is better, {needs:14}  {metric.source}{f'  [{missing}]' if missing else ''}")
    return 0
