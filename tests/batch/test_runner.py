"""Jobs over workers that die: each is done once, in order of length, and a bad one costs no other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.batch_jobs import Bad, Steps, dies, nothing, unable
from workbench.batch._processes import Processes
from workbench.batch.crews import parse
from workbench.batch.runner import Job, run_jobs
from workbench.errors import DeviceError, ModelError


def numbers(file: Path) -> list[str]:
    return [word for word in file.read_text().split() if word != "x"]


def test_the_longest_goes_first_and_workers_do_many(tmp_path: Path) -> None:
    jobs = [Job(str(k), Steps(tmp_path / str(k)), weight=k % 3) for k in range(6)]
    news = list(run_jobs(Processes(["cpu"], nothing, threads=1), jobs))
    begun = [n.job.name for n in news if n.kind == "begun" and n.job]
    assert begun == ["2", "5", "1", "4", "0", "3"]
    ended = [n.value for n in news if n.kind == "done"]
    assert {place for place, _ in ended} == {"cpu"}
    assert len({pid for _, pid in ended}) == 1 != os.getpid()
    assert [n.value for n in news if n.kind == "told" and n.job is jobs[0]] == [1, 2, 3]


def test_deaths_cost_nothing_as_long_as_a_job_gets_on(tmp_path: Path) -> None:
    jobs = [Job("hard", Steps(tmp_path / "hard", 6, deaths=(0, 1, 2, 4, 5)), 9)]
    jobs += [Job(str(k), Steps(tmp_path / str(k), 2, deaths=(k,))) for k in range(2)]
    news = list(run_jobs(Processes(["cpu", "cpu"], nothing, threads=1), jobs))
    assert sorted(n.job.name for n in news if n.kind == "done" and n.job) == ["0", "1", "hard"]
    assert not [n for n in news if n.kind == "failed"]
    assert [n.value for n in news if n.kind == "died"] == ["signal 11, SIGSEGV"] * 7
    assert numbers(tmp_path / "hard") == list("012345")


def test_a_job_that_always_kills_its_worker_is_given_up_and_the_others_are_done(tmp_path: Path) -> None:
    jobs = [Job("wall", Steps(tmp_path / "wall", walls=(1,)), 9), Job("fine", Steps(tmp_path / "fine"))]
    jobs += [Job(kind, Bad(kind)) for kind in ("input", "bug", "stop")]
    news = list(run_jobs(Processes(["cpu"], nothing, threads=1), jobs))
    ended = {n.job.name: (n.kind, n.value) for n in news if n.kind in ("done", "failed", "stopped") and n.job}
    assert ended["fine"][0] == "done"
    assert ended["wall"] == ("failed", "its worker died 5 times without getting on (signal 11, SIGSEGV)")
    assert ended["input"] == ("failed", "not a clip")
    assert ended["bug"] == ("failed", "ZeroDivisionError: a bug")
    assert ended["stop"] == ("stopped", None)


def test_workers_that_cannot_begin_end_the_batch(tmp_path: Path) -> None:
    jobs = [Job("a", Steps(tmp_path / "a"))]
    with pytest.raises(ModelError, match="no model for cpu"):
        list(run_jobs(Processes(["cpu"], unable, threads=1), jobs))
    with pytest.raises(DeviceError, match=r"5 in a row ended before their first clip \(signal 9, SIGKILL\)"):
        list(run_jobs(Processes(["cpu", "cpu"], dies, threads=1), jobs))
    assert not (tmp_path / "a").exists()


def test_workers_of_an_accelerator_are_never_split_off_from_another_process(tmp_path: Path) -> None:
    """Importing diffusers asks CUDA for its devices, and a process that was forked after that cannot use them."""
    assert Processes(["cpu", "cpu"], nothing, threads=1)._context.get_start_method() != "spawn"
    workers = Processes(["cuda:0"], nothing, threads=None, imports=("json",))
    assert workers._context.get_start_method() == "spawn"
    news = list(run_jobs(workers, [Job("a", Steps(tmp_path / "a"))]))
    assert [n.value[0] for n in news if n.kind == "done"] == ["cuda:0"]


def test_ending_early_stops_the_workers_at_their_next_word(tmp_path: Path) -> None:
    news = run_jobs(Processes(["cpu"], nothing, threads=1), [Job("long", Steps(tmp_path / "long", 10_000, pause=0.01))])
    for one in news:
        if one.kind == "told":
            break
    news.close()  # type: ignore[attr-defined]
    assert 0 < len(numbers(tmp_path / "long")) < 5_000


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("auto", []),
        ("0,1", ["cuda:0", "cuda:1"]),
        ("cuda:3, mps", ["cuda:3", "mps"]),
        ("gpu:2", ["cuda:0", "cuda:1"]),
        ("1,cpu:2", ["cuda:1", "cpu", "cpu"]),
    ],
)
def test_devices(text: str, places: list[str]) -> None:
    assert parse(text) == places


@pytest.mark.parametrize("text", ["", "gpu", "gpu:0", "cpu:0", "0,0", "cuda", "0;1", "-1"])
def test_impossible_devices_are_refused(text: str) -> None:
    with pytest.raises(DeviceError, match=r"--devices takes|named twice"):
        parse(text)
