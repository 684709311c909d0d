"""Where a comparison was made: enough to judge its timings and to repeat it."""

from __future__ import annotations

import platform
from importlib import metadata

import psutil
import torch

from workbench._version import __version__

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


def machine() -> dict[str, str]:
    """System, processor, memory, threads and accelerator."""
    about = {
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor(),
        "cores": f"{psutil.cpu_count(logical=False) or '?'} ({torch.get_num_threads()} threads used)",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
    }
    if torch.cuda.is_available():
        about["accelerator"] = torch.cuda.get_device_name()
    elif torch.backends.mps.is_available():
        about["accelerator"] = "Apple GPU (MPS)"
    return about


def processor() -> str:
    """The processor's name as its maker gives it, where the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
