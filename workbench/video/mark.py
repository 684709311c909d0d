"""What every file of an output says of the run that made it: a text chunk in PNG files, the comment tag in videos."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from workbench._version import __version__
from workbench.errors import InputError
from workbench.video.files import media_path

_KEY = "workbench"  # of the PNG chunk, and the first one of the JSON object


@dataclass(frozen=True)
class Mark:
    """What a file of ours says of itself."""

    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    """an id that all files of one output share"""
    about: Mapping[str, Any] = field(default_factory=dict)
    """JSON values: the settings of the run, and the like"""

    @property
    def line(self) -> str:
        """JSON in one line of ASCII."""
        return json.dumps({_KEY: __version__, "run": self.run, **self.about})

    def png(self) -> PngInfo:
        info = PngInfo()
        info.add_text(_KEY, self.line)
        return info

    def unfinished(self, output: Path) -> Path:
        """Where a file of the output is written before it takes its place; a kill leaves it, the next run finds it."""
        return output.with_name(f".{self.run}.unfinished")

    def after(self, comment: str) -> str:
        """A comment tag that keeps ``comment``, which the source has, before this mark; an earlier mark is left out."""
        kept = [line for line in comment.splitlines() if _parsed(line) is None]
        return "\n".join([*kept, self.line])

    @classmethod
    def read(cls, path: Path) -> Mark | None:
        """The mark of a PNG file or a video; None where there is none, or no such file."""
        try:
            lines = _png_text(path) if path.suffix.lower() == ".png" else _comment(path)
        except (OSError, SyntaxError, ValueError, FFmpegError):
            return None
        marks = [mark for mark in map(_parsed, lines) if mark is not None]
        return marks[-1] if marks else None


def _parsed(line: str) -> Mark | None:
    if not line.startswith(f'{{"{_KEY}"'):
        return None
    try:
        values = json.loads(line)
        return Mark(values.pop("run"), {name: value for name, value in values.items() if name != _KEY})
    except (ValueError, KeyError):
        return None


def _png_text(path: Path) -> list[str]:
    with Image.open(path, formats=["PNG"]) as image:
        return [str(image.info.get(_KEY, ""))]


def _comment(path: Path) -> list[str]:
    if path.stat().st_size == 0:
        return []
    with av.open(media_path(path), container_options={"protocol_whitelist": "file"}, metadata_errors="replace") as file:
        tags = {name.lower(): text for name, text in file.metadata.items()}
    return tags.get("comment", "").splitlines()


def about_result(path: Path) -> dict[str, Any]:
    """What a result says of how it was made: a video, a .png, a folder of them, or the sidecar .json of either.

    Raises InputError for what says nothing of the kind.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; expected a result of this workbench, or its .json")
    if path.suffix.lower() == ".json" and path.is_file():
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            about = None
    else:
        file = next((file for file in sorted(path.glob("*.png"))), path) if path.is_dir() else path
        mark = Mark.read(file)
        about = None if mark is None else dict(mark.about)
    if not isinstance(about, dict) or not isinstance(about.get("settings"), dict):
        raise InputError(
            f"{path} does not say how it was made: expected a video, PNG or folder that this workbench wrote and "
            "nothing has rewritten since, or the .json beside it"
        )
    return about
