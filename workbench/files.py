"""Files: what those of pictures are called, writing one whole or not at all, tables as JSON that says what it is."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.errors import InputError

_SUFFIXES = (
    "264 265 266 3g2 3gp 3gpp amv apng asf avc avi bik cine dav dif divx dv evo f4v flc fli flv gif gxf h261 h263 h264 "
    "h265 h266 hevc ism ivf m1v m2p m2t m2ts m2v m4v mj2 mjpeg mjpg mk3d mkv mod mov mp4 mpe mpeg mpg mpv mts mxf nsv "
    "nut nuv obu ogg ogm ogv ogx qt rcv rm rmvb roq smk swf tod tp trp ts ty vc1 viv vob vro webm wmv wtv xmv xvid y4m"
)
VIDEO_SUFFIXES = frozenset("." + suffix for suffix in _SUFFIXES.split())
"""What files of moving pictures are called. An opened file is known by its content alone."""
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".jxl"})


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A place beside ``path`` to write to: it becomes ``path`` when the block ends, and goes when the block fails.

    Readers see the old file or the new one, never half of one; a crash leaves the old one.
    """
    partial = path.with_name(f"{_beginning(path)}{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def partials(path: Path) -> list[Path]:
    """What ``replacing(path)`` left unfinished, in processes that were killed or still write."""
    return list(path.parent.glob(f"{_beginning(path)}*.partial"))


def _beginning(path: Path) -> str:
    return f".{zlib.crc32(path.name.encode()):08x}."  # the name itself may be as long as the system allows


def table_text(table: Any, tag: str) -> str:
    """A dataclass as JSON, with ``tag`` as its format."""
    return json.dumps({"format": tag} | asdict(table), indent=1, ensure_ascii=False) + "\n"


def table_values(text: str, tag: str) -> dict[str, Any]:
    """The values of what ``table_text`` made. Raises InputError for anything else."""
    try:
        values = json.loads(text)
    except ValueError as error:
        raise InputError(f"a table must be JSON of the format {tag}, and this is no JSON: {error}.") from error
    found = values.pop("format", None) if isinstance(values, dict) else None
    if found != tag:
        raise InputError(f"a table must be JSON of the format {tag}, got the format {found!r}.")
    return values
