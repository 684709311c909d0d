"""What a command line's input means: which clips there are, and where each result goes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import InputError

VIDEOS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif", ".m4v", ".ts", ".mpg", ".mpeg", ".wmv", ".flv", ".y4m"}
IMAGES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"}


@dataclass(frozen=True)
class Job:
    """One clip and where its upscaled version goes."""

    source: Path
    output: Path


def plan(source: Path, output: Path | None, *, lossless: bool = False) -> list[Job]:
    """Jobs for a clip, a frame folder, or a folder of either.

    Without ``output``, a result lies beside the current folder's name: ``clip_x4.mp4`` (``.mkv`` when lossless),
    ``frames_x4/``, ``image_x4.png``. A folder of clips gets a folder of results.
    """
    if not source.exists():
        raise InputError(f"{source} does not exist; give a video file, an image, a frame folder, or a folder of those.")
    clips = _clips_in(source)
    if clips is None:
        return [Job(source, output or Path(_result_name(source, lossless)))]
    if not clips:
        raise InputError(
            f"{source} holds nothing to upscale: no images ({', '.join(sorted(IMAGES))}), no videos, no frame folders."
        )
    folder = output or Path(f"{source.resolve().name}_x4")
    return [Job(clip, folder / _name_in_folder(clip, lossless)) for clip in clips]


def _clips_in(source: Path) -> list[Path] | None:
    """The clips of a folder of clips, in natural order; None where the source is itself one clip."""
    if source.is_file():
        return None
    entries = sorted((e for e in source.iterdir() if not e.name.startswith(".")), key=_natural)
    if any(entry.suffix.lower() in IMAGES for entry in entries if entry.is_file()):
        return None
    return [e for e in entries if (e.is_file() and e.suffix.lower() in VIDEOS) or (e.is_dir() and _has_images(e))]


def _has_images(folder: Path) -> bool:
    return any(entry.suffix.lower() in IMAGES for entry in folder.iterdir())


def _result_name(source: Path, lossless: bool) -> str:
    name = source.resolve()
    if source.is_dir():
        return f"{name.name}_x4"
    if source.suffix.lower() in IMAGES:
        return f"{name.stem}_x4.png"
    return f"{name.stem}_x4{'.mkv' if lossless else '.mp4'}"


def _name_in_folder(clip: Path, lossless: bool) -> str:
    """Frame folders keep their names, as the published command does."""
    return clip.name if clip.is_dir() else f"{clip.stem}{'.mkv' if lossless else '.mp4'}"


def _natural(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part.lower()) for part in parts]
