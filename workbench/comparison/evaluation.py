"""The field's protocol: shrink known clips, enlarge them again, and measure what was lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from workbench.comparison.columns import Works
from workbench.comparison.comparison import Comparison
from workbench.comparison.datasets import find_clips
from workbench.comparison.run import compare
from workbench.comparison.statistics import BETTER, TOO_FEW_CLIPS, WORSE, over_clips
from workbench.comparison.store import encode
from workbench.comparison.tables import aligned, significant
from workbench.comparison.upscalers import Upscaler
from workbench.comparison.verdicts import STARS, Judged, detailed, judged
from workbench.degrade import cropped, degraded
from workbench.metrics import METRICS
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.pipeline.size import OutputSize
from workbench.video import Clip, open_clip

PROTOCOL = ("psnr", "ssim", "psnr_y", "ssim_y", "tof_farneback", "flicker")


@dataclass(frozen=True)
class Evaluation:
    """A comparison for every clip. Their mean weighs each clip alike, as papers do, and how sure a difference is
    follows from the clips, not from their frames. ``notes``: what was cropped, and where frames are missing.
    Each clip's comparison carries the machine, the versions and the command."""

    clips: dict[str, Comparison]
    degradation: str
    notes: list[str] = field(default_factory=list)

    def made_by(self, command: str) -> Evaluation:
        """The same, with the command that made it."""
        return replace(self, clips={name: clip.made_by(command) for name, clip in self.clips.items()})

    @property
    def columns(self) -> list[str]:
        return next(iter(self.clips.values())).columns

    @property
    def metrics(self) -> list[str]:
        return next(iter(self.clips.values())).metrics

    def mean(self, column: str, metric: str) -> float:
        """Over the clips, of each clip's mean over frames."""
        return float(np.mean([clip.summary(column, metric).mean for clip in self.clips.values()]))

    def rows(self) -> list[list[str]]:
        """The table as text: a heading, one row per clip and column, then the means."""
        titles = [f"{METRICS[m].label} {'↑' if METRICS[m].higher_is_better else '↓'}" for m in self.metrics]
        rows = [["clip", "", *titles]]
        for name, clip in self.clips.items():
            for column in self.columns:
                rows.append([name, column, *(significant(clip.summary(column, m).mean) for m in self.metrics)])
        for column in self.columns:
            rows.append(["mean", column, *(self._cell(column, m) for m in self.metrics)])
        return rows

    def _cell(self, column: str, metric: str) -> str:
        found, said = self.judged.get((column, metric), (None, ""))
        star = "*" if said in (BETTER, WORSE) else ""
        difference = "" if found is None or np.isnan(found.mean) else f" ({significant(found.mean, sign=True)}{star})"
        return significant(self.mean(column, metric)) + difference

    @cached_property
    def judged(self) -> Judged:
        """Differences to the first column over the clips, with what may be said of each."""
        tests = {
            (column, metric): over_clips(
                [float(np.mean(clip.differences(column, metric))) for clip in self.clips.values()]
            )
            for column in self.columns[1:]
            for metric in self.metrics
        }
        return judged(tests, TOO_FEW_CLIPS)

    def __str__(self) -> str:
        about = f"x1/4 by {self.degradation}; {len(self.clips)} clips, each weighs alike. {STARS}"
        lines = [aligned(self.rows(), left=2), about, *detailed(self.judged, self.columns[0])]
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)])

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Means, and every clip's comparison, as JSON text; also written to ``path``."""
        means = {column: {metric: self.mean(column, metric) for metric in self.metrics} for column in self.columns}
        clips = {name: json.loads(clip.to_json()) for name, clip in self.clips.items()}
        differences = {column: {} for column in self.columns[1:]}
        for (column, metric), (found, said) in self.judged.items():
            differences[column][metric] = encode(asdict(found)) | {"verdict": said}
        content = {
            "degradation": self.degradation,
            "mean": encode(means),
            "difference": differences,
            "notes": self.notes,
            "clips": clips,
        }
        text = json.dumps(content, indent=1, ensure_ascii=False)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text


def evaluate(
    pipe: Pipeline | None,
    folder: str | os.PathLike[str],
    *settings: Settings,
    degradation: str = "matlab",
    metrics: Sequence[str] = PROTOCOL,
    against: Sequence[str | os.PathLike[str] | Upscaler] = ("bicubic",),
    frames: int | None = None,
    size: OutputSize | None = None,
    open_with: Callable[[Any], Clip] = open_clip,
    resume: str | os.PathLike[str] | None = None,
    spread: Works | None = None,
    on_clip: Callable[[str, Comparison], None] | None = None,
) -> Evaluation:
    """Shrinks every high-resolution clip of ``folder`` (see ``find_clips``), upscales it, compares with the original.

    ``degradation``: a chain as ``degrade.chain`` reads it, ``bicubic+noise:3+h264:28``. ``frames``: at most so many of
    each clip. ``size``, ``open_with``: as in ``compare``. ``resume``: a folder to keep everything in and to go on from.
    ``spread``: evaluates clips beside each other, on pipelines of its own (``batch.spread.Spread``); ``pipe`` is not
    used then. Whole pictures are measured, no borders left out; what had to be cropped, and frames that are missing,
    are in the result's ``notes``.
    """
    works = []
    for name, path in find_clips(Path(folder)).items():
        keep = None if resume is None else str(Path(resume).absolute() / degradation.replace(":", "-") / name)
        options = {"metrics": metrics, "against": against, "size": size, "open_with": open_with, "resume": keep}
        works.append(EvaluateClip(name, path.absolute(), settings, degradation, frames, options))
    clips, notes = {}, []
    made = (work(pipe) for work in works) if spread is None else map(_received, spread([_Sent(work) for work in works]))
    for work, (comparison, words) in zip(works, made, strict=True):
        clips[work.name] = comparison
        notes += [f"{work.name}: {note}" for note in words]
        if on_clip is not None:
            on_clip(work.name, comparison)
    return Evaluation(clips, degradation, notes)


@dataclass(frozen=True)
class EvaluateClip:
    """The protocol for one clip; called with a pipeline, or None. ``options``: of ``compare``."""

    name: str
    path: Path
    settings: tuple[Settings, ...]
    degradation: str
    frames: int | None
    options: dict[str, Any]

    def __call__(self, pipe: Pipeline | None) -> tuple[Comparison, list[str]]:
        original = self.options["open_with"](self.path)[: self.frames]
        truth = cropped(original)
        notes = _notes(original, truth)
        comparison = compare(pipe, degraded(truth, self.degradation), *self.settings, reference=truth, **self.options)
        if self.frames is not None and comparison.frames < self.frames:
            notes.append(f"has {comparison.frames} frames only, {self.frames} were asked for")
        return comparison, notes


@dataclass(frozen=True)
class _Sent:
    """The work of another process: its comparison comes as text, its pictures stay there."""

    work: EvaluateClip

    @property
    def name(self) -> str:
        return self.work.name

    def __call__(self, pipe: Pipeline | None) -> tuple[str, list[str]]:
        comparison, notes = self.work(pipe)
        return comparison.to_json(), notes


def _received(sent: tuple[str, list[str]]) -> tuple[Comparison, list[str]]:
    return Comparison.from_json(sent[0]), sent[1]


def _notes(original: Clip, truth: Clip) -> list[str]:
    """What a reader of the numbers must know of a clip."""
    notes = list(original.notes)
    if truth.size != original.size:
        sizes = [f"{width}x{height}" for width, height in (original.size, truth.size)]
        notes.append(f"{sizes[0]} is cropped to {sizes[1]} at the right and below, whole low-resolution pixels")
    return notes
