"""One queue for each device: its jobs run one after another, each in a worker of its own."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from workbench.app.errors import QueueFull
from workbench.batch.runner import Crew, Job, Work, run_jobs

CLOSING = 30.0  # seconds until a lane is given up; its crew ends a worker much sooner
log = logging.getLogger(__name__)


class Lane:
    """The jobs of one device. ``crew``: its one worker; it begins anew for each job, so that none has another's memory.

    ``work``: token -> what a worker is to do. ``ended``: called with a job's token and why its worker ended without a
    word, where it did: None for a job that could not begin. ``warm``: keep a worker waiting that has its model loaded.
    ``waiting``: how many jobs may wait beside the one that runs.
    """

    def __init__(
        self,
        crew: Crew,
        *,
        work: Callable[[str], Work],
        ended: Callable[[str, str | None], object],
        waiting: int,
        warm: bool = False,
    ) -> None:
        self._crew, self._work, self._ended = crew, work, ended
        self._limit, self._warm = waiting, warm
        self._queue: deque[str] = deque()
        self._changed = threading.Condition()
        self._running: str | None = None
        self._ready: list[Any] = []
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
        self._thread.join(CLOSING)

    def _loop(self) -> None:
        while not self._closed:
            if self._warm and not self._ready:
                self._begin()
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if self._closed:
                    break
                token = self._running = self._queue.popleft()
            why = None
            with _next_job_runs_whatever_happens(token):
                why = self._run(token)
            with _next_job_runs_whatever_happens(token):
                self._ended(token, why)
            self._running = None
        self._crew.close(kindly=False)

    def _begin(self) -> None:
        with contextlib.suppress(OSError, EOFError):  # too little memory for a process now; the job will say so
            self._ready = [self._crew.start(place) for place in self._crew.places]

    def _run(self, token: str) -> str:
        """-> why it ended without a word, where it did."""
        why = "without a result"
        job = Job(token, self._work(token))
        started, self._ready = self._ready, []
        with contextlib.closing(run_jobs(self._crew, [job], tries=1, started=started)) as news:
            for one in news:
                if one.kind == "failed":
                    why = one.value
                if self._closed:
                    break
        return why


@contextlib.contextmanager
def _next_job_runs_whatever_happens(token: str) -> Iterator[None]:
    try:
        yield
    except Exception:
        log.exception("job %s could not be run", token)
