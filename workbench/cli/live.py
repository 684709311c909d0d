"""``workbench live``: a camera, a network stream or a pipe, upscaled while it happens."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from workbench.cli import pipe as pipes
from workbench.cli.options import add_model, add_settings, load, settings_from
from workbench.errors import SettingsError

if TYPE_CHECKING:
    from workbench.realtime import Report

EXAMPLES = """\
examples:
  workbench live camera                                       look at http://127.0.0.1:8090
  workbench live camera:1 -o out.mp4 --max-side 320           record the second camera's upscaled picture
  workbench live rtsp://camera.local/stream --target-fps 5    steps and size are chosen to reach 5 frames/s
  workbench live udp://127.0.0.1:5000 -o udp://127.0.0.1:5001 H.264 in MPEG-TS, in and out
  ffmpeg ... -f yuv4mpegpipe - | workbench live - -o - | mpv -

The newest frame wins: where frames come faster than they are upscaled, those between are dropped and counted, and the
loop is told, so that motion is followed across the gap. Ctrl-C ends the run and leaves a playable file.
"""
EVERY = 1.0  # seconds between two lines about the pace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    parser.add_argument(
        "source",
        help="camera, camera:1, a device's path; rtsp://, rtmp://, http(s):// (HLS), udp://, tcp://; - (a YUV4MPEG2 "
        "pipe); a file, played in real time",
    )
    parser.add_argument(
        "-o", "--output", default="http://127.0.0.1:8090",
        help=".mp4, .mkv, - (a YUV4MPEG2 pipe), udp://, tcp://, rtmp://, or http://HOST:PORT for browsers",
    )  # fmt: skip
    parser.add_argument("--max-side", type=_above(int), help="pixels of the longer side that are upscaled, at most")
    parser.add_argument("--fps", type=_above(float), help="frames a second that are taken from the source, at most")
    parser.add_argument(
        "--target-fps", type=_above(float),
        help="frames a second that are to be reached: fewer steps, then a smaller size, as a short calibration says",
    )  # fmt: skip
    parser.add_argument("--frames", type=_above(int), help="end after so many upscaled frames")
    parser.add_argument("--raw", metavar="FORMAT:WxH@RATE", help="standard input has no header: rgb24:320x180@25")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    parser.add_argument("--quiet", action="store_true", help="no line about the pace")
    add_settings(parser)
    add_model(parser)


def run(args: argparse.Namespace) -> int:
    if args.raw and args.source != "-":
        raise SettingsError("--raw is for standard input: give - as SOURCE.")
    with ExitStack() as held:
        stream = held.enter_context(pipes.frames_out()) if args.output == "-" else None
        report = _live(args, stream)
        if stream is not None and report.end != "the source ended":
            pipes.discard(stream)
    print(f"{args.output}: {report.pace}; {report.end}", file=sys.stderr)
    return 130 if report.end == "Ctrl-C" else 0


def _live(args: argparse.Namespace, stream: Any) -> Report:
    from workbench.realtime import calibrate, open_sink, open_source, run_live

    settings = settings_from(args)
    sink = open_sink(args.output, rate=args.fps or args.target_fps, overwrite=args.overwrite, stream=stream)
    words = _Words(quiet=args.quiet)
    try:
        source = open_source(args.source, fps=args.fps, raw=args.raw)
        pipe = load(args)
        words.say(str(pipe))
        cost = calibrate(pipe, settings)
    except BaseException:
        sink.close()
        raise
    words.say(f"{source.name} -> {sink.name}")
    return run_live(
        pipe, source, sink, settings, cost=cost, target_rate=args.target_fps, most_rate=args.fps,
        most_side=args.max_side, most_frames=args.frames, say=words.say, on_output=words.pace,
    )  # fmt: skip


class _Words:
    """Lines on standard error; the one about the pace is written over again and again on a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._told, self._open = quiet, 0.0, False

    def say(self, words: str) -> None:
        print(f"{chr(10) if self._open else ''}{words}", file=sys.stderr, flush=True)
        self._open = False

    def pace(self, output: Any, report: Report) -> None:
        now = time.monotonic()
        if self._quiet or now - self._told < EVERY:
            return
        self._told, self._open = now, sys.stderr.isatty()
        print(
            f"{chr(13) if self._open else ''}{report.pace}", end="" if self._open else "\n", file=sys.stderr, flush=True
        )


def _above(kind: type) -> Any:
    def number(text: str) -> Any:
        if not kind(text) > 0:
            raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
        return kind(text)

    number.__name__ = "number"
    return number
