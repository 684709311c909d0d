"""The bundled ffmpeg program."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from collections.abc import Callable
from typing import IO

import imageio_ffmpeg

from workbench.errors import OutputError


class ProgramError(OutputError):
    """The program ended with an error; the message is its last word."""


def run_ffmpeg(arguments: list[str], feed: Callable[[IO[bytes]], None] | None = None) -> list[str]:
    """Run it; ``feed`` writes to its standard input. Returns what it complained of, line by line.

    Raises ProgramError, or OSError where the disk is full.
    """
    command = [
        ffmpeg_path(),
        "-hide_banner",
        "-nostats",
        "-nostdin",
        "-loglevel",
        "error",
        "-max_error_rate",
        "1",
        "-y",
    ]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command + arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,  # Ctrl-C is ours to answer
        )
        assert process.stdin is not None
        try:
            with process.stdin as pipe:
                if feed is not None:
                    feed(pipe)
            process.wait()
        except BrokenPipeError:  # it ended early, and the log says why
            process.wait()
        finally:
            process.kill()
            process.wait()
        log.seek(0)
        lines = log.read().decode(errors="replace").splitlines()
    if process.returncode:
        if any(os.strerror(errno.ENOSPC) in line for line in lines):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise ProgramError(lines[-1] if lines else f"ffmpeg ended with {process.returncode}")
    return lines


def ffmpeg_path() -> str:
    """Where it is. Raises OutputError where there is none."""
    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise OutputError(f"no ffmpeg program ({error}); reinstall imageio-ffmpeg or set IMAGEIO_FFMPEG_EXE") from error
