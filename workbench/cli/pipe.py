"""``-`` as a source or an output of ``workbench upscale``: YUV4MPEG2, or headerless frames in."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from workbench.cli.plan import Job
from workbench.errors import InputError, OutputError, SettingsError, counted
from workbench.video.folders import list_clips

if TYPE_CHECKING:
    from workbench.pipeline.pipeline import Pipeline
    from workbench.pipeline.settings import Settings
    from workbench.pipeline.size import OutputSize
    from workbench.video import Clip

PIPE = Path("-")
_CLOSED = (errno.EPIPE, errno.EINVAL)  # the second on Windows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("pipes (- as INPUT, as output, or as both)")
    group.add_argument(
        "--raw", default=None, metavar="FORMAT:WxH@RATE",
        help="standard input has no header: rgb24:320x180@25 (without it: YUV4MPEG2)",
    )  # fmt: skip
    group.add_argument(
        "--matrix", default=None, choices=("bt601", "bt709", "bt2020"),
        help="of YUV4MPEG2, which names none (default: by each size, as players take it)",
    )  # fmt: skip


def piped(source: Path, args: argparse.Namespace) -> list[Job] | None:
    """The one job of a command line with a pipe in it; None where there is none. Raises where its words disagree."""
    if PIPE not in (source, args.output):
        if args.raw or args.matrix:
            raise SettingsError("--raw and --matrix are for pipes: give - as INPUT or as the output.")
        return None
    if args.raw and source != PIPE:
        raise SettingsError("--raw is for standard input: give - as INPUT.")
    clips = [source] if source == PIPE else list_clips(source.expanduser())
    if len(clips) > 1:
        raise InputError(f"{source} holds {len(clips)} clips, and a pipe takes one; name one of them.")
    if args.output == PIPE and (args.resume or args.dry_run):
        raise SettingsError("--resume and --dry-run are for files, and the output is a pipe; leave them out.")
    return [Job(clips[0], args.output or Path("stdin_x4.mkv" if args.lossless else "stdin_x4.mp4"))]


def open_input(args: argparse.Namespace) -> Clip:
    """Standard input as a clip, by the options."""
    from workbench.video import read_raw, read_y4m

    if args.raw:
        return read_raw("-", args.raw)
    return read_y4m("-", deinterlace=args.deinterlace, matrix=args.matrix)


@contextmanager
def frames_out() -> Iterator[BinaryIO]:
    """Standard output for frames alone: whatever else prints there, libraries included, goes to standard error."""
    sys.stdout.flush()
    before = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(os.dup(before), "wb") as frames:
            yield frames
    finally:
        sys.stdout.flush()
        os.dup2(before, 1)
        os.close(before)


def upscale_to_pipe(
    pipe: Pipeline, clip: Clip, stream: BinaryIO, settings: Settings, size: OutputSize, args: argparse.Namespace
) -> int:
    """Writes each frame as it is made, until the clip ends, the reader has enough, or Ctrl-C. The exit code."""
    from tqdm import tqdm

    from workbench.video import Y4MWriter

    writer = Y4MWriter(stream, clip, matrix=args.matrix)
    code = 0
    with tqdm(total=length_of(clip), unit="frame", desc="-", disable=args.quiet) as bar:
        try:
            for out in pipe.stream(clip, settings):
                writer.write(replace(out, frame=size.apply(out.frame)))
                bar.update()
            end = ""
        except KeyboardInterrupt:
            end, code = ", then Ctrl-C", 130
        except OSError as error:
            if error.errno not in _CLOSED:
                raise OutputError(f"standard output cannot be written: {error.strerror}") from error
            end = ", then the reader closed the pipe"
    print(f"-: {counted(writer.count, 'frame')} of y4m {writer.chroma}{end}", file=sys.stderr)
    if end:
        discard(stream)
    return code


def discard(stream: BinaryIO) -> None:
    """Sends what is left of a pipe that nobody reads nowhere, so that closing it is no error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def length_of(clip: Clip) -> int | None:
    """Frames, where that is known."""
    return None if clip.info.length is None else len(clip)
