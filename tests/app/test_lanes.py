"""Lanes: one job after another on each device, whatever happens to a job or to its worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.app_pretenders import until
from tests.batch_jobs import Bad, Meet, nothing
from workbench.app.errors import NotFound, QueueFull
from workbench.app.lanes import Lane
from workbench.batch.crews import processes

DONE = "without a result"  # which only a service can see


def as_it_is(token: str) -> Any:
    return token


@pytest.fixture
def ended() -> list[tuple[str, str | None]]:
    return []


@pytest.fixture
def lane(stable, ended) -> Iterator[Lane]:
    lane = Lane(stable(), work=as_it_is, ended=lambda t, why: ended.append((t, why)), waiting=2, warm=True)
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
    stable.busy[0].end()
    until(lambda: lane.runs("b") and stable.busy)
    assert [lane.position(token) for token in "abc"] == [None, None, 1]
    for _ in "bc":
        until(lambda: stable.busy)
        stable.busy[0].end()
    until(lambda: len(ended) == 3)
    assert ended == [("a", DONE), ("b", DONE), ("c", DONE)]
    assert [worker.order for worker in stable.workers if worker.order] == ["a", "b", "c"]


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
    stable.busy[0].end()
    until(lambda: ended)
    assert ended == [("a", DONE)]


def test_a_job_that_cannot_be_begun_does_not_hold_up_the_next(stable, ended):
    def work(token: str) -> Any:
        if token == "lost":
            raise NotFound("its folder is gone")
        return token

    lane = Lane(stable(), work=work, ended=lambda t, why: ended.append((t, why)), waiting=2)
    lane.put("lost")
    lane.put("next")
    until(lambda: stable.busy)
    stable.busy[0].end()
    until(lambda: len(ended) == 2)
    assert ended == [("lost", None), ("next", DONE)]
    lane.close()


def test_closing_lets_the_running_job_end_its_frame_and_starts_no_other(lane, stable, ended):
    lane.put("a")
    lane.put("b")
    until(lambda: stable.busy)
    lane.close()
    assert [token for token, _ in ended] == ["a"]
    assert not [worker for worker in stable.workers if worker.order == "b"]


def test_two_devices_serve_two_jobs_at_once_in_processes_of_their_own(tmp_path, ended):
    one, two = tmp_path / "one", tmp_path / "two"
    works = {"one": Meet(one, two), "two": Meet(two, one), "bad": Bad("bug")}
    lanes = [
        Lane(
            processes(["cpu"], nothing, ()),
            work=works.__getitem__,
            ended=lambda t, why: ended.append((t, why)),
            waiting=2,
        )
        for _ in range(2)
    ]
    for lane, token in zip(lanes, ("one", "two"), strict=True):
        lane.put(token)
    until(lambda: len(ended) == 2)
    assert sorted(ended) == [("one", DONE), ("two", DONE)]
    lanes[0].put("bad")
    until(lambda: len(ended) == 3)
    assert ended[2] == ("bad", "ZeroDivisionError: a bug")
    for lane in lanes:
        lane.close()
