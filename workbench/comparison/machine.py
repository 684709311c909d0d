"""Where a comparison was made: enough to judge its timings and to repeat it."""

from __future__ import annotations

import platform
from importlib import metadata

from workbench._version import __version__
from workbench.devices import machine, processor

__all__ = ["machine", "processor", "versions"]

PACKAGES = ("torch", "diffusers", "numpy", "opencv-python-headless", "piq", "av", "imageio-ffmpeg")


def versions() -> dict[str, str]:
    """Of this project, Python, and the packages that numbers can depend on."""
    found = {"workbench": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "missing"
    return found
