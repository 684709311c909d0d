"""How throughput grows from 1 to 1000 workers: python docs/site/scale.py writes docs/scale.png and prints the table.

A simulation of ``workbench.batch.runner``: the next clip goes to a free worker, and one that fails begins its clip
again from the last frame that is kept. Frame times are measured, clip lengths and failures are drawn.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
WORKERS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True)
class World:
    """Seconds, if nothing else is said."""

    frame: float = 1.2
    """of a 320x180 frame at four steps, on one core of a server's CPU"""
    clip: float = 0.1
    """of a clip beyond its frames: opening, joining, the record; measured with clips of one frame"""
    begin: float = 6.0
    """until a worker has its model; measured"""
    uneven: float = 0.1
    """spread of the machines' speeds, as a part of the mean"""
    fails: float = 8 * 3600.0
    """mean time between two failures of a worker, as on machines that can be taken away"""
    mend: float = 180.0
    """until another one is there"""
    clips: int = 5000
    frames: float = 240.0
    """of the median clip; the logarithm of the length is normally distributed"""
    tail: float = 1.2
    """its standard deviation: one clip in a hundred is sixteen times the median"""


def lengths(world: World, seed: int = 0) -> np.ndarray:
    """Frames of each clip, in the order in which they came."""
    random = np.random.default_rng(seed)
    return np.maximum(1, np.rint(world.frames * np.exp(world.tail * random.standard_normal(world.clips)))).astype(int)


def speeds(world: World, workers: int, seed: int = 0) -> np.ndarray:
    """Of each worker; 1 is the usual one."""
    spread = np.random.default_rng([seed, workers]).standard_normal(workers)
    return np.clip(1 + world.uneven * spread, 0.5, 2.0)


def seconds(world: World, frames: Sequence[int], workers: int, *, sort: bool, seed: int = 0) -> float:
    """Until the last clip is done."""
    speed = speeds(world, workers, seed)
    random = np.random.default_rng([seed, workers, 1])
    free = [(world.begin, worker) for worker in range(workers)]
    heapq.heapify(free)
    failure = random.exponential(world.fails, workers)
    end = 0.0
    for count in sorted(frames, reverse=True) if sort else frames:
        now, worker = heapq.heappop(free)
        each = world.frame / speed[worker]
        left = world.clip + count * each
        while now + left > failure[worker]:  # the frame at hand is lost, and another machine goes on
            made = max(0.0, failure[worker] - now)
            left -= made - made % each if made < left else 0.0
            now = failure[worker] + world.mend + world.begin
            failure[worker] = now + random.exponential(world.fails)
        now += left
        end = max(end, now)
        heapq.heappush(free, (now, worker))
    return end


def ideal(world: World, frames: Sequence[int], workers: int) -> float:
    """All work shared as the workers' speeds ask, nothing lost."""
    return float(world.frame * np.sum(frames) / speeds(world, workers).sum())


def table(world: World) -> list[tuple[int, float, float, float]]:
    """(workers, hours, efficiency longest first, efficiency in the order in which they came); the ideal is 1."""
    frames = lengths(world).tolist()
    rows = []
    for workers in WORKERS:
        longest, as_they_came = (seconds(world, frames, workers, sort=sort) for sort in (True, False))
        best = ideal(world, frames, workers)
        rows.append((workers, longest / 3600, best / longest, best / as_they_came))
    return rows


def as_text(rows: list[tuple[int, float, float, float]]) -> str:
    lines = ["| workers | hours | of the ideal, longest first | of the ideal, as they came |", "|---:|---:|---:|---:|"]
    lines += [f"| {workers} | {hours:.2f} | {first:.0%} | {came:.0%} |" for workers, hours, first, came in rows]
    return "\n".join(lines)


def draw(rows: list[tuple[int, float, float, float]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    workers = [row[0] for row in rows]
    axes.plot(workers, workers, color="0.6", linestyle="--", label="ideal")
    axes.plot(workers, [row[0] * row[2] for row in rows], marker="o", color="#0f766e", label="longest first")
    axes.plot(workers, [row[0] * row[3] for row in rows], marker="s", color="#c2410c", label="as they came")
    axes.set(xscale="log", yscale="log", xlabel="workers", ylabel="throughput, of one ideal worker's")
    axes.set_title("5000 clips of very different lengths, workers that fail")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    found = table(World())
    print(as_text(found))  # noqa: T201
    draw(found, ROOT / "docs" / "scale.png")
