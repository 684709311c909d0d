"""Where the clips of the field's benchmarks lie in their folders."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from workbench.errors import InputError
from workbench.files import IMAGE_SUFFIXES

HIGH_RESOLUTION = ("GT", "gt", "HR", "hr", "truth", "original", "target")
VIDEOS = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".y4m")
VIMEO_LIST = "sep_testlist.txt"


PHOTO_SCENES = ("coffee", "officer", "galaxies")  # of samples/scenes


def find_clips(folder: Path) -> dict[str, Path]:
    """High-resolution clips by name, in order: ``open_clip`` takes each path.

    Understands REDS4 and Vid4 (``[GT/]CLIP/*.png``), UDM10 and Vid4 as packed for PFNL (``CLIP/truth/*.png``),
    Vimeo-90K (``sequences/00001/0266/im1.png``, the test list when it is there), folders of videos, and a single clip.
    Raises InputError when there is none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give the folder that holds the high-resolution clips.")
    clips = _vimeo(folder) or _named(_high_resolution(folder))
    if not clips:
        raise InputError(f"no clips in {folder}: expected folders of frames (REDS4, Vid4, UDM10, Vimeo-90K) or videos.")
    return clips


def _vimeo(folder: Path) -> dict[str, Path]:
    sequences = folder / "sequences"
    if not sequences.is_dir():
        return {}
    listed = folder / VIMEO_LIST
    if listed.is_file():
        names = listed.read_text(encoding="utf-8").split()
    else:
        names = sorted(f"{clip.parent.name}/{clip.name}" for clip in sequences.glob("*/*") if clip.is_dir())
    missing = [name for name in names if not (sequences / name).is_dir()]
    if missing:
        raise InputError(f"{listed} names {missing[0]} and {len(missing) - 1} more that are not in {sequences}.")
    return {name: sequences / name for name in names}


def _named(folder: Path) -> dict[str, Path]:
    if _holds_images(folder):
        return {folder.name: folder}
    clips = {}
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and _holds_images(inner := _high_resolution(entry)):
            clips[entry.name] = inner
        elif entry.suffix.lower() in VIDEOS:
            clips[entry.stem] = entry
    return clips


def _high_resolution(folder: Path) -> Path:
    """Its sub-folder of originals, if it keeps them apart."""
    return next((folder / name for name in HIGH_RESOLUTION if (folder / name).is_dir()), folder)


def _holds_images(folder: Path) -> bool:
    return any(entry.suffix.lower() in IMAGE_SUFFIXES for entry in folder.iterdir() if entry.is_file())


def origin(scenes: Collection[str]) -> str:
    """What a reader of a table must know of the shipped scenes that it is made of."""
    photos = sum(name in PHOTO_SCENES for name in scenes)
    film = "one animated film, of which the shipped weights have seen another part"
    return (
        f"{photos} scenes are photographs that a camera moves over, the others of {film}"
        if photos
        else (f"All scenes are of {film}")
    )
