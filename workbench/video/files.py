"""Names of files: as libav is to see them, and of what lies beside an output."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_NAME_LIMIT = 255  # bytes of one name, on almost every file system
_SUFFIX_ROOM = 40  # of these, for the longest suffix of a companion


def media_path(path: str | os.PathLike[str]) -> str:
    """A path for libav or its program: absolute, so that no name is read as an address (``a:b.mp4``) or an option."""
    return str(placed(Path(path)))


def placed(path: Path) -> Path:
    """The same place spelt absolutely, without ``..``; a link to a file stays the link."""
    if path.is_dir() or path.name in ("", ".."):
        return path.resolve()
    return path.parent.resolve() / path.name


def companion(output: Path, suffix: str) -> Path:
    """A file that goes with an output: ``clip.mp4`` -> ``clip.mp4.json``.

    Of a name that would become too long, the end is replaced by a digest of the whole.
    """
    if output.name in ("", ".."):
        output = output.resolve()
    name = output.name
    encoded = os.fsencode(name)
    room = _NAME_LIMIT - _SUFFIX_ROOM
    if len(encoded) > room:
        kept = encoded[: room - 9].decode("utf-8", "ignore")
        name = f"{kept}~{hashlib.sha256(encoded).hexdigest()[:8]}"
    return output.with_name(name + suffix)
