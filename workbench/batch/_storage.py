"""Clips and results that lie elsewhere, under addresses that fsspec opens: ``s3://``, ``gs://``, ``hf://``, ``memory://``.

A worker brings a clip into a folder of this machine, works there, and brings what it has made to where it belongs: all
at the end, and now and then before, so that another machine can go on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import InputError, OutputError

_SHARE = 10  # at most one part in so many of the time goes into checkpoints


def is_address(text: str) -> bool:
    """Whether this is an address, not a path of this machine."""
    return "://" in text and not text.startswith(("file://", "local://")) and not os.path.lexists(text)


def local_path(text: str) -> Path:
    """A path, or a ``file://`` address, of this machine."""
    return Path(text.split("://", 1)[1] if text.startswith(("file://", "local://")) else text).expanduser()


def open_system(address: str) -> tuple[Any, str]:
    """(file system, path in it). Raises InputError for an address that nothing here opens."""
    import fsspec

    try:
        return fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise InputError(f"{address} cannot be opened ({error}).") from error


def exists(address: str) -> bool:
    system, path = open_system(address)
    return bool(system.exists(path))


def identity(source: str) -> str:
    """A text that changes when the clip does, as far as its store tells; empty where it cannot be read."""
    try:
        if is_address(source):
            system, path = open_system(source)
            return f"{source} {system.ukey(path)}"
        facts = local_path(source).stat()
        return f"{source} {facts.st_size} {facts.st_mtime_ns}"
    except (OSError, ValueError, InputError):
        return ""


def work_folder(output: str) -> Path:
    """Where this machine keeps its part of what becomes ``output``; the same after a restart."""
    name = hashlib.sha256(output.encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"workbench-batch-{os.getuid() if hasattr(os, 'getuid') else 0}" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def fetch(address: str, folder: Path) -> Path:
    """Brings a file or a folder of frames into ``folder``, unless it is there. Raises InputError."""
    system, path = open_system(address)
    target = folder / (path.rstrip("/").rsplit("/", 1)[-1] or "clip")
    try:
        info = system.info(path)
        if target.exists() and (target.is_dir() or target.stat().st_size == info.get("size")):
            return target
        partial = folder / ".fetching"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        if info["type"] == "directory":
            system.get(path.rstrip("/") + "/", f"{partial}/clip/", recursive=True)
        else:
            system.get_file(path, f"{partial}/clip")
        for file in (partial / "clip").rglob("*") if (partial / "clip").is_dir() else [partial / "clip"]:
            os.utime(file, (0, 0))  # the record holds a clip's file time, which must be the same on every machine
        (partial / "clip").replace(target)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{address} cannot be read ({error}).") from error
    return target


@dataclass
class Mirror:
    """The files of one output in a folder of this machine, and where they belong."""

    address: str
    local: Path
    """The output itself, in a folder that holds nothing but it and what goes with it, and hidden files."""
    _known: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Size and time of what is the same on both sides, by name."""
    _pushed: float = 0.0
    _took: float = 0.0

    def pull(self) -> None:
        """Fetches what the address has of the output, unless as much was made here. Raises OutputError."""
        system, path = open_system(self.address)
        try:
            there = self._there(system, path)
            state = next((name for name in there if name.endswith(".state.safetensors")), None)
            if there and not (state and _reached(self.local.parent / state) >= _reached_there(system, there[state])):
                self._clear()
                for name, found in there.items():
                    (self.local.parent / name).parent.mkdir(parents=True, exist_ok=True)
                    system.get_file(found, str(self.local.parent / name))
            self._known = {
                name: _facts(self.local.parent / name) for name in there if (self.local.parent / name).exists()
            }
        except (OSError, ValueError) as error:
            raise OutputError(f"{self.address} cannot be read ({error}).") from error
        self._pushed = time.monotonic()

    def due(self, every: float) -> bool:
        """Whether a checkpoint is to be brought: every so many seconds, and not for more than a part of the time."""
        return time.monotonic() - self._pushed > max(every, _SHARE * self._took)

    def push(self) -> None:
        """Writes what has changed to the address, and removes there what was removed here. Raises OutputError."""
        begun = time.monotonic()
        system, path = open_system(self.address)
        parent = path.rsplit("/", 1)[0]
        here = {str(file.relative_to(self.local.parent)): file for file in self._here()}
        order = sorted(here, key=lambda name: (name.endswith(".json"), name.endswith(".state.safetensors"), name))
        try:
            for name in order:  # the state after the frames that it is of, the record last
                if self._known.get(name) != (facts := _facts(here[name])):
                    system.makedirs(f"{parent}/{name}".rsplit("/", 1)[0], exist_ok=True)
                    system.put_file(str(here[name]), f"{parent}/{name}")
                    self._known[name] = facts
            for name in [name for name in self._known if name not in here]:
                system.rm_file(f"{parent}/{name}")
                del self._known[name]
        except (OSError, ValueError) as error:
            raise OutputError(
                f"{self.address} cannot be written ({error}); what was made is in {self.local}."
            ) from error
        self._pushed = time.monotonic()
        self._took = self._pushed - begun

    def _here(self) -> list[Path]:
        files = [file for file in self.local.parent.iterdir() if file.is_file() and not file.name.startswith(".")]
        return files + (list(self.local.iterdir()) if self.local.is_dir() else [])

    def _clear(self) -> None:
        for file in self._here():
            file.unlink()

    def _there(self, system: Any, path: str) -> dict[str, str]:
        """The output's files by their names as seen from its folder."""
        parent, name = path.rsplit("/", 1)
        found: dict[str, str] = {}
        if not system.exists(parent):
            return found
        for entry in system.ls(parent, detail=True):
            own = entry["name"].rstrip("/").rsplit("/", 1)[-1]
            if entry["type"] == "directory" and own == name:
                found |= {f"{name}/{file.rsplit('/', 1)[-1]}": file for file in system.ls(entry["name"], detail=False)}
            elif entry["type"] != "directory" and (own == name or own.startswith(f"{name}.")):
                found[own] = entry["name"]
        return found


def _facts(file: Path) -> tuple[int, int]:
    facts = file.stat()
    return facts.st_size, facts.st_mtime_ns


def _reached(state: Path) -> int:
    """The frames up to a saved state; -1 where there is none."""
    try:
        with state.open("rb") as file:
            return _index(file.read(8 + 4096))
    except (OSError, ValueError, KeyError):
        return -1


def _reached_there(system: Any, path: str) -> int:
    try:
        with system.open(path, "rb") as file:
            return _index(file.read(8 + 4096))
    except (OSError, ValueError, KeyError):
        return -1


def _index(head: bytes) -> int:
    """From the head of a safetensors file."""
    length = int.from_bytes(head[:8], "little")
    return int(json.loads(head[8 : 8 + length])["__metadata__"]["index"])
