"""What a batch is to do: from files, folders, globs, lists and addresses to one task for each clip, with its weight."""

from __future__ import annotations

import csv
import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import av
from av.error import FFmpegError
from PIL import Image

from workbench.batch._storage import is_address, local_path, open_system
from workbench.errors import InputError, OutputError, WorkbenchError
from workbench.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from workbench.video import is_picture, list_clips
from workbench.video.container import CONTAINERS
from workbench.video.images import frame_files
from workbench.video.naming import Named, result_names

LISTS = (".txt", ".csv")


@dataclass(frozen=True)
class Task:
    """One clip; all three places are paths of this machine, or addresses."""

    source: str
    output: str
    reference: str | None = None
    size: tuple[int, int] = (0, 0)
    """(h, w), as a look at its head tells; zeros: not known"""
    frames: int = 0
    """those that are asked for"""

    def absolute(self) -> Task:
        """For workers whose current folder may be another."""
        here = {name: getattr(self, name) for name in ("source", "output", "reference")}
        return replace(self, **{k: os.path.abspath(local_path(v)) for k, v in here.items() if v and not is_address(v)})

    @property
    def weight(self) -> float:
        """Pixels of all its frames: how long it takes, roughly."""
        return float(self.size[0] * self.size[1] * self.frames)

    @property
    def name(self) -> str:
        return self.output.rsplit("/", 1)[-1]


def plan(
    sources: Sequence[str],
    output: str,
    *,
    lossless: bool = False,
    references: str | None = None,
    frames: tuple[int | None, ...] = (None,),
) -> tuple[list[Task], list[str]]:
    """Tasks, and what was passed over.

    ``sources``: files, folders of frames, folders of clips, globs, addresses of any of these, and lists: a .txt file
    with one of these a line, or a .csv file with a column ``source`` and, where wanted, ``output`` (a name) and
    ``reference``. Relative names in a list are seen from its folder. ``output``: a folder, or an address of one.
    ``references``: a folder with the originals, by the names of the clips, for metrics. ``frames``: the arguments of a
    slice, for every clip.

    Raises InputError where there is nothing to do; a clip that cannot be read is found out when its turn comes.
    """
    rows = [row for source in sources for row in _expand(source)]
    if not rows:
        raise InputError(f"there are no clips in {', '.join(sources)}.")
    base = _joined(output, "")[:-1]
    _check_apart(rows, base)
    named = [_named(row.source, lossless) for row in rows]
    names = result_names(named)
    originals = {} if references is None else _originals(references)
    tasks, passed = [], []
    for row, kind, name in zip(rows, named, names, strict=True):
        reference = row.reference or originals.get(kind.stem)
        if references is not None and reference is None:
            passed.append(f"{row.source}: no original of its name in {references}, so it gets no metrics")
        size, count = look(row.source)
        count = len(range(count)[slice(*frames)])
        tasks.append(Task(row.source, _joined(base, row.output or name), reference, size, count))
    taken = [task.output for task in tasks]
    if doubled := next((name for name in taken if taken.count(name) > 1), None):
        raise InputError(f"two clips are to become {doubled}; give them different outputs.")
    return tasks, passed


@dataclass(frozen=True)
class _Row:
    source: str
    output: str | None = None
    reference: str | None = None


def _expand(source: str) -> Iterator[_Row]:
    if is_address(source):
        yield from map(_Row, _expand_address(source))
        return
    path = local_path(source)
    if path.suffix.lower() in LISTS and path.is_file():
        yield from _listed(path)
    elif path.exists() or not glob.has_magic(str(path)):
        yield from (_Row(str(clip)) for clip in list_clips(path))
    else:
        found = sorted(glob.glob(str(path), recursive=True))
        if not found:
            raise InputError(f"nothing is called like {source}.")
        for one in found:
            yield from (_Row(str(clip)) for clip in list_clips(one))


def _listed(path: Path) -> Iterator[_Row]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    if path.suffix.lower() == ".csv":
        table = csv.DictReader(lines)
        if "source" not in (table.fieldnames or []):
            raise InputError(f"{path} needs a column 'source'; it has {', '.join(table.fieldnames or []) or 'none'}.")
        for row in table:
            reference = row.get("reference") or None
            where = None if reference is None else _seen_from(path, reference)
            yield _Row(_seen_from(path, row["source"]), row.get("output") or None, where)
        return
    for line in lines:
        if line.strip() and not line.startswith("#"):
            yield from _expand(_seen_from(path, line.strip()))


def _seen_from(path: Path, name: str) -> str:
    return name if "://" in name or os.path.isabs(name) else str(path.parent / name)


def _expand_address(address: str) -> list[str]:
    """A file, a folder of frames, a folder of clips, or a pattern."""
    system, path = open_system(address)
    try:
        if glob.has_magic(path):
            found = sorted(map(str, system.glob(path)))
        elif not system.isdir(path):
            return [address]
        else:
            entries = [(str(entry["name"]), entry["type"] == "directory") for entry in system.ls(path, detail=True)]
            files = [name for name, folder in entries if not folder]
            if any(_suffix(name) in IMAGE_SUFFIXES for name in files):
                return [address]
            found = sorted(name for name, folder in entries if folder or _suffix(name) in VIDEO_SUFFIXES)
    except (OSError, ValueError) as error:
        raise InputError(f"{address} cannot be listed ({error}).") from error
    return [system.unstrip_protocol(name) for name in found]


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _named(source: str, lossless: bool) -> Named:
    place = PurePosixPath(source.rstrip("/"))
    ending = ".mkv" if lossless else ".mp4"
    if is_address(source):
        folder = not place.suffix
        ending = "" if folder else ".png" if place.suffix.lower() in IMAGE_SUFFIXES else ending
        return Named(place.name if folder else place.stem, "" if folder else place.suffix, ending)
    path = Path(source)
    if path.is_dir():
        return Named(path.resolve().name, "", "")
    try:
        still = path.exists() and is_picture(path)
    except (WorkbenchError, OSError):  # its error is told when its turn comes
        still = path.suffix.lower() in IMAGE_SUFFIXES
    return Named(path.stem, path.suffix, ".png" if still else ending)


def _originals(folder: str) -> dict[str, str]:
    return {_named(row.source, lossless=False).stem: row.source for row in _expand(folder)}


def _joined(folder: str, name: str) -> str:
    if is_address(folder):
        return f"{folder.rstrip('/')}/{name}"
    return str(local_path(folder) / name) if name else f"{local_path(folder)}/"


def _check_apart(rows: Sequence[_Row], output: str) -> None:
    if is_address(output) or not os.path.isdir(output):
        return
    for row in rows:
        here = not is_address(row.source) and os.path.exists(row.source)
        if here and os.path.samefile(output, os.path.dirname(os.path.abspath(row.source))):
            raise OutputError(f"{output} holds clips that are to be read; give the results a folder of their own (-o).")


def look(source: str) -> tuple[tuple[int, int], int]:
    """Size (h, w) and number of frames, from what the head of the file says; zeros where it says nothing."""
    try:
        if is_address(source):
            return _look_far(*open_system(source))
        path = local_path(source)
        frames = frame_files(path)[0] if path.is_dir() else [path.absolute()]
        size, count = _head(str(frames[0]), str(frames[0]))
        return size, len(frames) if path.is_dir() else count
    except (FFmpegError, Image.DecompressionBombError, OSError, ValueError, IndexError, WorkbenchError):
        return (0, 0), 0


def _look_far(system: Any, path: str) -> tuple[tuple[int, int], int]:
    folder = system.isdir(path)
    names = [str(name) for name in system.ls(path, detail=False)] if folder else [path]
    frames = [name for name in names if _suffix(name) in IMAGE_SUFFIXES] if folder else names
    with system.open(frames[0], "rb") as file:
        size, count = _head(file, frames[0])
    return size, len(frames) if folder else count


def _head(file: Any, name: str) -> tuple[tuple[int, int], int]:
    if _suffix(name) in IMAGE_SUFFIXES:
        with Image.open(file) as picture:
            return (picture.height, picture.width), 1
    with av.open(file, container_options={"protocol_whitelist": "file", "format_whitelist": CONTAINERS}) as container:
        stream = container.streams.video[0]
        seconds = (container.duration or 0) / av.time_base
        count = stream.frames or round(seconds * float(stream.average_rate or 25)) or 1
        return (stream.codec_context.height, stream.codec_context.width), count
