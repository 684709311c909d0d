"""What pages and the API call: uploads in, jobs in and out. Thread-safe, without torch, without decoding anything."""

from __future__ import annotations

import json
import logging
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from workbench.app.errors import AppError, LimitError, ModelRefused, NotFound, QueueFull, RequestError
from workbench.app.kinds import KINDS
from workbench.app.lanes import Lane
from workbench.app.names import sentence, told
from workbench.app.options import Options
from workbench.app.process import Answering, Child
from workbench.app.request import Request
from workbench.app.status import RESUMABLE, Status, why_ended
from workbench.app.store import PICTURES, Material, Store
from workbench.app.values import Device, Plan, Probe
from workbench.app.worker import Order, worker_of
from workbench.batch.crews import best
from workbench.batch.runner import Crew
from workbench.errors import DeviceError, WorkbenchError
from workbench.pixels import SCALE

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
RESTARTS = 3  # a job that took the server down with it so often is not begun again unasked
SPARE = 500_000_000  # bytes of disk an upload leaves free
PROBE_SECONDS, PLAN_SECONDS = 30.0, 120.0
SWEEP_EVERY = 600.0
log = logging.getLogger(__name__)


class Asks(Protocol):
    """The planner, as the service sees it."""

    def ask(self, word: str, *, timeout: float, **question: Any) -> Any: ...
    def close(self) -> None: ...


class Service:
    """Uploads, jobs and their queue. Every method may be called from any thread.

    All raise AppError's kinds with a message for the person: RequestError, NotFound, LimitError, ModelRefused,
    QueueFull. ``planner`` starts what looks at uploads, and ``crew`` gives a device's worker; tests give their own.
    """

    def __init__(
        self,
        options: Options,
        *,
        planner: Callable[[], Asks] | None = None,
        crew: Callable[[str], Crew] | None = None,
    ) -> None:
        self.options = options
        self.store = Store(options.data)
        self._own = FileLock(self.store.root / "server.lock", blocking=False)
        try:
            self._own.acquire()
        except Timeout:
            raise AppError(
                f"another server uses {self.store.root}. Give this one a folder of its own: --data FOLDER."
            ) from None
        self._crew = crew or (lambda device: worker_of(device, options.model))
        self._planner = planner() if planner else _planner(self.store.root)
        self._lanes: dict[str, Lane] = {}
        self._lock = threading.RLock()
        self._devices: list[Device] = []
        self._closing = threading.Event()
        self._left = self.store.unfinished()  # by an earlier server, and not taken up yet
        threading.Thread(target=self._begin, name="begins", daemon=True).start()
        threading.Thread(target=self._sweep, name="sweeps", daemon=True).start()

    # uploads

    def add_material(self, files: Sequence[Path], name: str, called: Sequence[str] | None = None) -> str:
        """Copies an upload into the store -> its token.

        Several files are the frames of one clip, in the order given. ``name``: what the person calls the clip, and
        ``called``: each of its files (None: their own names); for display only. Raises LimitError for what is too
        large, RequestError for a kind of file that is not taken.
        """
        size = sum(file.stat().st_size for file in files)
        self.options.limits.check_size(size)
        if len(files) > self.options.limits.frames:
            raise LimitError(f"{len(files)} pictures are more than the {self.options.limits.frames} this server takes.")
        if shutil.disk_usage(self.store.root).free < 2 * size + SPARE:
            raise LimitError("this server's disk is nearly full. Try again later, when old jobs have been deleted.")
        return self.store.add_material(files, name, called)

    def material(self, token: str) -> Material:
        """An upload; NotFound when it is not there (any more)."""
        return self.store.material(token)

    def probe(self, material: str) -> Probe:
        """What an upload is, looked at in a child, once only.

        Raises InputError for a file that is no clip, LimitError for one beyond the limits.
        """
        path = self.store.material(material).path
        facts = self.store.facts(material)
        if facts is None:
            poster = str(self.store.picture(material, "poster"))
            with _told_of(path):
                facts = Probe.from_dict(
                    self._planner.ask("probe", timeout=PROBE_SECONDS, path=str(path), poster=poster)
                )
            facts = facts.but(notes=tuple(told(note, [path]) for note in facts.notes))
            self.store.remember(material, facts)
        self.options.limits.check_frame(facts)
        return facts

    def picture(self, material: str, name: str) -> Path:
        """A small picture of an upload, made when it is first asked for. ``name``: ``poster`` or ``strip``."""
        if name not in PICTURES:
            raise NotFound("an upload has no such picture.")
        made = self.store.picture(material, name)
        if not made.is_file():
            self.probe(material)  # which makes the poster
        if not made.is_file() and name == "strip":
            path = self.store.material(material).path
            with _told_of(path):
                self._planner.ask("strip", timeout=PROBE_SECONDS, path=str(path), strip=str(made))
        if not made.is_file():
            raise NotFound("this upload has no picture that could be decoded.")
        return made

    # jobs

    def plan(self, request: Request) -> Plan:
        """What the job will take, before it starts. Refuses what is not allowed, and what could only fail."""
        self._check(request)
        paths = self._materials(request)
        asked = json.loads(self._placed(request).to_json())
        with _told_of(*map(Path, filter(None, (paths["source"], *paths["others"])))):
            return Plan.from_dict(self._planner.ask("plan", timeout=PLAN_SECONDS, request=asked, **paths))

    def devices(self) -> list[Device]:
        """What jobs can ask for, the preferred first."""
        if not self._devices:
            found = self._planner.ask("hello", timeout=PROBE_SECONDS)["devices"]
            self._devices = [Device.from_dict(about) for about in found]
        return self._devices

    def check_device(self, device: str, dtype: str, engine: str) -> None:
        """Raises DeviceError for a precision or an engine that a device does not have, with those that it has."""
        found = next(known for known in self.devices() if known.name == self._device(device))
        for wanted, there in ((dtype, found.dtypes), (engine, found.engines)):
            if wanted not in there:
                raise DeviceError(f"{found.label} has no {wanted}: choose {' or '.join(there)}.")

    def submit(self, request: Request) -> str:
        """Puts a job in its device's queue -> its token. Refuses what cannot fit or is not allowed."""
        self._check(request)
        if KINDS[request.kind].planned and not (plan := self.plan(request)).fits:
            raise LimitError(plan.text)
        request = self._placed(request)
        lane = self._lane(request.device)
        token = self.store.add_job(request)
        try:
            lane.put(token)
        except QueueFull:
            self.store.remove_job(token)
            raise
        return token

    def check_model(self, model: str) -> None:
        """Raises ModelRefused for one that is not given here."""
        options = self.options
        if model in (*options.models, options.model):
            return
        if not options.any_model:
            allowed = ", ".join(name or "the embedded one (empty)" for name in options.models)
            raise ModelRefused(
                f"the model {model!r} is not on this server's list: {allowed}; --allow-any-model allows more."
            )
        if not HUB_ID.fullmatch(model) or Path(model).exists():
            raise ModelRefused(f"{model!r} is no hub id of the form owner/name.")

    def status(self, token: str) -> Status:
        """How a job stands, its queue position included."""
        if token in self._left:
            return self.store.status(token).but(state="waiting", message="the server has started again")
        lane = self._lane_of(token)
        status = self.store.status(token)
        if lane is None or status.final:
            return status
        position = lane.position(token)
        if position is not None:
            return status.but(state="waiting", position=position)
        if status.state == "waiting":
            return status.but(state="running", message="starting")
        if self.store.stop_flag(token).exists():
            return status.but(message="stopping after this frame")
        return status

    def holds_up(self, token: str) -> bool:
        """Whether a job runs while others wait for its device."""
        lane = self._lane_of(token)
        return lane is not None and lane.runs(token) and lane.load > 1

    def request(self, token: str) -> Request:
        """What was asked."""
        return self.store.request(token)

    def public_file(self, token: str, name: str) -> Path:
        """A file that may be seen; NotFound for every other name."""
        return self.store.public_file(token, name)

    def stop(self, token: str) -> Status:
        """A waiting job leaves the queue; a running one ends after its frame, and what it made stays playable."""
        with self._lock:
            lane = self._lane_of(token)
            if lane is not None and lane.take_back(token):
                return self.store.say(token, state="stopped", message="")
            if token in self._left or not self.store.status(token).final:
                self.store.stop_flag(token).touch()
        return self.status(token)

    def resume(self, token: str) -> Status:
        """A stopped, failed or interrupted job joins the queue again, and goes on where it was."""
        request = self.store.request(token)
        self._materials(request)
        lane = self._lane(request.device)
        with self._lock:
            before = self.store.status(token)
            if not before.resumable:
                raise RequestError("going on would end the same way: start a new job with what its message says.")
            if before.state not in RESUMABLE or token in self._left or lane.position(token) is not None:
                raise RequestError(
                    f"this job is {before.state}; only one that stopped, failed or was interrupted resumes."
                )
            self.store.forget_past(token)
            self.store.say(token, state="waiting", error=None, message="")
            try:
                lane.put(token)
            except QueueFull:
                self.store.say(token, state=before.state, error=before.error, message=before.message)
                raise
        return self.status(token)

    def close(self) -> None:
        """Ends workers and planner; running jobs become ``interrupted`` and go on when the server starts again."""
        if self._closing.is_set():
            return
        self._closing.set()
        for lane in list(self._lanes.values()):
            lane.close()
        self._planner.close()
        self._own.release()

    # inside

    def _check(self, request: Request) -> None:
        """Refuses a model that is not allowed and a clip beyond the limits."""
        self.check_model(request.model)
        self.check_device(request.device, request.dtype, request.engine)
        if request.source is not None:
            width, height = self.probe(request.source).size
            request.size.of((width // SCALE, height // SCALE) if request.truth else (width, height))
        for token in filter(None, (request.source, *request.materials)):
            self.options.limits.check_clip(self.probe(token), request.start, request.frames)

    def _materials(self, request: Request) -> dict[str, Any]:
        """Where the uploads of a request are; raises NotFound when one is gone."""
        source = None if request.source is None else str(self.store.material(request.source).path)
        return {"source": source, "others": [str(self.store.material(token).path) for token in request.materials]}

    def _order(self, token: str) -> Order:
        paths = self._materials(self.store.request(token))
        source = paths["source"] and Path(paths["source"])
        return Order(self.store.folder(token), source, tuple(map(Path, paths["others"])))

    def _lane(self, device: str) -> Lane:
        """The lane of a device by any of its names; raises DeviceError for one that is not there."""
        name = self._device(device)
        with self._lock:
            if self._closing.is_set():
                raise AppError("the server is ending; try again in a moment.")
            if name not in self._lanes:
                self._lanes[name] = Lane(
                    self._crew(name),
                    work=self._order,
                    ended=self._ended,
                    waiting=self.options.limits.waiting,
                    warm=name == self._device("auto"),
                )
            return self._lanes[name]

    def _placed(self, request: Request) -> Request:
        """The request with its device's own name: ``auto`` means this server's --device, and where that is ``auto``
        too, the GPU with the fewest jobs."""
        return replace(request, device=self._freest() if request.device == "auto" else self._device(request.device))

    def _freest(self) -> str:
        if self.options.device != "auto":
            return self._device("auto")
        among = best([found.name for found in self.devices()])
        return min(among, key=lambda name: self._lanes[name].load if name in self._lanes else 0)

    def _device(self, name: str) -> str:
        """A device's own name; raises DeviceError for one that is not there."""
        names = [found.name for found in self.devices()]
        wanted = self.options.device if name == "auto" else name
        found = names[0] if wanted == "auto" else "cuda:0" if wanted == "cuda" else wanted
        if found not in names:
            raise DeviceError(f"device {found!r} is not there; this machine has: {', '.join(names)}. Choose 'auto'.")
        return found

    def _lane_of(self, token: str) -> Lane | None:
        """Where a job waits or runs."""
        lanes = list(self._lanes.values())
        return next((lane for lane in lanes if lane.runs(token) or lane.position(token) is not None), None)

    def _ended(self, token: str, why: str | None) -> None:
        """Gives a job a final state where its worker could not."""
        with self._lock:
            lane = self._lane_of(token)
            if self.store.status(token).final or (lane is not None and lane.position(token) is not None):
                return  # or it was resumed already
            if self._closing.is_set():
                self.store.say(token, state="interrupted", message="the server was ended", seconds_left=None)
            else:
                self.store.say(
                    token,
                    state="failed",
                    error=sentence(why_ended(why, self.store.request(token).kind)),
                    message="",
                    seconds_left=None,
                )

    def _begin(self) -> None:
        """Makes the first lane, whose worker gets warm, and goes on with what an earlier server left."""
        try:
            self._lane("auto")
        except WorkbenchError as error:
            log.error("no device is ready: %s", error)
        while self._left:
            token = self._left[0]
            try:
                self._take_up(token)
            except NotFound:
                log.warning("job %s was deleted before it could go on", token)
            except (WorkbenchError, OSError) as error:
                self.store.say(token, state="failed", error=sentence(str(error)), message="")
            self._left.pop(0)

    def _take_up(self, token: str) -> None:
        """A job that an earlier server left: it waits again, unless it was to stop or ended its server too often."""
        if self.store.stop_flag(token).exists():
            self.store.say(token, state="stopped", message="")
        elif self.store.restarts(token, add=self.store.status(token).state == "running") > RESTARTS:
            message = f"the server ended {RESTARTS} times during this job; resume it if you want to try again"
            self.store.say(token, state="interrupted", message=message)
        else:
            lane = self._lane(self.store.request(token).device)
            self.store.say(token, state="waiting", message="")
            lane.put(token, force=True)

    def _sweep(self) -> None:
        keep = self.options.keep_hours * 3600
        while True:
            try:
                self.store.sweep(keep)
            except OSError:
                log.exception("sweeping failed")
            if self._closing.wait(min(SWEEP_EVERY, keep / 4)):
                return


def _planner(root: Path) -> Answering:
    planner = Answering(lambda: Child("workbench.app.planner_process", "--data", str(root)))
    planner.warm()
    return planner


@contextmanager
def _told_of(*materials: Path) -> Iterator[None]:
    """Refusals call the files as their owner does."""
    try:
        yield
    except WorkbenchError as error:
        raise type(error)(told(str(error), materials)) from None
