"""The folder in which exported graphs are kept: whole entries only, safe for several processes, bounded in size."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from workbench.errors import EngineError

ABOUT = "entry.json"
BUILDING = ".building-"
LIMIT = 16 * 2**30  # bytes; the published width takes 5 GiB a size in float32
WHOLE = 64 * 2**20  # bytes of a file up to which all of it is checked
ENDS = 2**20  # bytes of a larger file's head and tail that are


@dataclass(frozen=True)
class Entry:
    """One exported graph."""

    folder: Path
    about: dict[str, Any]
    """what it was made of (``facts``), what the maker told (``made``), and its files with their check sums"""

    @property
    def bytes(self) -> int:
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    @property
    def used(self) -> float:
        """When it was last asked for, in seconds since 1970."""
        return (self.folder / ABOUT).stat().st_mtime


class Cache:
    """``folder`` None: beside the hub's cache. ``limit``: bytes; what was used longest ago goes first."""

    def __init__(self, folder: Path | None = None, limit: int = LIMIT) -> None:
        self.folder = folder or _default_folder()
        self.limit = limit

    def find(self, name: str, facts: Mapping[str, Any]) -> Entry | None:
        """The entry of these facts, where it is there and whole."""
        folder = self._place(name, facts)
        entry = _read(folder)
        if entry is None or any(_sum(folder / file) != wanted for file, wanted in entry.about["files"].items()):
            return None
        (folder / ABOUT).touch()
        return entry

    def make(self, name: str, facts: Mapping[str, Any], build: Callable[[Path], dict[str, Any]]) -> Entry:
        """The entry of these facts; where there is none that is whole, ``build`` fills an empty folder with it.

        Of several processes that ask at once, one builds and the others wait. Raises EngineError where it cannot be
        written.
        """
        place = self._place(name, facts)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{place}.lock"):
                if found := self.find(name, facts):
                    return found
                shutil.rmtree(place, ignore_errors=True)  # half an entry, or a broken one
                self._build(place, name, facts, build)
        except OSError as error:
            raise EngineError(
                f"the graph cannot be kept in {self.folder} ({error}); make room or set HF_HOME."
            ) from error
        self.trim(keep=place)
        entry = self.find(name, facts)
        if entry is None:
            raise EngineError(f"{place} was changed while it was written; run again.")
        return entry

    def entries(self) -> list[Entry]:
        """All that are there, the one used last first."""
        folders = self.folder.glob(f"*/{ABOUT}") if self.folder.is_dir() else []
        found = [entry for file in folders if (entry := _read(file.parent)) is not None]
        return sorted(found, key=lambda entry: entry.used, reverse=True)

    def trim(self, keep: Path | None = None) -> None:
        """Removes entries, and what broken runs left a day ago, until the rest is within the limit."""
        room = self.limit
        for entry in self.entries():
            room -= entry.bytes
            if room < 0 and entry.folder != keep:
                shutil.rmtree(entry.folder, ignore_errors=True)  # another process may hold it (on Windows): next time
        for left in self.folder.glob(f"{BUILDING}*"):
            if time.time() - left.stat().st_mtime > 24 * 3600:
                shutil.rmtree(left, ignore_errors=True)

    def clear(self) -> int:
        """Removes every entry; returns how many bytes that were."""
        count = 0
        for entry in self.entries():
            count += entry.bytes
            shutil.rmtree(entry.folder, ignore_errors=True)
        return count

    def _build(self, place: Path, name: str, facts: Mapping[str, Any], build: Callable[[Path], dict[str, Any]]) -> None:
        partial = Path(tempfile.mkdtemp(dir=self.folder, prefix=BUILDING))
        try:
            made = build(partial)
            files = {file.name: _sum(file) for file in sorted(partial.iterdir())}
            about = {"name": name, "facts": dict(facts), "made": made, "files": files}
            (partial / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
            os.replace(partial, place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _place(self, name: str, facts: Mapping[str, Any]) -> Path:
        key = hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode()).hexdigest()
        return self.folder / f"{name}-{key[:16]}"


def _default_folder() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "stream-diffvsr-workbench" / "engines"


def _read(folder: Path) -> Entry | None:
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        return Entry(folder, about) if {"name", "facts", "made", "files"} <= about.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _sum(file: Path) -> list[int] | None:
    """Size and CRC-32, of a large file those of its two ends."""
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            value = zlib.crc32(opened.read(WHOLE if size <= WHOLE else ENDS))
            if size > WHOLE:
                opened.seek(-ENDS, os.SEEK_END)
                value = zlib.crc32(opened.read(), value)
    except OSError:
        return None
    return [size, value]
