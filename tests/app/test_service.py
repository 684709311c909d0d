"""The service over workers that only pretend: queues, refusals, stops, ends and new beginnings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app_pretenders import until
from workbench.app.errors import AppError, LimitError, ModelRefused, NotFound, QueueFull, RequestError
from workbench.app.limits import Limits
from workbench.app.options import Options
from workbench.app.request import Request
from workbench.app.service import RESTARTS, Service
from workbench.app.values import Device, Plan, Probe
from workbench.errors import DeviceError, InputError
from workbench.pipeline.settings import Settings

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
        service = Service(Options(data=tmp_path / "data", **values), planner=lambda: looks, crew=stable)
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
    stable.busy[0].end()
    until(lambda: service.status(first).state == "done")
    until(lambda: service.status(second).state == "running" and stable.busy)
    order = stable.busy[0].order
    assert order.source.name == "source.mp4"
    assert order.others == ()
    stable.busy[0].end()
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
    monkeypatch.setattr("tests.app.test_service.DEVICES", (DEVICES[0], both, DEVICES[1]))
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
    stable.busy[0].end(state="stopped")
    until(lambda: service.status(first).state == "stopped")
    assert len([worker for worker in stable.workers if worker.order]) == 1
    for token in (first, second):
        service.resume(token)
    until(lambda: stable.busy)
    assert not service.store.stop_flag(first).exists()
    with pytest.raises(RequestError, match="only one that stopped, failed or was interrupted"):
        service.resume(first)


@pytest.mark.parametrize(
    ("news", "said"),
    [
        (("died", "signal 9, SIGKILL"), "memory ran out"),
        (("died", "signal 11, SIGSEGV"), "signal 11"),
        (("failed", "KeyError: 'kind'"), "KeyError"),
        (("done", None), "without a result"),
    ],
)
def test_a_worker_that_breaks_down_fails_its_job_only(start, stable, clip, news, said):
    service = start()
    first, second = (service.submit(asked(service, clip)) for _ in range(2))
    until(lambda: stable.busy)
    stable.busy[0].end(news, state=None)
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
    stable.busy[0].end()
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
