"""Runs the study: all variants in step over the same frames, so that times are of one machine in one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from workbench.ablation.study import BASE, METRICS, VARIANTS, Study, StudyRow, Value, Variant
from workbench.comparison import Comparison, Interpolation, PipelineUpscaler, compare
from workbench.comparison.machine import machine, versions
from workbench.comparison.statistics import TOO_FEW_CLIPS, Difference, over_clips
from workbench.comparison.verdicts import judged
from workbench.degrade import degraded
from workbench.engines.choose import lacking
from workbench.engines.runner import make_runner
from workbench.engines.table import ENGINES, TORCH
from workbench.errors import FlowError, InputError
from workbench.pipeline.memory import estimate_memory
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.video import Clip, open_clip

FRAMES = 5  # of each scene
WHOLE = (180, 320)  # frames that memory is estimated for, (h, w)
UNAVAILABLE = "its weights, which torchvision downloads, were not to be had where the table was made"

Pair = tuple[str, Clip, Clip]
"""Name, low-resolution clip, and its original."""


def scenes(folder: Path) -> list[Pair]:
    """The shipped scenes; raises InputError where they are not there."""
    clips = {path.stem: open_clip(path)[:FRAMES] for path in sorted((folder / "scenes").glob("*.mp4"))}
    if not clips:
        raise InputError(f"there are no clips in {folder / 'scenes'}; run this in a checkout of the project.")
    return [(name, degraded(clip, "bicubic"), clip) for name, clip in clips.items()]


def run(
    pipe: Pipeline,
    pairs: Sequence[Pair],
    *,
    model: str,
    base: Settings | None = None,
    on_progress: Callable[[str], object] = lambda words: None,
) -> Study:
    """Every variant of ``base`` (None: the default settings) that can be had, and bicubic, on all pairs.

    ``model``: the fingerprint to note.
    """
    base = base or Settings()
    done: list[Comparison] = []
    for pair in pairs:
        on_progress(f"{pair[0]}: all variants of {len(pair[1])} frames")
        done.append(measured(pipe, pair, base))
    return study(pipe, pairs, done, model=model, base=base)


def measured(pipe: Pipeline, pair: Pair, base: Settings) -> Comparison:
    """All variants that can be had, and bicubic, on one scene."""
    variants, _ = _available(pipe, [Variant(BASE, "", {}), *VARIANTS], base)
    columns = [
        PipelineUpscaler(p, base.but(**v.changes), v.name)
        for p, v in zip(_pipes(pipe, variants), variants, strict=True)
    ]
    _, lr, hr = pair
    return compare(None, lr, reference=hr, metrics=METRICS, against=[*columns, Interpolation("bicubic")])


@dataclass(frozen=True)
class MeasureScene:
    """``measured`` for one scene of ``folder``, for a worker: the numbers as text."""

    folder: Path
    name: str
    base: Settings

    def __call__(self, pipe: Pipeline) -> str:
        pair = next(pair for pair in scenes(self.folder) if pair[0] == self.name)
        return measured(pipe, pair, self.base).to_json()


def study(
    pipe: Pipeline, pairs: Sequence[Pair], done: Sequence[Comparison], *, model: str, base: Settings | None = None
) -> Study:
    """The study from what was ``measured`` on each of ``pairs``."""
    base = base or Settings()
    variants, missing = _available(pipe, [Variant(BASE, "", {}), *VARIANTS], base)
    values = _values(done)
    rows = [
        StudyRow(
            v.name, v.about, v.changes, values[v.name], _ratio(done, v.name),
            estimate_memory(p, WHOLE, base.but(**v.changes)).working, v.approximation,
        )
        for v, p in zip(variants, _pipes(pipe, variants), strict=True)
    ]  # fmt: skip
    rows.append(StudyRow("bicubic", "", {}, values["bicubic"], None, None))
    clips = {name: len(lr) for name, lr, _ in pairs}
    size = (pairs[0][1].height, pairs[0][1].width)
    return Study(model, clips, size, rows, missing, versions() | machine())


def _pipes(pipe: Pipeline, variants: Sequence[Variant]) -> list[Pipeline]:
    """``pipe`` itself but for variants that change the engine."""
    models = pipe.models
    return [pipe if v.engine == TORCH else Pipeline(models, make_runner(models, v.engine)) for v in variants]


def _available(pipe: Pipeline, variants: Sequence[Variant], base: Settings) -> tuple[list[Variant], dict[str, str]]:
    found, missing = [], {}
    for variant in variants:
        if why := lacking(ENGINES[variant.engine], pipe.device.type):
            missing[variant.name] = why
            continue
        try:
            pipe.motion(base.but(**variant.changes))
        except FlowError:
            missing[variant.name] = UNAVAILABLE
        else:
            found.append(variant)
    return found, missing


def _values(done: Sequence[Comparison]) -> dict[str, dict[str, Value]]:
    """By row and metric. The clip is the unit, and stars hold for all tests of a table together."""
    columns = done[0].columns
    shortcuts = {v.name for v in VARIANTS if v.approximation}
    tests = {
        (column, metric): over_clips([float(np.mean(clip.differences(column, metric))) for clip in done])
        for column in columns[1:]
        for metric in METRICS
    }
    said = {}
    for among in (shortcuts, set(columns) - shortcuts):
        said |= judged({key: test for key, test in tests.items() if key[0] in among}, TOO_FEW_CLIPS)
    values: dict[str, dict[str, Value]] = {column: {} for column in columns}
    for column in columns:
        for metric in METRICS:
            mean = float(np.mean([np.mean(clip.present(column, metric)) for clip in done]))
            found, verdict = said.get((column, metric), (Difference(0, 0, 0, 1), ""))
            mean, difference, low, high = (round(n, 6) for n in (mean, found.mean, found.low, found.high))
            values[column][metric] = Value(mean, difference, low, high, verdict)
    return values


def _ratio(done: Sequence[Comparison], name: str) -> float:
    """Median over frames of seconds / the base row's seconds for the same frame; first frames have no past."""
    pairs = chain.from_iterable(zip(c.seconds[name][1:], c.seconds[BASE][1:], strict=True) for c in done)
    return round(float(np.median([mine / base for mine, base in pairs])), 3)
