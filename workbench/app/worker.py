"""Does one job and ends: ``python -m workbench.app.worker --device DEVICE --model MODEL``.

It loads the model first, then waits for one line on standard input:
``{"job": FOLDER, "source": PATH, "others": [PATH]}``.
When standard input closes, the server is gone: it ends after the frame at hand, and the job can go on from there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from workbench.startup import own_process

if __name__ == "__main__":
    own_process()  # before the imports that it makes quick

from workbench.app import zerogpu
from workbench.app.kinds import KINDS
from workbench.app.names import sentence
from workbench.app.planner import Planner
from workbench.app.process import when_orphaned
from workbench.app.request import Request
from workbench.app.work.task import Task, Warm
from workbench.errors import InputError, SettingsError, WorkbenchError
from workbench.pipeline.load import load_pipeline

ORPHAN_ENDS = 600.0  # seconds the last frame may take once the server is gone; one that hangs must not stay


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Does one job of the web app.")
    parser.add_argument("--device", required=True)
    parser.add_argument("--model", required=True, help="'' is the embedded one")
    args = parser.parse_args(words)
    zerogpu.prepare()
    warm = load(args.model, args.device)
    for kind in KINDS.values():
        kind.function()  # imported while nothing is to be done yet
    print(json.dumps({"warm": warm is not None}), flush=True)
    line = sys.stdin.readline()
    if not line:
        return 0
    order = json.loads(line)
    gone = threading.Event()
    when_orphaned(lambda: _end_soon(gone))
    with FileLock(Path(order["job"]) / "lock"):  # an earlier server's worker may still be at its last frame
        zerogpu.on_gpu(lambda order: do(order, warm=warm, alone=gone.is_set), foreseen)(order)
    return 0


def foreseen(order: dict[str, Any]) -> float | None:
    """Seconds that the job of an ``order`` should take; None: unknown."""
    folder = Path(order["job"])
    request = Request.from_json((folder / "request.json").read_text(encoding="utf-8"))
    return Planner(folder.parent.parent).plan(request, _path(order["source"]), _paths(order)).seconds


def load(model: str, device: str) -> Warm | None:
    """The pipeline most jobs ask for; None where it cannot be had, which is the job's to tell."""
    try:
        return Warm(load_pipeline(model or None, device=device), model)
    except WorkbenchError as error:
        print(f"worker: {error}", file=sys.stderr)
        return None


def do(order: dict[str, Any], *, warm: Warm | None, alone: Callable[[], bool]) -> None:
    """Does the job in ``order`` and leaves its status final, whatever happens to it."""
    folder = Path(order["job"])
    task = Task(
        request=Request.from_json((folder / "request.json").read_text(encoding="utf-8")),
        folder=folder,
        source=_path(order["source"]),
        others=_paths(order),
        warm=warm,
        alone=alone,
    )
    task.say(state="running", position=None, error=None, message="starting")
    try:
        KINDS[task.request.kind].function()(task)
    except KeyboardInterrupt:
        end(task, "interrupted" if alone() else "stopped")
    except (InputError, SettingsError) as error:  # the same frames would end it again
        end(task, "failed", task.told(str(error)), resumable=False)
    except WorkbenchError as error:
        end(task, "failed", task.told(str(error)))
    except Exception as error:
        with (folder / "log").open("a", encoding="utf-8") as log:
            log.write(time.strftime("%Y-%m-%d %H:%M:%S\n") + traceback.format_exc())
        end(task, "failed", told_of_fault(task, error))
    else:
        end(task, "done")


def end(task: Task, state: str, error: str | None = None, *, resumable: bool = True) -> None:
    task.say(state=state, error=error and sentence(error), resumable=resumable, message="", seconds_left=None)


def told_of_fault(task: Task, error: Exception) -> str:
    """What went wrong that nobody foresaw, in the person's terms where it is a lack of memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return (
            f"memory ran out after {task.status.done} frames. Turn VAE slicing on, estimate the flow at input size, "
            f"or give a smaller clip; then resume."
        )
    if isinstance(error, OSError) and error.strerror:
        return task.told(f"a file could not be read or written: {error.strerror}.")
    return task.told(f"a fault of the workbench: {type(error).__name__}: {error}. The server's log has more.")


def _end_soon(gone: threading.Event) -> None:
    gone.set()
    time.sleep(ORPHAN_ENDS)
    os._exit(1)


def _paths(order: dict[str, Any]) -> list[Path]:
    return [Path(text) for text in order["others"]]


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


if __name__ == "__main__":
    ended_with = main()
    sys.stdout.flush()
    os._exit(ended_with)  # without taking torch down piece by piece: the next job waits for this
