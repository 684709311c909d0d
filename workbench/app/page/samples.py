"""Clips that a person can try at once: those beside the source, where the app runs from its repository."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def samples() -> dict[str, Path]:
    """Name -> file, low resolution; empty where the package was installed without them."""
    folder = Path(str(files("workbench"))).parent / "samples"
    return {path.stem.rsplit("-", 1)[0]: path for path in sorted(folder.glob("*-320x180.mp4"))}
