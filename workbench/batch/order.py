"""Clips of a batch in the order of their time: the longest first, by the count that the planner's seconds come from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.batch.runner import Crew, Job, News, Tell, run_jobs
from workbench.batch.upscaling import UpscaleClip
from workbench.pipeline.settings import Settings

if TYPE_CHECKING:
    from workbench.pipeline.pipeline import Pipeline

COUNTED = 8  # sizes at most; a network's shapes take a tenth of a second or more for each


def run_clips(crew: Crew, jobs: Sequence[Job]) -> Iterator[News]:
    """``run_jobs`` for jobs that are ``UpscaleClip``, longest first.

    Clips of one size are ordered by their frames. Where sizes differ and clips have to wait, a worker counts first what
    a frame of each size takes (``flop_per_frame``), while the others begin with the clips of the most pixels; should
    that fail, this order stays.
    """
    counting = _counting(crew, jobs)
    with closing(run_jobs(crew, [*counting, *jobs])) as all_news:
        for news in all_news:
            if news.job not in counting:
                yield news
            elif news.kind == "done":
                _weigh(jobs, news.value)


def _counting(crew: Crew, jobs: Sequence[Job]) -> list[Job]:
    """The job of counting, where it can change the order."""
    sizes = {_clip(job).task.size for job in jobs if job.weight}
    if len(sizes) < 2 or len(jobs) <= len(crew.places):
        return []
    count = Count(tuple(sorted(sizes, key=math.prod)), _clip(jobs[0]).orders.settings)
    return [Job("operations of a frame", count, math.inf)]


def _weigh(jobs: Sequence[Job], counts: dict[tuple[int, int], int]) -> None:
    """Gives each clip what all its frames take; sizes that were not counted lie between those that were."""
    pixels = [math.prod(size) for size in counts]
    for job in jobs:
        if job.weight:
            task = _clip(job).task
            job.weight = task.frames * float(np.interp(math.prod(task.size), pixels, list(counts.values())))


def _clip(job: Job) -> UpscaleClip:
    assert isinstance(job.work, UpscaleClip)
    return job.work


@dataclass(frozen=True)
class Count:
    """Sizes (h, w) -> operations of one frame of each, or of a few among them that are spread evenly."""

    sizes: tuple[tuple[int, int], ...]
    """from the smallest to the largest"""
    settings: Settings

    def __call__(self, pipe: Pipeline, tell: Tell) -> dict[tuple[int, int], int]:
        from workbench.pipeline.memory import flop_per_frame

        places = np.linspace(0, len(self.sizes) - 1, min(COUNTED, len(self.sizes))).round().astype(int)
        return {self.sizes[k]: flop_per_frame(pipe, self.sizes[k], self.settings) for k in places}
