"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
