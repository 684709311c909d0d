"""Workers for the app's tests that only pretend: their jobs end when and as the test wants."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from workbench.app.status import Status
from workbench.app.worker import Order
from workbench.batch.runner import Job

PATIENCE = 30.0  # seconds until a test gives up waiting for a thread


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


class Pretender:
    """A worker whose job ends when the test lets it: in ``state`` and with ``news``."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.job: Job | None = None
        self.begun = False
        self.let_go = threading.Event()
        self.state: str | None = "done"
        self.news: tuple[str, Any] = ("done", None)
        self.dead = False

    @property
    def order(self) -> Any:
        return None if self.job is None else self.job.work

    def say(self, state: str | None) -> None:
        if isinstance(self.order, Order) and state is not None:
            status = self.order.folder / "status.json"
            Status.read(status).but(state=state).write(status)

    def end(self, news: tuple[str, Any] | None = None, state: str | None = "done") -> None:
        self.news, self.state = news or self.news, state
        self.let_go.set()


class Stable:
    """Gives each device its crew of one, and remembers all workers."""

    def __init__(self) -> None:
        self.workers: list[Pretender] = []

    def __call__(self, device: str = "cpu") -> Crew:
        return Crew(device, self.workers)

    @property
    def busy(self) -> list[Pretender]:
        return [worker for worker in self.workers if worker.begun and not worker.let_go.is_set()]


class Crew:
    """Of one pretender at a time."""

    def __init__(self, device: str, all_workers: list[Pretender]) -> None:
        self.places = [device]
        self._all, self._mine = all_workers, list[Pretender]()

    def start(self, place: str) -> Pretender:
        worker = Pretender(place)
        self._all.append(worker)
        self._mine.append(worker)
        return worker

    def give(self, inner: Pretender, job: Job) -> None:
        inner.job = job

    def wait(self, inners: Sequence[Pretender], seconds: float) -> list[tuple[Pretender, str, Any]]:
        (worker,) = inners
        if worker.dead:
            return [(worker, "died", "signal 9, SIGKILL")]
        if not worker.begun:
            worker.say("running")
            worker.begun = True
            return [(worker, "begun", None)]
        if not worker.let_go.wait(min(seconds, 0.05)):
            return []
        worker.say(worker.state)
        return [(worker, *worker.news)]

    def close(self, *, kindly: bool) -> None:
        for worker in self._mine:
            if kindly and worker.begun and not worker.let_go.is_set():
                worker.say("interrupted")
            worker.let_go.set()
        self._mine.clear()
