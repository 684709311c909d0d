"""Workers that are processes of this machine, one for each device; each loads once and does many jobs."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection, wait
from typing import Any

from workbench.batch.runner import Job, Tell, Work
from workbench.errors import WorkbenchError

CLOSING = 10.0  # seconds that a worker has for its last frame
ORPHAN_ENDS = 600.0  # seconds that it has where its driver is gone; a frame that hangs must not stay
LONGEST_PATH = 64  # characters of the folder for temporary files: a socket lies in it, whose path has 104 at most
_ONE_AT_A_TIME = threading.Lock()  # to start a process is to ask how all others ended, which one thread can hear only


@dataclass(eq=False)
class _Worker:
    process: Any
    pipe: Any


class Processes:
    """``load``: place -> what a worker keeps; it can be pickled.

    ``threads``: of each worker's arithmetic on a CPU, where the libraries are not to choose. ``imports``: modules that
    a worker has before its first job. Where all places are the CPU, and the system can, they are imported once, and
    workers are split off; an accelerator's library is lost by that, and diffusers wakes it when it is imported.
    """

    def __init__(
        self, places: Sequence[str], load: Callable[[str], Any], *, threads: int | None, imports: Sequence[str] = ()
    ) -> None:
        self.places = list(places)
        self._load, self._threads = load, {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
        self._imports = tuple(imports)
        self._context: Any = multiprocessing.get_context("forkserver" if self._can_split() else "spawn")
        if self._context.get_start_method() == "forkserver":
            self._context.set_forkserver_preload(list(imports))
        self._workers: list[_Worker] = []
        atexit.register(self.close, kindly=False)

    def _can_split(self) -> bool:
        there = "forkserver" in multiprocessing.get_all_start_methods()
        return there and set(self.places) == {"cpu"} and len(tempfile.gettempdir()) <= LONGEST_PATH

    @property
    def pids(self) -> list[int]:
        return [worker.process.pid for worker in self._workers]

    def start(self, place: str) -> _Worker:
        ours, theirs = self._context.Pipe()
        words = (theirs, place, self._load, self._imports, {**self._threads, **os.environ})
        process = self._context.Process(target=serve, args=words)  # no daemon: its work may start processes
        with _ONE_AT_A_TIME:
            process.start()
        theirs.close()  # so that the pipe ends when the worker does
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def give(self, inner: _Worker, job: Job) -> None:
        with contextlib.suppress(OSError):  # it died, as ``wait`` will tell
            inner.pipe.send(job.work)

    def wait(self, inners: Sequence[_Worker], seconds: float) -> list[tuple[_Worker, str, Any]]:
        by_pipe = {worker.pipe: worker for worker in inners}
        news = []
        for pipe in wait(list(by_pipe), seconds):
            worker = by_pipe[pipe]  # type: ignore[index]
            try:
                news.append((worker, *worker.pipe.recv()))
            except (EOFError, OSError):
                with _ONE_AT_A_TIME:
                    worker.process.join()
                worker.pipe.close()
                self._workers.remove(worker)
                news.append((worker, "died", _reason(worker.process.exitcode)))
        return news

    def close(self, *, kindly: bool) -> None:
        for worker in self._workers:
            worker.pipe.close()  # its job ends when its next word does not reach us
        for worker in self._workers:
            if kindly:
                worker.process.join(CLOSING)
            worker.process.kill()
            worker.process.join()
        self._workers.clear()


def serve(
    pipe: Connection, place: str, load: Callable[[str], Any], imports: Sequence[str], environment: dict[str, str]
) -> None:
    """What a worker does until nobody listens. ``environment``: the driver's now, which may not be that of the process
    that it was split off from."""
    os.environ.clear()
    os.environ.update(environment)
    threads = environment.get("OMP_NUM_THREADS")
    if threads is not None and (torch := sys.modules.get("torch")) is not None:  # imported before the worker began
        torch.set_num_threads(int(threads.split(",")[0]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to answer: it closes the pipe
    threading.Thread(target=_end_after_driver, name="watches the driver", daemon=True).start()
    try:
        for name in imports:
            import_module(name)
        try:
            kept = load(place)
        except WorkbenchError as error:
            pipe.send(("unable", error))
            return
        while True:
            work = pipe.recv()
            pipe.send(("begun", None))
            pipe.send(do(work, kept, _teller(pipe)))
    except (EOFError, OSError, KeyboardInterrupt):
        return


def _end_after_driver() -> None:
    driver = multiprocessing.parent_process()
    assert driver is not None
    driver.join()
    time.sleep(ORPHAN_ENDS)
    os._exit(1)


def do(work: Work, kept: Any, tell: Tell) -> tuple[str, Any]:
    """Does a job, whatever happens to it -> ("done", value), ("failed", why) or ("stopped", None)."""
    try:
        return "done", work(kept, tell)
    except KeyboardInterrupt:
        return "stopped", None
    except WorkbenchError as error:
        return "failed", " ".join(str(error).split())
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        return "failed", f"{type(error).__name__}: {error}"


def _teller(pipe: Connection) -> Tell:
    def tell(value: Any) -> None:
        try:
            pipe.send(("told", value))
        except OSError:
            raise KeyboardInterrupt from None

    return tell


def _reason(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {-code}, {signal.Signals(-code).name}"
    return f"exit code {code}"
