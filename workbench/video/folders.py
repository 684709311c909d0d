"""Finding the clips of a folder."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import InputError
from workbench.video.images import frame_files, natural_key

VIDEO_SUFFIXES = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".gif",
        ".mpg",
        ".mpeg",
        ".ts",
        ".m2ts",
        ".mts",
        ".wmv",
        ".flv",
        ".ogv",
        ".3gp",
        ".ivf",
        ".y4m",
        ".mxf",
        ".nut",
    ]
)


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
