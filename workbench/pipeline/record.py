"""The record beside an output: what it was begun from, so that a run goes on only with the same.

It is the sidecar ``clip.mp4.json``, which also tells a person how the output was made.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from workbench.engines.table import TORCH
from workbench.errors import OutputError
from workbench.files import partials, replacing
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.video import Clip
from workbench.video.files import companion, placed
from workbench.video.images import frame_files

_DIGITS = 16  # of a digest: enough to tell clips apart, short enough to be shown
_SAMPLE = 1 << 20  # bytes of a file's head, and of its tail, that are looked at


def sidecar_of(output: Path) -> Path:
    """``out.mp4`` -> ``out.mp4.json``."""
    return companion(output, ".json")


def state_of(output: Path) -> Path:
    """``out.mp4`` -> ``out.mp4.state.safetensors``: where an unfinished run goes on."""
    return companion(output, ".state.safetensors")


@dataclass(frozen=True)
class Record:
    """What is kept beside an output while it is made, and after."""

    run: str
    """the mark of all files of the output, from its first run on"""
    begun_from: dict[str, Any]
    """what ``begun_from`` gave"""
    frames: int
    finished: bool

    @classmethod
    def read(cls, output: Path) -> Record | None:
        """The record of an output; None where there is none.

        Raises OutputError where other files have the names of the record or the state: a run would replace them.
        """
        sidecar, state = sidecar_of(output), state_of(output)
        if os.path.lexists(sidecar):
            try:
                about = json.loads(sidecar.read_text(encoding="utf-8"))
                return cls(str(about["run"]), dict(about["begun_from"]), int(about["frames"]), bool(about["finished"]))
            except (OSError, ValueError, TypeError, KeyError):
                raise OutputError(f"{sidecar} {_IN_THE_WAY}") from None
        if os.path.lexists(state):
            raise OutputError(f"{state} {_IN_THE_WAY}")
        return None

    @property
    def settings(self) -> Settings:
        return Settings.from_dict(self.begun_from["settings"])

    @property
    def engine(self) -> str:
        """What ran the networks; records from before there were engines do not say."""
        return self.begun_from["model"].get("engine", TORCH)

    def check_same(self, output: Path, begun_from: Mapping[str, Any]) -> None:
        """Raises OutputError that names what differs from what the output was begun from, as far as the record tells.

        (The web app takes the source's path out of the record, which people can download.)
        """
        now = dict(_flat(begun_from))
        words = [
            f"{name} {now.get(name)!r} (was {then!r})" for name, then in _flat(self.begun_from) if now.get(name) != then
        ]
        if words:
            raise OutputError(
                f"{output} was begun from something else: {', '.join(words)}. Give the same to go on, choose another "
                "output, or start anew (overwrite)."
            )


_IN_THE_WAY = "is in the way: no run of this output wrote it. Choose another output, or move it away."


def begun_from(pipe: Pipeline, clip: Clip, settings: Settings, size: tuple[int, int], output: Path) -> dict[str, Any]:
    """All that decides over the frames of an output. ``size``: (width, height) of the output."""
    return {
        "source": describe_source(clip, output),
        "frames": [clip.indices.start, clip.indices.stop, clip.indices.step],
        "size": list(size),
        "settings": settings.to_dict(),
        "model": {
            "source": pipe.models.source,
            "revision": pipe.models.revision,
            "weights": pipe.models.fingerprint()[:_DIGITS],
            "dtype": str(pipe.models.unet.dtype),
            "engine": pipe.engine_at((clip.height, clip.width), settings).name,
        },
    }


def describe_source(clip: Clip, output: Path) -> dict[str, Any]:
    """Path (as seen from the output's folder, so that both can move), bytes, time, and a hash of head and tail.

    Of a folder: of all its frames together. Of frames in memory: a hash of the first and the last.
    """
    about: dict[str, Any] = {"frame_size": list(clip.size), "rate": str(clip.info.rate), "options": clip.info.options}
    if clip.path is None:
        in_memory = (
            b"".join(clip[place].image.tobytes() for place in (0, -1)) if clip.info.length and len(clip) else b""
        )
        return {
            "path": None,
            "name": clip.info.name,
            "sha256": hashlib.sha256(in_memory).hexdigest()[:_DIGITS],
            **about,
        }
    files = frame_files(clip.path)[0] if clip.path.is_dir() else [clip.path]
    facts = [file.stat() for file in files]
    digest = hashlib.sha256()
    for file, fact in zip(files, facts, strict=True):
        digest.update(f"{file.name} {fact.st_size} {fact.st_mtime_ns}\n".encode(errors="surrogateescape"))
    for file in dict.fromkeys((files[0], files[-1])):  # in this order, in every process
        digest.update(_head_and_tail(file))
    return {
        "path": _seen_from(output, clip.path),
        "bytes": sum(fact.st_size for fact in facts),
        "modified": datetime.fromtimestamp(max(fact.st_mtime_ns for fact in facts) / 1e9, timezone.utc).isoformat(),
        "sha256": digest.hexdigest()[:_DIGITS],
        **about,
    }


def write_record(output: Path, about: Mapping[str, Any]) -> None:
    """Writes the record whole or not at all. Only the run that holds the output writes it, so an unfinished one is
    left from a run that was killed."""
    for left in partials(sidecar_of(output)):
        left.unlink(missing_ok=True)
    with replacing(sidecar_of(output)) as unfinished:
        unfinished.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _head_and_tail(file: Path) -> bytes:
    with file.open("rb") as opened:
        head = opened.read(_SAMPLE)
        opened.seek(max(0, opened.seek(0, os.SEEK_END) - _SAMPLE))
        return head + opened.read(_SAMPLE)


def _seen_from(output: Path, source: Path) -> str:
    try:
        return Path(os.path.relpath(placed(source), placed(output).parent)).as_posix()
    except ValueError:  # another drive
        return placed(source).as_posix()


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """``{"source": {"path": "a"}}`` -> ``("source path", "a")``."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name} ")
        else:
            yield f"{above}{name}", value
