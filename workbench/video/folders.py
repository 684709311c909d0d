"""Finding the clips of a folder."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import InputError
from workbench.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from workbench.video.images import frame_files, is_animated, natural_key


def list_clips(path: str | Path) -> list[Path]:
    """What ``open_clip`` can open at a path, in natural order.

    A file or a folder of frames is one clip; any other folder stands for the videos, animated images and folders of
    frames that lie directly in it. Raises InputError where there is nothing to open.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise InputError(f"{path} does not exist; expected a video file, a folder of frames, or a folder of those")
    if not path.is_dir() or _is_sequence(path):
        return [path]
    clips = [entry for entry in _entries(path) if _is_clip(entry)]
    if not clips:
        raise InputError(f"{path} holds no frames, no videos and no folders of frames")
    return clips


def list_skipped(path: str | Path) -> list[str]:
    """The names in a folder of clips that ``list_clips`` passes over, hidden ones aside; none for a single clip."""
    path = Path(path).expanduser()
    if not path.is_dir() or _is_sequence(path):
        return []
    return [entry.name + ("/" if entry.is_dir() else "") for entry in _entries(path) if not _is_clip(entry)]


def _entries(folder: Path) -> list[Path]:
    return sorted((entry for entry in folder.iterdir() if not entry.name.startswith(".")), key=natural_key)


def _is_sequence(folder: Path) -> bool:
    """Whether a folder holds frames: images that do not move themselves."""
    frames, _ = frame_files(folder)
    return bool(frames) and not is_animated(frames[0])


def _is_clip(entry: Path) -> bool:
    if entry.is_dir():
        return _is_sequence(entry)
    suffix = entry.suffix.lower()
    return suffix in VIDEO_SUFFIXES or (suffix in IMAGE_SUFFIXES and is_animated(entry))
