"""Work of any kind over the workers: a benchmark's clips, a comparison's columns, a study's scenes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.batch.crews import AUTO, crew
from workbench.batch.runner import Job, Tell, run_jobs
from workbench.errors import InputError


@dataclass(frozen=True)
class Spread:
    """Called with works, each a function of a pipeline that can be pickled: yields what they return, in their order.

    Raises InputError that names every work that failed, once the others are done.
    """

    load: Callable[[str], Any]
    """device -> what the works are called with"""
    devices: str = AUTO
    """as ``crew`` takes it"""
    ray: str | None = None
    """as ``crew`` takes it"""
    say: Callable[[str], object] = lambda words: None

    def __call__(self, works: Sequence[Callable[[Any], Any]]) -> Iterator[Any]:
        jobs = [Job(str(getattr(work, "name", place)), _Quiet(work)) for place, work in enumerate(works)]
        done: dict[int, Any] = {}
        failed = []
        for news in run_jobs(crew(self.load, devices=self.devices, ray=self.ray), jobs):
            if news.job is not None and news.kind == "done":
                done[id(news.job)] = news.value
                self.say(f"[{len(done)}/{len(jobs)}] {news.job.name} ({news.place})")
            elif news.job is not None and news.kind in ("failed", "stopped"):
                failed.append(f"{news.job.name}: {news.value}".rstrip("."))
        if failed:
            raise InputError(f"{len(failed)} of {len(jobs)} failed: {'; '.join(failed)}")
        yield from (done[id(job)] for job in jobs)


@dataclass(frozen=True)
class _Quiet:
    work: Callable[[Any], Any]

    def __call__(self, kept: Any, tell: Tell) -> Any:
        return self.work(kept)
