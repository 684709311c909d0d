"""Runs the study: all variants in step over the same frames, so that times are of one machine in one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from workbench.ablation.study import BASE, METRICS, VARIANTS, Row, Study, Value, Variant
from workbench.comparison import Comparison, Interpolation, PipelineUpscaler, compare
from workbench.comparison.machine import versions
from workbench.comparison.statistics import confidence
from workbench.degrade import region
from workbench.errors import FlowError, InputError
from workbench.pipeline.memory import estimate_memory
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.pixels import SCALE
from workbench.video import Clip, open_clip

SAMPLES = {"forest": (96, 44), "bunny": (112, 44)}  # name -> where the window's left and top are
FRAMES = 8
SIZE = (96, 160)  # of the windows, as (h, w)
WHOLE = (180, 320)  # of the samples' frames
UNAVAILABLE = "its weights, which torchvision downloads, were not to be had where the table was made"

Pair = tuple[str, Clip, Clip]
"""Name, low-resolution clip, and its original."""


def samples(folder: Path, *, frames: int = FRAMES, size: tuple[int, int] = SIZE) -> list[Pair]:
    """Windows of the shipped samples; raises InputError where they are not there."""
    height, width = size
    pairs = []
    for name, (left, top) in SAMPLES.items():
        small, large = (folder / f"{name}-{resolution}.mp4" for resolution in ("320x180", "1280x720"))
        if not (small.is_file() and large.is_file()):
            raise InputError(f"{small} and {large.name} are not there; run this in a checkout of the project.")
        lr = region(open_clip(small)[:frames], width, height, left=left, top=top)
        hr = region(
            open_clip(large)[:frames], *(SCALE * n for n in (width, height)), left=SCALE * left, top=SCALE * top
        )
        pairs.append((name, lr, hr))
    return pairs


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
    variants, missing = _available(pipe, [Variant(BASE, "", {}), *VARIANTS], base)
    settings = [base.but(**variant.changes) for variant in variants]
    pipes = [Pipeline(pipe.models.but(**v.properties)) if v.properties else pipe for v in variants]
    columns = [PipelineUpscaler(p, s, v.name) for p, s, v in zip(pipes, settings, variants, strict=True)]
    done: list[Comparison] = []
    for name, lr, hr in pairs:
        on_progress(f"{name}: {len(columns)} variants of {len(lr)} frames")
        done.append(compare(None, lr, reference=hr, metrics=METRICS, against=[*columns, Interpolation("bicubic")]))
    rows = [
        _row(done, v.name, v.about, v.changes, estimate_memory(p, WHOLE, s).working, timed=True)
        for v, p, s in zip(variants, pipes, settings, strict=True)
    ]
    rows.append(_row(done, "bicubic", "", {}, None, timed=False))
    clips = {name: len(lr) for name, lr, _ in pairs}
    size = (pairs[0][1].height, pairs[0][1].width)
    return Study(model, clips, size, rows, missing, versions())


def _available(pipe: Pipeline, variants: Sequence[Variant], base: Settings) -> tuple[list[Variant], dict[str, str]]:
    found, missing = [], {}
    for variant in variants:
        try:
            pipe.motion(base.but(**variant.changes))
        except FlowError:
            missing[variant.name] = UNAVAILABLE
        else:
            found.append(variant)
    return found, missing


def _row(
    done: Sequence[Comparison], name: str, about: str, changes: dict[str, Any], memory: int | None, *, timed: bool
) -> Row:
    values = {}
    for metric in METRICS:
        mine, first = (
            np.array([v for c in done for v in c.values[column][metric] if v is not None]) for column in (name, BASE)
        )
        numbers = (mine.mean(), (mine - first).mean(), *confidence(mine.tolist(), first.tolist()))
        values[metric] = Value(*(round(float(number), 6) for number in numbers))
    return Row(name, about, changes, values, round(_ratio(done, name), 3) if timed else None, memory)


def _ratio(done: Sequence[Comparison], name: str) -> float:
    """Median over frames of seconds / the base row's seconds for the same frame; first frames have no past."""
    pairs = chain.from_iterable(zip(c.seconds[name][1:], c.seconds[BASE][1:], strict=True) for c in done)
    return float(np.median([mine / base for mine, base in pairs]))
