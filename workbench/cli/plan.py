"""What a command line's input means: which clips there are, and where each result goes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import OutputError
from workbench.files import VIDEO_SUFFIXES
from workbench.video import is_picture, list_clips
from workbench.video.naming import Named, result_names


@dataclass(frozen=True)
class Job:
    """One clip and where its upscaled version goes."""

    source: Path
    output: Path


def plan(source: Path, output: Path | None, *, lossless: bool = False) -> list[Job]:
    """Jobs for a clip, a frame folder, or a folder of either.

    Without ``output``, results lie in the current folder: ``clip_x4.mp4`` (``.mkv`` when lossless), ``frames_x4/``,
    ``image_x4.png``. A folder of clips gets a folder of results. Clips that differ in their suffix only
    (``holiday.mov``, ``holiday.mp4``) get results of different names, also when they are upscaled one by one. Raises
    InputError where there is nothing to upscale, OutputError where results would lie among the clips.
    """
    source = source.expanduser()
    clips = list_clips(source)
    if clips == [source]:
        return [Job(source, output or Path(_names(_namesakes(source), "_x4", lossless)[source]))]
    folder = output or Path(f"{source.resolve().name}_x4")
    if folder.exists() and os.path.samefile(folder, source):
        raise OutputError(f"{folder} holds the clips that are to be read; give the results a folder of their own (-o)")
    names = _names(clips, "", lossless)
    return [Job(clip, folder / names[clip]) for clip in clips]


def _namesakes(source: Path) -> list[Path]:
    """A clip and those beside it whose results could have its name."""
    if source.is_dir():
        return [source]
    beside = sorted(entry for entry in source.parent.iterdir() if entry.stem == source.stem and entry.is_file())
    return [entry for entry in beside if entry == source or entry.suffix.lower() in VIDEO_SUFFIXES or is_picture(entry)]


def _names(clips: list[Path], mark: str, lossless: bool) -> dict[Path, str]:
    return dict(zip(clips, result_names([_named(clip, lossless) for clip in clips], mark), strict=True))


def _named(source: Path, lossless: bool) -> Named:
    if source.is_dir():
        return Named(source.resolve().name, "", "")
    if is_picture(source):
        return Named(source.stem, source.suffix, ".png")
    return Named(source.stem, source.suffix, ".mkv" if lossless else ".mp4")
