"""Looks at uploads and foresees jobs, in a process of its own: ``python -m workbench.app.planner --data FOLDER``.

One JSON object a line comes in and one goes out, in order:

    {"do": "hello"}                                         -> {"ok": {"devices": [...]}}
    {"do": "probe", "path": PATH}                           -> {"ok": {"width": ..., "height": ..., ...}}
    {"do": "plan", "request": {...}, "source": PATH, "other": PATH or null}
                                                            -> {"ok": {"frames": ..., "seconds": ..., ...}}
    anything that cannot be answered                        -> {"error": MESSAGE, "kind": "InputError"}

A file that crashes a decoder ends this process only; its parent starts another. The end of the input ends it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.app import zerogpu
from workbench.app.request import Request
from workbench.devices import DTYPES, available_devices
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.app.plan import Planner


def answer(planner: Planner, question: dict[str, Any]) -> dict[str, Any]:
    """One question -> its answer."""
    asked: dict[str, Callable[[], dict[str, Any]]] = {
        "hello": devices,
        "probe": lambda: probe(Path(question["path"])),
        "plan": lambda: planner.plan(
            Request.from_dict(question["request"]), *(_path(question.get(name)) for name in ("source", "other"))
        ),
    }
    try:
        return {"ok": asked[question["do"]]()}
    except WorkbenchError as error:
        return {"error": str(error), "kind": type(error).__name__}


def devices() -> dict[str, Any]:
    """What torch can use here, the preferred one first."""
    found = [{"name": name, "label": _label(name), "dtypes": ["auto", *DTYPES]} for name in available_devices()]
    return {"devices": found}


def probe(path: Path) -> dict[str, Any]:
    """Facts of an upload (a file, or a folder of frames), as ``Service.probe`` gives them; raises InputError."""
    from workbench.video import is_picture, open_clip

    clip = open_clip(path)
    span = clip.span
    return {
        "kind": "video" if path.is_file() and not is_picture(path) else "pictures",
        "width": clip.width,
        "height": clip.height,
        "frames": len(clip),
        "fps": clip.fps,
        "seconds": None if span is None else span[1] - span[0],
        "audio": None if clip.audio is None else str(clip.audio),
        "notes": list(clip.notes),
    }


def main(words: list[str] | None = None) -> None:
    """Answers until the input ends."""
    parser = argparse.ArgumentParser(description="Foresees jobs of the web app.")
    parser.add_argument("--data", type=Path, required=True, help="the store's root; measured speeds are kept there")
    args = parser.parse_args(words)
    zerogpu.prepare()

    from workbench.app.plan import Planner

    planner = Planner(args.data)
    threading.Thread(target=planner.warm_up, daemon=True).start()  # probes need not wait for it
    for line in sys.stdin:
        reply = answer(planner, json.loads(line))
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _label(name: str) -> str:
    if name.startswith("cuda"):
        import torch

        return f"{name} ({torch.cuda.get_device_name(name)})"
    return {"cpu": "CPU", "mps": "Apple GPU (MPS)"}[name]


if __name__ == "__main__":
    main()
    os._exit(0)  # torch aborts a Python that ends while a thread of it still measures
