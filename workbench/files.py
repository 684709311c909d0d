"""Writing a file whole or not at all; tables as JSON that says what it is."""

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
