"""The order of clips: longest first by the planner's count, which one worker makes while the others are at work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from workbench.batch._processes import do
from workbench.batch.clips import Task
from workbench.batch.order import COUNTED, Count, run_clips
from workbench.batch.runner import Job, Tell
from workbench.batch.upscaling import Orders, UpscaleClip
from workbench.pipeline.memory import flop_per_frame
from workbench.pipeline.settings import Settings

ONE = Settings(steps=1)


@dataclass(frozen=True)
class Nothing(UpscaleClip):
    def __call__(self, pipe: Any, tell: Tell) -> dict[str, Any]:
        return {}


class Here:
    """One worker, in this process."""

    def __init__(self, pipe: Any) -> None:
        self.places, self.pipe = ["cpu"], pipe
        self.done: list[str] = []

    def start(self, place: str) -> list[Job]:
        return []

    def give(self, inner: list[Job], job: Job) -> None:
        inner.append(job)

    def wait(self, inners: Sequence[list[Job]], seconds: float) -> list[tuple[Any, str, Any]]:
        job = inners[0].pop()
        self.done.append(job.name)
        return [(inners[0], *do(job.work, self.pipe, lambda value: None))]

    def close(self, *, kindly: bool) -> None: ...


def jobs(**clips: tuple[tuple[int, int], int]) -> list[Job]:
    tasks = [Task(name, f"out/{name}", None, size, frames) for name, (size, frames) in clips.items()]
    return [Job(task.name, Nothing(task, Orders(ONE)), task.weight) for task in tasks]


def test_the_longest_is_the_one_of_most_operations(tiny_pipe: Any) -> None:
    crew = Here(tiny_pipe)
    clips = jobs(unknown=((0, 0), 0), plain=((24, 32), 20), padded=((25, 33), 19))  # 15,360 and 15,675 pixels
    clips[1].weight += 1000
    news = list(run_clips(crew, clips))
    assert crew.done == ["operations of a frame", "padded", "plain", "unknown"]
    assert [one.job.name for one in news if one.job] == crew.done[1:]
    assert clips[1].weight == 20 * flop_per_frame(tiny_pipe, (24, 32), ONE)
    assert clips[2].weight == 19 * flop_per_frame(tiny_pipe, (25, 33), ONE)


def test_clips_of_one_size_need_no_count(tiny_pipe: Any) -> None:
    crew = Here(tiny_pipe)
    list(run_clips(crew, jobs(short=((24, 32), 2), long=((24, 32), 9))))
    assert crew.done == ["long", "short"]


def test_of_many_sizes_a_few_are_counted(tiny_pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr("workbench.pipeline.memory.flop_per_frame", lambda pipe, size, settings: asked.append(size))
    Count(tuple((k, k) for k in range(8, 108)), ONE)(tiny_pipe, lambda value: None)
    assert len(asked) == COUNTED
    assert (asked[0], asked[-1]) == ((8, 8), (107, 107))
