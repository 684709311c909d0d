"""Looks at uploads and foresees jobs: ``python -m workbench.app.planner_process --data FOLDER``, a child of the server.

One JSON object a line comes in and one goes out, in order:

    {"do": "hello"}                                         -> {"ok": {"devices": [...]}}
    {"do": "probe", "path": PATH, "poster": PATH}           -> {"ok": {"width": ..., "height": ..., ...}}
    {"do": "strip", "path": PATH, "strip": PATH}            -> {"ok": {}}, and the picture is there
    {"do": "plan", "request": {...}, "source": PATH, "others": [PATH, ...]}
                                                            -> {"ok": {"frames": ..., "seconds": ..., ...}}
    anything that cannot be answered                        -> {"error": MESSAGE, "kind": "InputError"}

A file that crashes a decoder ends this process only; its parent starts another. The end of the input ends it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from workbench.app import zerogpu
from workbench.app.request import Request
from workbench.app.values import Device, Probe
from workbench.devices import available_devices, resolve_device, usable_dtypes
from workbench.engines.choose import engines_here
from workbench.engines.table import AUTO
from workbench.errors import InputError, SettingsError, WorkbenchError
from workbench.startup import own_process

if TYPE_CHECKING:
    from workbench.app.planner import Planner


def answer(planner: Planner, question: dict[str, Any]) -> dict[str, Any]:
    """One question -> its answer. An error of ours is told as one, and the process lives on."""
    asked: dict[str, Callable[[], dict[str, Any]]] = {
        "hello": devices,
        "probe": lambda: probe(Path(question["path"]), Path(question["poster"])).to_dict(),
        "strip": lambda: strip(Path(question["path"]), Path(question["strip"])),
        "plan": lambda: planner.plan(
            Request.from_dict(question["request"]), _path(question.get("source")), _paths(question.get("others"))
        ).to_dict(),
    }
    try:
        return {"ok": asked[question["do"]]()}
    except WorkbenchError as error:
        return {"error": str(error), "kind": type(error).__name__}
    except Exception as error:
        traceback.print_exc()  # to standard error, which is the server's log
        said = f"a fault of the workbench: {type(error).__name__}: {error}. The server's log has more."
        return {"error": said, "kind": "Fault"}


def devices() -> dict[str, Any]:
    """What torch can use here, the preferred one first."""
    found = [
        Device(
            name=name,
            label=_label(name),
            dtypes=("auto", *usable_dtypes(resolve_device(name))),
            engines=(AUTO, *(engine for engine, why in engines_here(resolve_device(name).type).items() if not why)),
        )
        for name in available_devices()
    ]
    return {"devices": [device.to_dict() for device in found]}


def strip(path: Path, to: Path) -> dict[str, Any]:
    """Writes small pictures along an upload's length; raises InputError."""
    from workbench.app.telling import write_strip
    from workbench.video import open_clip

    write_strip(open_clip(path), to)
    return {}


def probe(path: Path, poster: Path) -> Probe:
    """Facts of an upload (a file, or a folder of frames), whose telling frame is written as ``poster``.

    Raises InputError for what is no clip.
    """
    from workbench.app.telling import telling_frame, uneven_times, write_poster
    from workbench.video import is_picture, open_clip

    clip = open_clip(path)
    span = clip.span
    telling = telling_frame(clip)
    with contextlib.suppress(InputError):  # a clip whose frames cannot be decoded is told of by its job
        write_poster(clip, telling, poster)
    return Probe(
        kind="video" if path.is_file() and not is_picture(path) else "pictures",
        width=clip.width,
        height=clip.height,
        frames=len(clip),
        fps=clip.fps,
        seconds=None if span is None else span[1] - span[0],
        audio=None if clip.audio is None else str(clip.audio),
        times=uneven_times(clip),
        notes=clip.notes,
        made_with=_made_with(path),
        telling=telling,
        telling_at=0.0 if span is None else (clip.times or ())[telling] - span[0],
    )


def main(words: list[str] | None = None) -> None:
    """Answers until the input ends."""
    parser = argparse.ArgumentParser(description="Foresees jobs of the web app.")
    parser.add_argument("--data", type=Path, required=True, help="the store's root; measured speeds are kept there")
    args = parser.parse_args(words)
    zerogpu.prepare()

    from workbench.app.planner import Planner

    planner = Planner(args.data, start=time.time() - psutil.Process().create_time())
    threading.Thread(target=planner.warm_up, daemon=True).start()  # probes need not wait for it
    for line in sys.stdin:
        reply = answer(planner, json.loads(line))
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _paths(texts: list[str] | None) -> list[Path]:
    return [Path(text) for text in texts or ()]


def _made_with(path: Path) -> str:
    from workbench.pipeline.settings import Settings

    try:
        return Settings.from_file(path).to_json()
    except (InputError, SettingsError):  # no result of this workbench, or of another version
        return ""


def _label(name: str) -> str:
    if name.startswith("cuda"):
        import torch

        return f"{name} ({torch.cuda.get_device_name(name)})"
    return {"cpu": "CPU", "mps": "Apple GPU (MPS)"}[name]


if __name__ == "__main__":
    own_process()
    main()
    os._exit(0)  # torch aborts a Python that ends while a thread of it still measures
