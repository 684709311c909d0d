"""The field's protocol: shrink known clips, enlarge them again, and measure what was lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.comparison.comparison import Comparison
from workbench.comparison.datasets import find_clips
from workbench.comparison.numbers import aligned, significant
from workbench.comparison.run import compare
from workbench.comparison.store import encode
from workbench.comparison.upscalers import Upscaler
from workbench.degrade import cropped, degraded
from workbench.metrics import METRICS
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.video import open_clip

PROTOCOL = ("psnr", "ssim", "psnr_y", "ssim_y", "tof_farneback", "flicker")


@dataclass(frozen=True)
class Evaluation:
    """A comparison for every clip; their mean weighs each clip alike, as papers do."""

    clips: dict[str, Comparison]
    degradation: str

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
            rows.append(["mean", column, *(significant(self.mean(column, m)) for m in self.metrics)])
        return rows

    def __str__(self) -> str:
        return aligned(self.rows(), left=2) + f"\nx1/4 by {self.degradation}; {len(self.clips)} clips."

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Means, and every clip's comparison, as JSON text; also written to ``path``."""
        means = {column: {metric: self.mean(column, metric) for metric in self.metrics} for column in self.columns}
        clips = {name: json.loads(clip.to_json()) for name, clip in self.clips.items()}
        content = {"degradation": self.degradation, "mean": encode(means), "clips": clips}
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
    resume: str | os.PathLike[str] | None = None,
    on_clip: Callable[[str, Comparison], None] | None = None,
) -> Evaluation:
    """Shrinks every high-resolution clip of ``folder`` (see ``find_clips``), upscales it, compares with the original.

    ``degradation``: ``bicubic``, ``matlab``, ``area`` or ``bd``. ``frames``: at most so many of each clip. ``resume``:
    a folder to keep everything in and to go on from. Whole pictures are measured, no borders left out.
    """
    clips = {}
    for name, path in find_clips(Path(folder)).items():
        truth = cropped(open_clip(path)[:frames])
        keep = None if resume is None else Path(resume) / degradation / name
        lr = degraded(truth, degradation)
        clips[name] = compare(pipe, lr, *settings, reference=truth, metrics=metrics, against=against, resume=keep)
        if on_clip is not None:
            on_clip(name, clips[name])
    return Evaluation(clips, degradation)
