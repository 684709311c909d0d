"""Lanes and the service over them, with workers that only pretend; and the children that answer questions."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.app.errors import AppError, Fault, LimitError, ModelRefused, NotFound, QueueFull, RequestError
from workbench.app.lanes import Lane
from workbench.app.limits import Limits
from workbench.app.options import Options
from workbench.app.process import Answering, Child, ChildEnded
from workbench.app.request import Request
from workbench.app.service import RESTARTS, Service
from workbench.app.status import Status
from workbench.app.values import Device, Plan, Probe
from workbench.errors import DeviceError, InputError, SettingsError
from workbench.pipeline.settings import Settings

PATIENCE = 30.0  # seconds until a test gives up waiting for a thread


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


class Pretender:
    """A worker whose job ends when the test lets it, with the state and exit code the test wants."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.order: dict[str, Any] | None = None
        self.let_go = threading.Event()
        self.state: str | None = "done"
        self.code = 0
        self.dead = False

    def run(self, order: dict[str, Any]) -> int:
        if self.dead:
            raise ChildEnded("it had ended")
        self.order = order
        status = Path(order["job"]) / "status.json" if "job" in order else None
        if status is not None:
            Status.read(status).but(state="running").write(status)
        assert self.let_go.wait(PATIENCE)
        if status is not None and self.state is not None:
            Status.read(status).but(state=self.state).write(status)
        return self.code

    def release(self) -> None:
        self.state = "interrupted" if self.state else None
        self.let_go.set()

    def kill(self) -> None:
        self.code, self.state = -9, None
        self.let_go.set()


class Stable:
    """Starts pretenders and remembers them."""

    def __init__(self) -> None:
        self.workers: list[Pretender] = []

    def __call__(self, device: str = "cpu") -> Pretender:
        self.workers.append(Pretender(device))
        return self.workers[-1]

    @property
    def busy(self) -> list[Pretender]:
        return [worker for worker in self.workers if worker.order is not None and not worker.let_go.is_set()]


@pytest.fixture
def stable() -> Stable:
    return Stable()


@pytest.fixture
def ended() -> list[tuple[str, int | None]]:
    return []


@pytest.fixture
def lane(stable, ended) -> Iterator[Lane]:
    lane = Lane(
        stable, order=lambda t: {"token": t}, ended=lambda t, code: ended.append((t, code)), waiting=2, warm=True
    )
    yield lane
    for worker in stable.workers:
        worker.let_go.set()
    lane.close()


def test_jobs_run_one_after_another_each_in_a_worker_of_its_own(lane, stable, ended):
    for token in "abc":
        lane.put(token)
    until(lambda: stable.busy)
    assert [lane.position(token) for token in "abc"] == [None, 1, 2]
    assert lane.runs("a")
    stable.busy[0].let_go.set()
    until(lambda: lane.runs("b") and stable.busy)
    assert [lane.position(token) for token in "abc"] == [None, None, 1]
    for _ in "bc":
        until(lambda: stable.busy)
        stable.busy[0].let_go.set()
        until(lambda: not stable.busy or stable.busy[0].order is not None)
    until(lambda: len(ended) == 3)
    assert ended == [("a", 0), ("b", 0), ("c", 0)]
    assert [worker.order["token"] for worker in stable.workers if worker.order] == ["a", "b", "c"]


def test_a_worker_is_warm_before_there_is_a_job(lane, stable):
    until(lambda: len(stable.workers) == 1)
    lane.put("a")
    until(lambda: stable.busy)
    assert len(stable.workers) == 1


def test_the_queue_is_bounded(lane, stable):
    lane.put("a")
    until(lambda: stable.busy)
    lane.put("b")
    lane.put("c")
    with pytest.raises(QueueFull, match="2 jobs wait already"):
        lane.put("d")
    lane.put("d", force=True)
    assert lane.position("d") == 3
    assert lane.take_back("b")
    assert not lane.take_back("b")
    assert lane.position("c") == 1


def test_a_worker_that_ended_while_it_waited_is_replaced(lane, stable, ended):
    until(lambda: stable.workers)
    stable.workers[0].dead = True
    lane.put("a")
    until(lambda: stable.busy)
    stable.busy[0].let_go.set()
    until(lambda: ended)
    assert ended == [("a", 0)]


def test_a_job_that_cannot_be_begun_does_not_hold_up_the_next(stable, ended):
    def order(token: str) -> dict[str, Any]:
        if token == "lost":
            raise NotFound("its folder is gone")
        return {"token": token}

    lane = Lane(stable, order=order, ended=lambda t, code: ended.append((t, code)), waiting=2)
    lane.put("lost")
    lane.put("next")
    until(lambda: stable.busy)
    stable.busy[0].let_go.set()
    until(lambda: len(ended) == 2)
    assert ended == [("lost", None), ("next", 0)]
    lane.close()


def test_closing_lets_the_running_job_end_its_frame_and_starts_no_other(lane, stable, ended):
    lane.put("a")
    lane.put("b")
    until(lambda: stable.busy)
    lane.close()
    assert [token for token, _ in ended] == ["a"]
    assert not [worker for worker in stable.workers if worker.order == {"token": "b"}]


# The service over pretenders


DEVICES = (("cuda:0", ("auto", "fp32", "fp16")), ("cpu", ("auto", "fp32", "bf16")))


class Looks:
    """A planner that knows everything at once."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.facts: dict[str, Any] = {"width": 64, "height": 48, "frames": 10, "fps": 10.0, "seconds": 1.0}
        self.fits = True

    def ask(self, word: str, *, timeout: float, **question: Any) -> Any:
        self.asked.append(word)
        if word == "probe" and "broken" in self.facts:
            raise InputError(f"{question['path']} is no video")
        return {
            "hello": {"devices": [Device(name=name, label=name, dtypes=dtypes).to_dict() for name, dtypes in DEVICES]},
            "probe": self.facts,
            "plan": Plan(frames=10, fits=self.fits, text="needs 9 GB of memory, 4 are free").to_dict(),
        }[word]

    def close(self) -> None:
        self.asked.append("close")


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def start(tmp_path, stable, looks) -> Iterator[Callable[..., Service]]:
    """Starts a service on the same data; the one before is closed first, or else killed (``kill=True``)."""
    services: list[Service] = []

    def make(**options: Any) -> Service:
        values = {"limits": Limits(waiting=2), **options}
        service = Service(Options(data=tmp_path / "data", **values), planner=lambda: looks, worker=stable)
        services.append(service)
        return service

    yield make
    for service in services:
        for worker in stable.workers:
            worker.let_go.set()
        service.close()


@pytest.fixture
def clip(tmp_path) -> Path:
    (tmp_path / "clip.mp4").write_bytes(b"pictures")
    return tmp_path / "clip.mp4"


def asked(service: Service, clip: Path, **changes: Any) -> Request:
    return Request(**{"kind": "upscale", "source": service.add_material([clip], "my clip.mp4"), **changes})


def test_a_job_goes_from_waiting_to_done(start, stable, clip):
    service = start()
    first = service.submit(asked(service, clip, settings=Settings(steps=2)))
    until(lambda: stable.busy)
    second = service.submit(asked(service, clip))
    assert service.status(first).state == "running"
    assert service.status(first).settings["steps"] == 2
    status = service.status(second)
    assert (status.state, status.position) == ("waiting", 1)
    stable.busy[0].let_go.set()
    until(lambda: service.status(first).state == "done")
    until(lambda: service.status(second).state == "running" and stable.busy)
    order = stable.busy[0].order
    assert order["source"].endswith("source.mp4")
    assert order["others"] == []
    stable.busy[0].let_go.set()
    until(lambda: service.status(second).state == "done")


def test_devices_have_lanes_of_their_own_and_auto_is_the_first(start, stable, clip):
    service = start()
    for device in ("auto", "cuda", "cpu"):
        service.submit(asked(service, clip, device=device))
    until(lambda: len(stable.busy) == 2)
    assert sorted(worker.device for worker in stable.busy) == ["cpu", "cuda:0"]
    with pytest.raises(DeviceError, match="'mps' is not there; this machine has: cuda:0, cpu"):
        service.submit(asked(service, clip, device="mps"))


def test_two_gpus_serve_two_jobs_that_leave_the_device_open(start, stable, clip, monkeypatch):
    both = ("cuda:1", ("auto", "fp32", "fp16"))
    monkeypatch.setattr("tests.app.test_lanes.DEVICES", (DEVICES[0], both, DEVICES[1]))
    service = start()
    tokens = [service.submit(asked(service, clip)) for _ in range(4)]
    until(lambda: len(stable.busy) == 2)
    assert sorted(worker.device for worker in stable.busy) == ["cuda:0", "cuda:1"]
    assert [service.store.request(token).device for token in tokens] == ["cuda:0", "cuda:1"] * 2


def test_a_full_queue_refuses_and_leaves_no_job_behind(start, stable, clip):
    service = start()
    service.submit(asked(service, clip))
    until(lambda: stable.busy)
    for _ in range(2):
        service.submit(asked(service, clip))
    with pytest.raises(QueueFull):
        service.submit(asked(service, clip))
    assert len(list(service.store.jobs())) == 3


def test_what_cannot_fit_or_is_too_large_is_refused(start, looks, clip):
    service = start(limits=Limits(frames=8, megabytes=1))
    with pytest.raises(LimitError, match="10 frames are more than the 8"):
        service.submit(asked(service, clip))
    request = asked(service, clip, frames=8)
    looks.fits = False
    with pytest.raises(LimitError, match="4 are free"):
        service.submit(request)
    clip.write_bytes(b"x" * 1_000_001)
    with pytest.raises(LimitError, match="takes up to 1 MB"):
        service.add_material([clip], "large.mp4")
    clip.write_bytes(b"x")
    with pytest.raises(LimitError, match="9 pictures"):
        service.add_material([clip.rename(clip.with_suffix(".png"))] * 9, "many")


def test_an_upload_is_looked_at_once_and_called_by_its_owners_name(start, looks, clip):
    service = start()
    token = service.add_material([clip], "my clip.mp4")
    assert service.probe(token) == service.probe(token) == Probe.from_dict(looks.facts)
    assert looks.asked.count("probe") == 1
    looks.facts["broken"] = True
    with pytest.raises(InputError, match=r"^my clip\.mp4 is no video"):
        service.probe(service.add_material([clip], "my clip.mp4"))


def test_only_models_on_the_list_are_run(start, clip, tmp_path, monkeypatch):
    service = start(model="our/model", models=("our/model", ""))
    for model in ("someone/else", "/etc", "../model"):
        with pytest.raises(ModelRefused, match="is not on this server's list: our/model, the embedded one"):
            service.submit(asked(service, clip, model=model))
    service.submit(asked(service, clip, model="our/model"))
    service.close()
    service = start(any_model=True)
    service.submit(asked(service, clip, model="someone/else"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a" / "folder").mkdir(parents=True)
    for model in ("a/folder", "/etc/passwd", "~/model", "a/../b", "https://a/b", "a/b/c"):
        with pytest.raises(ModelRefused, match="no hub id"):
            service.submit(asked(service, clip, model=model))


def test_stop_takes_a_waiting_job_back_and_asks_a_running_one(start, stable, clip):
    service = start()
    first = service.submit(asked(service, clip))
    until(lambda: stable.busy)
    second = service.submit(asked(service, clip))
    assert service.stop(second).state == "stopped"
    assert service.stop(first).message == "stopping after this frame"
    assert service.store.stop_flag(first).exists()
    stable.busy[0].state = "stopped"
    stable.busy[0].let_go.set()
    until(lambda: service.status(first).state == "stopped")
    assert len([worker for worker in stable.workers if worker.order]) == 1
    for token in (first, second):
        service.resume(token)
    until(lambda: stable.busy)
    assert not service.store.stop_flag(first).exists()
    with pytest.raises(RequestError, match="only one that stopped, failed or was interrupted"):
        service.resume(first)


@pytest.mark.parametrize(
    ("code", "said"), [(-9, "memory ran out"), (-11, "signal 11"), (1, "exit code 1"), (0, "without a result")]
)
def test_a_worker_that_breaks_down_fails_its_job_only(start, stable, clip, code, said):
    service = start()
    first, second = (service.submit(asked(service, clip)) for _ in range(2))
    until(lambda: stable.busy)
    stable.busy[0].code, stable.busy[0].state = code, None
    stable.busy[0].let_go.set()
    until(lambda: service.status(first).final)
    status = service.status(first)
    assert status.state == "failed"
    assert said in str(status.error)
    until(lambda: service.status(second).state == "running")


def test_closing_interrupts_and_the_next_server_goes_on(start, stable, clip):
    service = start()
    first, second = (service.submit(asked(service, clip)) for _ in range(2))
    until(lambda: stable.busy)
    service.close()
    assert service.status(first).state == "interrupted"
    assert service.status(second).state == "waiting"
    service = start()
    until(lambda: stable.busy)
    assert service.status(first).state == "running"
    until(lambda: service.status(second).position == 1)


def killed(service: Service) -> None:
    """Leaves the data as ``kill -9`` would: nothing is settled, only the system lets go of the lock."""
    service._own.release()


def test_a_job_that_ends_its_server_again_and_again_is_left_alone_until_it_is_resumed(start, stable, clip):
    service = start()
    token = service.submit(asked(service, clip))
    until(lambda: stable.busy)
    for k in range(RESTARTS):
        killed(service)
        service = start()
        until(lambda begun=k + 2: len(stable.busy) == begun)
    killed(service)
    service = start()
    until(lambda: service.status(token).state == "interrupted")
    assert f"ended {RESTARTS} times" in service.status(token).message
    service.resume(token)
    until(lambda: service.status(token).state == "running")


def test_a_job_that_was_to_stop_when_the_server_ended_does_not_go_on(start, stable, clip):
    service = start()
    token = service.submit(asked(service, clip))
    until(lambda: stable.busy)
    service.stop(token)
    killed(service)
    service = start()
    until(lambda: service.status(token).state == "stopped")


def test_two_servers_do_not_share_a_folder(start):
    start()
    with pytest.raises(AppError, match="another server uses"):
        start()


def test_jobs_and_uploads_are_deleted_in_time(start, stable, clip):
    service = start()
    token = service.submit(asked(service, clip))
    until(lambda: stable.busy)
    stable.busy[0].let_go.set()
    until(lambda: service.status(token).state == "done")
    service.close()
    status = service.status(token)
    status.but(updated=status.updated - 25 * 3600).write(service.store.folder(token) / "status.json")
    upload = service.material(service.request(token).source).path.parent
    os.utime(upload, (status.created - 25 * 3600,) * 2)
    service = start()
    until(lambda: not upload.exists())
    with pytest.raises(NotFound):
        service.status(token)


# Children


@pytest.fixture
def answering() -> Iterator[Answering]:
    answering = Answering(lambda: Child("tests.answering"))
    yield answering
    answering.close()


def test_a_child_answers_one_question_after_another(answering):
    first, second = (answering.ask("echo", timeout=30, text=text) for text in ("a", "ü\n{}"))
    assert (first["text"], second["text"]) == ("a", "ü\n{}")
    assert first["pid"] == second["pid"] != os.getpid()
    with pytest.raises(SettingsError, match="too dark"):
        answering.ask("refuse", timeout=30)


@pytest.mark.parametrize(("word", "said"), [("crash", "exit code -11"), ("hang", "no answer within 0.2 seconds")])
def test_a_child_that_breaks_down_or_hangs_is_replaced(answering, word, said):
    before = answering.ask("echo", timeout=30)["pid"]
    patience = 0.2 if word == "hang" else 30
    with pytest.raises(InputError, match=f"{said}.*may be damaged"):
        answering.ask(word, timeout=patience, path="holiday.mp4")
    answering.ask("echo", timeout=30)
    with pytest.raises(Fault, match=f"a fault of the workbench: .*{said}"):
        answering.ask(word, timeout=patience)
    after = answering.ask("echo", timeout=30)["pid"]
    assert after != before
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)


def test_an_error_of_ours_is_never_blamed_on_the_file(answering):
    for word, said in (("err", "KeyError"), ("end", "exit code 1")):
        with pytest.raises(Fault, match=said) as told:
            answering.ask(word, timeout=30, path="holiday.mp4")
        assert "damaged" not in str(told.value)


def test_a_child_ends_with_its_standard_input():
    child = Child("tests.answering")
    child.tell({"do": "echo"})
    assert "ok" in child.hear(30)
    child.release()
    assert child.wait(30) == 0
    with pytest.raises(ChildEnded):
        child.tell({"do": "echo"})
