"""``workbench info``: what is here, or how a result was made."""

from __future__ import annotations

import argparse
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from workbench._version import __version__

LIBRARIES = (
    "torch", "torchvision", "diffusers", "transformers", "huggingface_hub", "safetensors", "av", "gradio", "numpy",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "result", type=Path, nargs="?",
        help="a video, .png or folder that the workbench wrote, or its .json: tells how it was made",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    found = information() if args.result is None else how_made(args.result)
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    for section, values in found.items():
        print(section)
        for name, value in values.items():
            print(f"  {name:18} {value}")
    return 0


def how_made(result: Path) -> dict[str, dict[str, Any]]:
    """What a result says of itself. Raises InputError where it says nothing."""
    from workbench.video.mark import about_result

    about = about_result(result.expanduser())
    made = {name: about[name] for name in ("source", "frames", "size", "finished") if name in about}
    return {"made of": made, "settings": about["settings"], "model": about.get("model", {})}


def information() -> dict[str, dict[str, Any]]:
    """Devices, versions and models, ready to be printed or kept beside a result."""
    import torch

    from workbench.devices import available_devices
    from workbench.models.hub import models_in_reach

    return {
        "devices": {name: _describe(name) for name in available_devices()},
        "versions": {"workbench": __version__, "python": platform.python_version()}
        | {name: _version(name) for name in LIBRARIES},
        "models": models_in_reach(),
        "machine": {"system": platform.platform(), "threads": torch.get_num_threads()},
    }


def _describe(device: str) -> str:
    import torch

    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(device)
        return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
