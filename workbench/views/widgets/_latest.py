"""Work in a thread where only the newest request counts."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

Request = TypeVar("Request")


class Latest(Generic[Request]):
    """``work(request, stop)`` runs in a thread of its own, one at a time; a newer request sets the older's ``stop``.

    What was asked in between and not begun is forgotten. ``work`` must look at ``stop`` and must not raise.
    """

    def __init__(self, work: Callable[[Request, Event], None]) -> None:
        self._work = work
        self._lock = Lock()
        self._waiting: list[Request] = []
        self._stop = Event()
        self._thread: Thread | None = None

    def ask(self, request: Request) -> None:
        with self._lock:
            self._waiting = [request]
            self._stop.set()
            if self._thread is None:
                self._thread = Thread(target=self._run, name="ablate", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Stops what runs, as soon as it looks, and forgets what waits."""
        with self._lock:
            self._waiting = []
            self._stop.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Until nothing runs and nothing waits; False when that took longer than ``timeout`` seconds."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return self._thread is None

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                request = self._waiting.pop()
                stop = self._stop = Event()
            self._work(request, stop)
