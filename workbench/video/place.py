"""Whose the files at an output's place are, and who may write there: the source and foreign files are never harmed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from workbench.errors import OutputError
from workbench.video._segments import OUTPUT_SUFFIXES, PICTURE_NAME, frames_in, parts_of
from workbench.video.clip import Clip
from workbench.video.files import companion, placed
from workbench.video.mark import Mark

_LEFT_BY_SYSTEMS = ("Thumbs.db", "desktop.ini")  # systems put them into any folder


def is_video(output: Path) -> bool:
    return output.suffix.lower() in OUTPUT_SUFFIXES


def is_picture(output: Path) -> bool:
    """Whether the output is one .png file, not a folder of them."""
    return output.suffix.lower() == ".png" and not output.is_dir()


def check_format(output: Path) -> None:
    """Raise OutputError where the name is of no format that can be written."""
    suffix = output.suffix.lower()
    try:
        output.is_dir()
    except OSError as error:  # such as a name that is too long
        raise OutputError(f"{output} cannot be written: {error.strerror}; choose another name") from error
    if is_video(output) and output.is_dir():
        raise OutputError(f"{output} is a folder, and a video is one file; choose another name")
    if not (suffix in ("", ".png", *OUTPUT_SUFFIXES) or output.is_dir()):
        raise OutputError(
            f"{output}: cannot write {suffix} files; use .mp4 (H.264), .mkv (lossless), a folder (PNG frames) or .png"
        )


@contextmanager
def hold(output: Path, patience: float = 0.0) -> Iterator[None]:
    """Keep other writers away from an output. Raises OutputError where one is at work, in whichever process, for longer
    than ``patience`` seconds."""
    file = companion(placed(output), ".lock")
    file = file.with_name(f".{file.name}")
    lock = FileLock(file, timeout=patience)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        while not file.exists():  # the one before removed it after we had opened it
            lock.release()
            lock.acquire()
    except Timeout:
        raise OutputError(
            f"{output} is being written by another run: wait for its end, stop it, or choose another place"
        ) from None
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror or error}") from error
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no file that is open
            file.unlink()
        lock.release()


def check_place(output: Path, clip: Clip | None = None, *, run: str | None = None) -> None:
    """Raise OutputError where writing ``output`` could harm the source of ``clip`` or a file of somebody else.

    ``run``: the output's own files are those with this mark; None: those with any. Nothing else is ever replaced, and
    a folder of pictures may hold nothing else.
    """
    output = placed(output)
    there = _files_at(output)
    if clip is not None and clip.path is not None:
        _check_source(output, there, clip.path)
    foreign = [file for file in there if not _is_own(output, file, run)]
    if foreign and output.is_dir():
        names = ", ".join(file.name for file in foreign[:3]) + (", ..." if len(foreign) > 3 else "")
        raise OutputError(
            f"{output} holds {len(foreign)} that no run of this output made ({names}); "
            "name an empty folder or a new one, or move them away"
        )
    if foreign:
        raise OutputError(
            f"{foreign[0]} exists, and no run of this output made it; choose another place, or move it away"
        )


def check_vacant(output: Path) -> None:
    """Raise OutputError where there is an output already, finished or not."""
    if not _files_at(placed(output)):
        return
    count, parts = frames_in(output), bool(parts_of(output))
    what = f" in parts, with {count} frames of a run that did not end" if parts and not output.exists() else ""
    if output.is_dir():
        what = f" with {count} frames"
    raise OutputError(f"{output} exists{what}; overwrite it, go on with it (resume), or choose another place")


def _files_at(output: Path) -> list[Path]:
    """What a run could remove or replace, or would lie among."""
    if output.is_dir():
        entries = sorted(output.iterdir())
        return [entry for entry in entries if entry.name[0] != "." and entry.name not in _LEFT_BY_SYSTEMS]
    parts = [part for _, part in parts_of(output)] if is_video(output) else []
    return [output, *parts] if os.path.lexists(output) else parts


def _check_source(output: Path, there: list[Path], source: Path) -> None:
    """By identity, so that links and other spellings of a name are seen through."""
    sources = {_identity(source)}
    if source.is_dir():
        sources |= {_identity(file) for file in source.iterdir()}
    for file in [output, *there]:
        if os.path.exists(file) and _identity(file) in sources:
            what = "is" if file == output else f"holds {file.name}:"
            raise OutputError(
                f"{output} {what} the clip that is being read; write to another place, as an empty folder or a new name"
            )


def _identity(file: Path) -> tuple[int, int]:
    """As ``os.path.samefile`` compares it."""
    try:
        facts = file.stat()
    except OSError:  # a link to nowhere is nobody's file
        return (-1, hash(file))
    return (facts.st_dev, facts.st_ino)


def _is_own(output: Path, file: Path, run: str | None) -> bool:
    if not file.is_file():
        return False
    if file.parent == output and not PICTURE_NAME.fullmatch(file.name):
        return False
    if file != output and file.parent == output.parent and file.stat().st_size == 0:
        return True  # a part that was not begun
    mark = Mark.read(file)
    return mark is not None and run in (None, mark.run)
