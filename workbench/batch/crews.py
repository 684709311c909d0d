"""Which workers there are: from ``--devices`` and ``--ray`` to a crew."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.batch._processes import Processes
from workbench.batch.runner import Crew
from workbench.errors import DeviceError

AUTO = "auto"
IMPORTS = ("workbench.pipeline.load", "workbench.video.write")  # what every clip needs
_PLACE = re.compile(r"(?:cuda:)?(?P<gpu>\d+)|gpu:(?P<gpus>[1-9]\d*)|(?P<cpu>cpu)(?::(?P<count>[1-9]\d*))?|(?P<mps>mps)")


@dataclass(frozen=True)
class Load:
    """What a worker begins with: the pipeline on its device."""

    model: str | None = None
    revision: str | None = None
    dtype: str = "auto"
    unet: str | None = None
    controlnet: str | None = None
    vae: str | None = None
    engine: str = "auto"

    def __call__(self, device: str) -> Any:
        from workbench.pipeline.load import load_pipeline

        return load_pipeline(
            self.model, device=device, dtype=self.dtype, revision=self.revision, unet=self.unet,
            controlnet=self.controlnet, vae=self.vae, engine=self.engine,
        )  # fmt: skip


def no_pipeline(device: str) -> None:
    """For works that need none."""


def crew(load: Callable[[str], Any], *, devices: str = AUTO, ray: str | None = None) -> Crew:
    """Workers on ``devices``: ``auto`` (every GPU, or else one worker on the CPU), or a list such as ``0,1`` or
    ``gpu:2`` (two GPUs), ``mps``, ``cpu:2`` (two workers that share the cores).

    ``ray``: None for processes of this machine, ``local``, or a cluster's address; there ``auto`` takes every GPU of
    the cluster, or else one worker for each machine, and numbers of GPUs are only counted. Raises DeviceError.
    """
    asked = parse(devices)
    if ray is not None:
        from workbench.batch._cluster import RayCrew, connect, devices_there

        connect(ray)
        return RayCrew(asked or devices_there(), load, IMPORTS)
    places = asked or _all_here()
    if asked and any(place != "cpu" for place in asked):
        _check(asked)
    return processes(places, load)


def processes(places: Sequence[str], load: Callable[[str], Any], imports: Sequence[str] = IMPORTS) -> Crew:
    """Workers on devices of this machine, by their own names; those on the CPU share its cores."""
    threads = None if len(places) == 1 else max(1, (os.cpu_count() or 1) // len(places))
    return Processes(places, load, threads=threads, imports=imports)


def parse(devices: str) -> list[str]:
    """``0,cpu:2`` -> ``["cuda:0", "cpu", "cpu"]``; empty for ``auto``. Raises DeviceError for what is no such list."""
    if devices.strip() == AUTO:
        return []
    places: list[str] = []
    for word in devices.split(","):
        match = _PLACE.fullmatch(word.strip())
        if match is None:
            raise DeviceError(f"--devices takes auto, or a list of GPU numbers, gpu:N, mps, cpu, cpu:N; got {word!r}.")
        if match["gpus"]:
            places += [f"cuda:{number}" for number in range(int(match["gpus"]))]
        elif match["cpu"]:
            places += ["cpu"] * int(match["count"] or 1)
        else:
            places.append(match["mps"] or f"cuda:{match['gpu']}")
    doubled = [place for place in places if place != "cpu" and places.count(place) > 1]
    if doubled:
        raise DeviceError(f"{doubled[0]} is named twice; one worker fills a GPU.")
    return places


def _all_here() -> list[str]:
    from workbench.devices import available_devices

    return best(available_devices())


def best(found: list[str]) -> list[str]:
    """What ``auto`` means, of the devices of a machine, the preferred one first: every GPU, or else the first."""
    return [name for name in found if name.startswith("cuda")] or found[:1]


def _check(places: list[str]) -> None:
    from workbench.devices import resolve_device

    for place in places:
        resolve_device(place)
