"""Workers that are Ray actors, of this machine or of a cluster, one for each device. Needs the extra ``cluster``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from workbench import errors
from workbench.batch._processes import do
from workbench.batch.runner import Job
from workbench.errors import DeviceError, WorkbenchError
from workbench.startup import own_process

LOCAL = "local"
ASKED_EVERY = 0.25  # seconds between two questions for a worker's progress; what was not told dies with it
QUESTIONS = 100  # a second, of all workers together
_PACKAGE = Path(errors.__file__).parent


@dataclass(eq=False)
class _Worker:
    actor: Any
    ready: Any
    """What tells that it has loaded; None once it has."""
    place: str
    job: Any = None
    heard: int = 0
    """How much of its job's news we know."""
    asked: float = 0.0
    question: Any = None
    """What will tell how its job stands; None where that was not asked since the last answer."""


class Actor:
    """What runs on the other side; Ray makes an actor of it. One thread works, another one answers."""

    def __init__(self, device: str, load: Callable[[str], Any], imports: Sequence[str]) -> None:
        self._load, self._device, self._imports = load, device, imports
        self._kept: Any = None
        self._news: tuple[int, Any] = (0, None)

    def ready(self) -> WorkbenchError | None:
        own_process()
        try:
            for name in self._imports:
                import_module(name)
            self._kept = self._load(self._device)
        except WorkbenchError as error:
            return error
        return None

    def do(self, work: Callable[..., Any]) -> tuple[str, Any]:
        self._news = (0, None)
        return do(work, self._kept, self._tell)

    def _tell(self, value: Any) -> None:
        self._news = (self._news[0] + 1, value)

    def news(self) -> tuple[int, Any]:
        """How often the job told something, and what the last one was."""
        return self._news


class RayCrew:
    """``places``: devices, counted and not named: Ray chooses which. ``load``: device -> what a worker keeps.

    ``imports``: modules that a worker has before its first job.
    """

    def __init__(self, places: Sequence[str], load: Callable[[str], Any], imports: Sequence[str] = ()) -> None:
        import ray
        import ray.exceptions

        self._ray: Any = ray
        self.places = list(places)
        self._load, self._imports = load, tuple(imports)
        cpus = int(ray.cluster_resources().get("CPU", 1))
        of_cpu = sum(place == "cpu" for place in places)
        self._cpus = max(1, cpus // max(1, of_cpu))
        self._asked_every = max(ASKED_EVERY, len(self.places) / QUESTIONS)
        self._workers: list[_Worker] = []

    @property
    def actors(self) -> list[Any]:
        return [worker.actor for worker in self._workers]

    def start(self, place: str) -> _Worker:
        resources = {"num_cpus": self._cpus} if place == "cpu" else {"num_gpus": 1}
        remote = self._ray.remote(Actor).options(max_concurrency=2, **resources)
        actor = remote.remote("cpu" if place == "cpu" else "cuda:0", self._load, self._imports)
        worker = _Worker(actor, actor.ready.remote(), place)
        self._workers.append(worker)
        return worker

    def give(self, inner: _Worker, job: Job) -> None:
        inner.heard, inner.question = 0, None
        inner.job = job.work

    def wait(self, inners: Sequence[_Worker], seconds: float) -> list[tuple[_Worker, str, Any]]:
        news: list[tuple[_Worker, str, Any]] = []
        for worker in inners:
            if worker.ready is None and callable(worker.job):
                news += self._begin(worker)
        refs = {self._ref(worker): worker for worker in inners if self._ref(worker) is not None}
        if not refs:
            time.sleep(0 if news else seconds)
            return news
        found, _ = self._ray.wait(list(refs), num_returns=1, timeout=0 if news else min(seconds, self._asked_every))
        for ref in found:
            news += self._came(refs[ref], ref)
        ended = {worker for worker, *_ in news}
        for worker in inners:
            if worker.ready is None and worker.job is not None and not callable(worker.job) and worker not in ended:
                news += self._asked(worker)
        return news

    def close(self, *, kindly: bool) -> None:
        """Ends them at once either way: what is made is on disk frame by frame."""
        for worker in self._workers:
            self._ray.kill(worker.actor)
        self._workers.clear()

    @staticmethod
    def _ref(worker: _Worker) -> Any:
        return worker.ready or (None if callable(worker.job) else worker.job)

    def _begin(self, worker: _Worker) -> list[tuple[_Worker, str, Any]]:
        worker.job = worker.actor.do.remote(worker.job)
        worker.asked = time.monotonic()
        return [(worker, "begun", None)]

    def _came(self, worker: _Worker, ref: Any) -> list[tuple[_Worker, str, Any]]:
        try:
            value = self._ray.get(ref)
        except self._ray.exceptions.RayActorError as error:
            self._workers.remove(worker)
            return [(worker, "died", _short(error))]
        if worker.ready is not None:
            worker.ready = None
            return [] if value is None else [(worker, "unable", value)]
        worker.job = None
        return [(worker, *value)]

    def _asked(self, worker: _Worker) -> list[tuple[_Worker, str, Any]]:
        """The answer to the last question, where it is there; and the next question in its time."""
        if worker.question is None:
            if time.monotonic() - worker.asked > self._asked_every:
                worker.asked, worker.question = time.monotonic(), worker.actor.news.remote()
            return []
        if not self._ray.wait([worker.question], timeout=0)[0]:
            return []
        question, worker.question = worker.question, None
        try:
            count, value = self._ray.get(question)
        except self._ray.exceptions.RayActorError:
            return []  # its job's result tells of a death
        if count == worker.heard:
            return []
        worker.heard = count
        return [(worker, "told", value)]


def connect(address: str) -> None:
    """Joins a Ray cluster, or begins one of this machine (``local``). Raises DeviceError where that fails."""
    try:
        import ray
    except ImportError as error:
        raise DeviceError("--ray needs Ray: pip install 'stream-diffvsr-workbench[cluster]'.") from error
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet = {"log_to_driver": False, "logging_level": "error", "configure_logging": True}
    try:
        if address == LOCAL:
            ray.init(address=LOCAL, include_dashboard=False, **quiet)
        else:  # workers elsewhere get this very code; what it needs is installed there
            ray.init(address=address, runtime_env={"py_modules": [str(_PACKAGE)]}, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise DeviceError(
            f"no Ray cluster at {address!r} ({_short(error)}); start one, or give --ray local."
        ) from error


def devices_there() -> list[str]:
    """The GPUs of the cluster; without any, a CPU worker for each machine."""
    import ray

    gpus = int(ray.cluster_resources().get("GPU", 0))
    return ["cuda"] * gpus or ["cpu"] * max(1, sum(node["Alive"] for node in ray.nodes()))


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
