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
    short = f"{zlib.crc32(path.name.encode()):08x}"  # the name itself may be as long as the system allows
    partial = path.with_name(f".{short}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
