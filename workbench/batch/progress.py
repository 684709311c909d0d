"""How a batch is told: lines and tables that a terminal and a log file show alike, and a summary beside the results."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from workbench.batch._storage import exists, identity, is_address, local_path, open_system
from workbench.batch.clips import Task
from workbench.batch.runner import Job, News
from workbench.files import replacing

TABLE_EVERY = 10.0  # seconds
SUMMARY = "batch"  # .json and .csv


@dataclass
class ClipRow:
    """One clip in the summary. ``state``: "waiting", "working", "done", "failed" or "stopped"."""

    source: str
    output: str
    state: str = "waiting"
    frames: int | None = None
    seconds: float | None = None
    place: str = ""
    error: str = ""
    notes: list[str] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    key: str = ""
    """Of a result at an address: what it follows from, the clip as its store knows it included."""


@dataclass
class _Working:
    place: str
    done: int = 0
    of: int | None = None
    first: int = 0
    """Frames that were there when it began."""
    since: float = field(default_factory=time.monotonic)

    @property
    def each(self) -> float | None:
        """Seconds a frame."""
        made = self.done - self.first
        return (time.monotonic() - self.since) / made if made > 0 else None

    @property
    def left(self) -> float | None:
        return None if self.each is None or self.of is None else self.each * (self.of - self.done)


class Progress:
    """Reads the news of a batch. ``say``: takes lines. ``orders``: all that the results follow from, beside the clips.

    What lies at an address is not brought here only to see that it is finished: the summary of the batch before tells.
    """

    def __init__(
        self, tasks: Sequence[Task], jobs: Sequence[Job], output: str, say: Callable[[str], object], orders: str = ""
    ) -> None:
        self.rows = [ClipRow(task.source, task.output, key=_key(task, orders)) for task in tasks]
        self._row = {id(job): row for job, row in zip(jobs, self.rows, strict=True)}
        self._jobs, self._output, self._say = jobs, output, say
        self._working: dict[int, _Working] = {}
        self._begun = self._told = time.monotonic()
        self._written = 0.0

    def left(self) -> list[Job]:
        """The jobs without those that the summary at the address calls done."""
        before = _summary(self._output)
        for row in self.rows:
            found = before.get(row.output)
            if row.key and found is not None and (found.key, found.state) == (row.key, "done") and exists(row.output):
                row.state, row.frames, row.metrics = "done", found.frames, found.metrics
                row.notes = ["it was finished before"]
                self._say(f"{self._count} {row.output}: {row.frames} frames: it was finished before")
        return [job for job, row in zip(self._jobs, self.rows, strict=True) if row.state != "done"]

    def hear(self, news: News) -> None:
        job = news.job
        if job is None:
            if self._working and time.monotonic() - self._told > TABLE_EVERY:
                self._told = time.monotonic()
                self._say(self.table())
            return
        row = self._row[id(job)]
        if news.kind == "begun":
            row.state, row.place = "working", news.place
            self._working[id(job)] = _Working(news.place)
        elif news.kind == "told":
            self._learn(self._working[id(job)], *news.value)
        elif news.kind == "died":
            row.state = "waiting"
            self._working.pop(id(job), None)
            self._say(f"{self._count} {row.source}: its worker on {news.place} died ({news.value})")
        else:
            self._working.pop(id(job), None)
            row.state = news.kind
            self._end(row, news.value)
            self.write()

    def _learn(self, working: _Working, done: int, of: int | None, seconds: float | None) -> None:
        if done and not working.done:
            working.first, working.since = done - 1, time.monotonic() - (seconds or 0.0)
        working.done, working.of = done, of

    def _end(self, row: ClipRow, value: Any) -> None:
        if row.state == "done":
            row.frames, row.seconds = value["frames"], value["seconds"]
            row.notes, row.metrics = value["notes"], value.get("metrics", {})
            told = "".join(f", {name} {mean:.4g}" for name, mean in row.metrics.items())
            self._say(
                f"{self._count} {row.output}: {row.frames} frames in {_clock(row.seconds or 0)} ({row.place}){told}"
            )
            for note in row.notes:
                self._say(f"  note: {note}")
        elif row.state == "failed":
            row.error = str(value)
            self._say(f"{self._count} {row.source}: FAILED: {row.error}")

    @property
    def _count(self) -> str:
        return f"[{sum(row.state in ('done', 'failed') for row in self.rows)}/{len(self.rows)}]"

    def table(self) -> str:
        """What is being worked at, and what is left."""
        heading = ("clip", "frames", "s/frame", "device", "left")
        lines = [heading, *(self._line(job) for job in self._jobs if id(job) in self._working)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(heading))]
        cells = ["  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)) for line in lines]
        left = self.seconds_left
        foretold = "" if left is None else f", about {_clock(left)} left"
        failed = sum(row.state == "failed" for row in self.rows)
        about = f"{time.strftime('%H:%M:%S')} {self._count} clips, {failed} failed{foretold}"
        return "\n".join([about, *(f"  {cell.rstrip()}" for cell in cells)])

    def _line(self, job: Job) -> tuple[str, ...]:
        working = self._working[id(job)]
        frames = f"{working.done}/{'?' if working.of is None else working.of}"
        each = "" if working.each is None else f"{working.each:.2f}"
        return job.name, frames, each, working.place, "" if working.left is None else _clock(working.left)

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the weights of what is done and of what is left; None before anything is done."""
        part = {"done": 1.0, "failed": 1.0}
        done = total = 0.0
        for job in self._jobs:
            weight = job.weight or 1.0
            total += weight
            working = self._working.get(id(job))
            if working is not None and working.of:
                done += weight * working.done / working.of
            else:
                done += weight * part.get(self._row[id(job)].state, 0.0)
        return (time.monotonic() - self._begun) * (total - done) / done if done else None

    def write(self, *, final: bool = False) -> None:
        """The summary beside the results, as JSON and CSV, at most once a second until the end."""
        if not final and time.monotonic() - self._written < 1.0:
            return
        self._written = time.monotonic()
        rows = [asdict(row) for row in self.rows]
        _store(self._output, f"{SUMMARY}.json", json.dumps({"clips": rows}, indent=1, ensure_ascii=False) + "\n")
        _store(self._output, f"{SUMMARY}.csv", as_csv(self.rows))

    def end(self) -> str:
        """The last words: what went wrong, once more."""
        self.write(final=True)
        failed = [row for row in self.rows if row.state == "failed"]
        done = sum(row.state == "done" for row in self.rows)
        lines = [f"{done} of {len(self.rows)} clips are done, in {_clock(time.monotonic() - self._begun)}"]
        lines += [f"  failed: {row.source}: {row.error}" for row in failed]
        return "\n".join(lines)


def as_csv(rows: Sequence[ClipRow]) -> str:
    """One line a clip; metrics are columns."""
    metrics = sorted({name for row in rows for name in row.metrics})
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["source", "output", "state", "frames", "seconds", "device", "error", *metrics])
    for row in rows:
        plain = [row.source, row.output, row.state, row.frames, row.seconds, row.place, row.error]
        writer.writerow([*plain, *(row.metrics.get(name) for name in metrics)])
    return text.getvalue()


def _key(task: Task, orders: str) -> str:
    if not is_address(task.output):
        return ""
    return hashlib.sha256(f"{orders} {identity(task.source)} {task.reference}".encode()).hexdigest()[:16]


def _summary(folder: str) -> dict[str, ClipRow]:
    """The rows of the batch before, by output, where it lies at an address."""
    if not is_address(folder):
        return {}
    system, path = open_system(folder)
    try:
        rows = json.loads(system.cat_file(f"{path.rstrip('/')}/{SUMMARY}.json"))["clips"]
        return {row["output"]: ClipRow(**row) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _store(folder: str, name: str, text: str) -> None:
    if is_address(folder):
        system, path = open_system(folder)
        system.makedirs(path, exist_ok=True)
        system.pipe_file(f"{path.rstrip('/')}/{name}", text.encode())
        return
    path = local_path(folder)
    path.mkdir(parents=True, exist_ok=True)
    with replacing(path / name) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def _clock(seconds: float) -> str:
    """``42 s``, ``3 min``, ``1 h 20 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
