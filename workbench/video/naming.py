"""What results are called: by the clip's name, and so that two clips never get one result."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Named:
    """A clip's name in its parts, such as ``holiday`` and ``.mov``."""

    stem: str
    suffix: str
    ending: str
    """of its result: ".mp4", ".mkv", ".png", or "" for a folder"""


def result_names(clips: Sequence[Named], mark: str = "") -> list[str]:
    """A name for each: by its stem, by stem and suffix where the stem does not tell them apart, else with a number."""
    plain = Counter(_key(f"{clip.stem}{mark}{clip.ending}") for clip in clips)
    names: list[str] = []
    taken: set[str] = set()
    for clip in clips:
        alone = plain[_key(f"{clip.stem}{mark}{clip.ending}")] == 1
        apart = "" if alone else f"_{clip.suffix[1:]}" if clip.suffix else ""
        number = 1
        while _key(name := f"{clip.stem}{apart}{mark}{clip.ending}") in taken:
            number += 1
            apart = f"_{clip.suffix[1:]}{number}"
        names.append(name)
        taken.add(_key(name))
    return names


def _key(name: str) -> str:
    """Equal for names that one of the common file systems takes for the same."""
    return unicodedata.normalize("NFC", name).casefold()
