"""Messages that call files as the person does: no path of this server, no name that the store gave."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

_NAMES_A_FILE = re.compile(r"[^.:!?]*\.\w{2,5}\b")  # before its first stop: such a message may begin with the name


def names_of(material: Path) -> tuple[str, list[str]]:
    """What an upload is called, and each of its files, from ``material.json`` beside it."""
    try:
        about = json.loads((material.parent / "material.json").read_text(encoding="utf-8"))
        return str(about["name"]), [str(name) for name in about["files"]]
    except (OSError, ValueError, KeyError):
        return material.name, [material.name]


def told(text: str, materials: Iterable[Path]) -> str:
    """A message about uploads (a file, or a folder of frames) in the names that their owner gave."""
    called: dict[str, str] = {}
    for material in materials:
        name, files = names_of(material)
        called[str(material)] = name
        stored = sorted(material.iterdir()) if material.is_dir() else [material]
        for file, own in zip(stored, files, strict=False):
            called |= {str(file): own, file.name: called.get(file.name, own)}
    known = "|".join(re.escape(path) for path in sorted(called, key=len, reverse=True))
    return re.sub(known, lambda found: called[found[0]], text) if known else text


def sentence(text: str) -> str:
    """With a capital letter, unless it may begin with the name of a file, which is written as it is."""
    return text if _NAMES_A_FILE.match(text) else text[:1].upper() + text[1:]
