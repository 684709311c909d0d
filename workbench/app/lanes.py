"""One queue for each device: its jobs run one after another, each in a worker of its own."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from workbench.app.errors import QueueFull
from workbench.app.process import Child, ChildEnded

CLOSING = 10.0  # seconds a running job has to end its frame when the server ends
log = logging.getLogger(__name__)


class Worker(Protocol):
    """What does one job and is gone."""

    def run(self, order: dict[str, Any]) -> int:
        """Does the job -> the exit code (negative: the signal that ended it). Raises ChildEnded if it had ended."""
        ...

    def release(self) -> None:
        """It is to end after the frame at hand."""
        ...

    def kill(self) -> None: ...


class WorkerProcess(Child):
    """``python -m workbench.app.worker``: loads the model while nothing is to be done yet."""

    def __init__(self, *, device: str, model: str) -> None:
        super().__init__("workbench.app.worker", "--device", device, "--model", model)

    def run(self, order: dict[str, Any]) -> int:
        self.tell(order)
        return self.wait()


class Lane:
    """The jobs of one device. ``order``: token -> what a worker is told. ``ended``: called with a job's exit code.

    ``warm``: keep a worker waiting that has its model loaded. ``waiting``: how many jobs may wait beside the one that
    runs.
    """

    def __init__(
        self,
        start: Callable[[], Worker],
        *,
        order: Callable[[str], dict[str, Any]],
        ended: Callable[[str, int | None], object],
        waiting: int,
        warm: bool = False,
    ) -> None:
        self._start, self._order, self._ended = start, order, ended
        self._limit, self._warm = waiting, warm
        self._queue: deque[str] = deque()
        self._changed = threading.Condition()
        self._running: str | None = None
        self._worker: Worker | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="lane", daemon=True)
        self._thread.start()

    def put(self, token: str, *, force: bool = False) -> None:
        """Raises QueueFull, unless ``force``: a job that waited before the server was started again waits on."""
        with self._changed:
            if not force and len(self._queue) + (self._running is not None) > self._limit:
                raise QueueFull(
                    f"{len(self._queue)} jobs wait already, which is as many as this server lets wait. "
                    f"Try again when one has ended."
                )
            self._queue.append(token)
            self._changed.notify()

    @property
    def load(self) -> int:
        """How many jobs wait or run."""
        with self._changed:
            return len(self._queue) + (self._running is not None)

    def position(self, token: str) -> int | None:
        """How many jobs go before this one; None for one that does not wait here."""
        with self._changed:
            if token not in self._queue:
                return None
            return self._queue.index(token) + (self._running is not None)

    def runs(self, token: str) -> bool:
        return self._running == token

    def take_back(self, token: str) -> bool:
        """A job that still waits leaves the queue; False when it does not wait (any more)."""
        with self._changed:
            if token not in self._queue:
                return False
            self._queue.remove(token)
            return True

    def close(self) -> None:
        """The running job ends after its frame, or is killed when that takes too long; the queue is left as it is."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        worker = self._worker
        if worker is not None:
            worker.release() if self._running else worker.kill()
        self._thread.join(CLOSING)
        worker = self._worker
        if self._thread.is_alive() and worker is not None:
            worker.kill()
            self._thread.join(CLOSING)

    def _loop(self) -> None:
        while not self._closed:
            self._worker = self._started() if self._warm else None
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if self._closed:
                    break
                token = self._running = self._queue.popleft()
            code = None
            with _next_job_runs_whatever_happens(token):
                code = self._run(token)
            with _next_job_runs_whatever_happens(token):
                self._ended(token, code)
            self._worker = self._running = None
        if self._worker is not None:
            self._worker.kill()

    def _run(self, token: str) -> int:
        order = self._order(token)
        if self._worker is not None:
            try:
                return self._worker.run(order)
            except ChildEnded:  # while it waited; the next one tells
                log.warning("a waiting worker had ended; another one is started")
        self._worker = self._start()
        return self._worker.run(order)

    def _started(self) -> Worker | None:
        with contextlib.suppress(OSError):  # too little memory for a process now; the job will say so
            return self._start()


@contextlib.contextmanager
def _next_job_runs_whatever_happens(token: str) -> Iterator[None]:
    try:
        yield
    except Exception:
        log.exception("job %s could not be run", token)
