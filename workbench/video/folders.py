"""Finding the clips of a folder."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import InputError
from workbench.video.images import frame_files, natural_key

_SUFFIXES = "3gp avi flv gif ivf m2ts m4v mkv mov mp4 mpeg mpg mts mxf nut ogv ts webm wmv y4m"
VIDEO_SUFFIXES = frozenset("." + suffix for suffix in _SUFFIXES.split())


def list_clips(path: str | Path) -> list[Path]:
    """What ``open_clip`` can open at a path, in natural order.

    A file or a folder of frames is one clip; any other folder stands for the video files and the folders of frames
    that lie directly in it. Raises InputError where there is nothing to open.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise InputError(f"{path} does not exist; expected a video file, a folder of frames, or a folder of those")
    if not path.is_dir() or frame_files(path)[0]:
        return [path]
    clips = [entry for entry in path.iterdir() if not entry.name.startswith(".") and _is_clip(entry)]
    if not clips:
        raise InputError(f"{path} holds no frames, no videos and no folders of frames")
    return sorted(clips, key=natural_key)


def _is_clip(entry: Path) -> bool:
    return bool(frame_files(entry)[0]) if entry.is_dir() else entry.suffix.lower() in VIDEO_SUFFIXES
