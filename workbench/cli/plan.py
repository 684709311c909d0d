"""What a command line's input means: which clips there are, and where each result goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.video import is_picture, list_clips


@dataclass(frozen=True)
class Job:
    """One clip and where its upscaled version goes."""

    source: Path
    output: Path


def plan(source: Path, output: Path | None, *, lossless: bool = False) -> list[Job]:
    """Jobs for a clip, a frame folder, or a folder of either.

    Without ``output``, results lie in the current folder: ``clip_x4.mp4`` (``.mkv`` when lossless), ``frames_x4/``,
    ``image_x4.png``. A folder of clips gets a folder of results. Raises InputError where there is nothing to upscale.
    """
    source = source.expanduser()
    clips = list_clips(source)
    if clips == [source]:
        return [Job(source, output or Path(_result_name(source, "_x4", lossless)))]
    folder = output or Path(f"{source.resolve().name}_x4")
    return [Job(clip, folder / _result_name(clip, "", lossless)) for clip in clips]


def _result_name(source: Path, mark: str, lossless: bool) -> str:
    if source.is_dir():
        return f"{source.resolve().name}{mark}"
    if is_picture(source):
        return f"{source.stem}{mark}.png"
    return f"{source.stem}{mark}{'.mkv' if lossless else '.mp4'}"
