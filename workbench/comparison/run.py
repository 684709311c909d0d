"""Several upscalers over one clip in step: the same frames, the same noise, one frame of each in memory."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, tee
from pathlib import Path
from typing import Any

from torch import Tensor

from workbench.comparison.comparison import Comparison
from workbench.comparison.machine import machine, versions
from workbench.comparison.store import INPUT, REFERENCE, Folder
from workbench.comparison.upscalers import PipelineUpscaler, Recorded, Upscaler, name_settings, upscaler
from workbench.errors import InputError, SettingsError
from workbench.metrics import Metric, choose, estimate_motion
from workbench.pipeline.automatic import use_engine
from workbench.pipeline.output import Output
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.pipeline.size import OutputSize
from workbench.pixels import image_to_unit, unit_to_image
from workbench.types import Frame
from workbench.video import Clip, open_clip

WITHOUT_REFERENCE = ("piqe", "flicker", "warping_error")
WITH_REFERENCE = ("psnr", "ssim", "gmsd", "flicker", "warping_error", "tof_farneback")


def compare(
    pipe: Pipeline | None,
    clip: Any,
    *settings: Settings,
    reference: Any = None,
    metrics: Sequence[str] | None = None,
    against: Sequence[str | os.PathLike[str] | Upscaler] = ("bicubic",),
    size: OutputSize | None = None,
    open_with: Callable[[Any], Clip] = open_clip,
    resume: str | os.PathLike[str] | None = None,
    on_frame: Callable[[int], None] | None = None,
) -> Comparison:
    """Runs a clip through the pipeline under each of ``settings``, and through what it is compared against.

    ``clip``, ``reference``: anything ``open_clip`` takes; the reference has frames four times as large. ``size``: at
    which all are compared: every picture, the reference's too, is brought down to it by the same filter (without it,
    x4); a reference or recording may also have that size itself. ``open_with``: opens the clip, the reference and
    recordings, as ``functools.partial(open_clip, colours="bt709")``. ``metrics``: names from
    ``workbench.metrics.METRICS``; None takes a usual few. ``against``: ``bicubic``, ``lanczos``, files of single-image
    models, videos that others made of the clip, or ``Upscaler`` s. ``resume``: a folder that keeps everything, to go on
    after a break and to report from later. ``on_frame``: called with the number of frames done.

    Differences are to the first of ``settings`` (to the first of ``against`` when ``pipe`` is None). All metrics see
    8-bit pictures, as a person would save them. Frames are streamed; pictures lie on disk until the comparison is gone.
    Raises InputError, SettingsError or MetricUnavailable before the first frame where it can.
    """
    clip, size = _opened(clip, open_with), size or OutputSize()
    if pipe is not None and resume is not None:
        _continue_engine(pipe, Folder(Path(resume)), (clip.height, clip.width))
    device = "auto" if pipe is None else pipe.device
    others = [upscaler(other, device=device, open_with=open_with) for other in against]
    columns = _columns(pipe, settings, others, (clip.height, clip.width))
    truth = None if reference is None else _opened(reference, open_with)
    chosen = _metrics(metrics, truth)
    _check_reference(clip, truth, size)
    for column in columns:
        if isinstance(column, Recorded):
            column.check(clip, size)
    temporary = None
    if resume is None:
        temporary = tempfile.TemporaryDirectory(prefix="comparison-")
        resume = temporary.name
    store = Folder(Path(resume))
    header = {
        "columns": [{"name": column.name, **column.about} for column in columns],
        "metrics": [metric.name for metric in chosen],
        "clip": {"name": clip.info.name, "size": list(clip.size), "fps": clip.fps},
        "reference": None if truth is None else truth.info.name,
        "size": list(size.of(clip.size)),
    }
    done = store.begin(header)
    for record in _measure(store, columns, chosen, clip, truth, size, done):
        store.add(record)
        if on_frame is not None:
            on_frame(record["index"] + 1)
    if not store.records():
        raise InputError(f"{clip!r} has no frames to compare.")
    about = header | {"versions": versions(), "machine": machine()}
    return Comparison.collect(store, about, _sequences(store, columns, chosen, clip.fps), temporary)


def _opened(source: Any, open_with: Callable[[Any], Clip]) -> Clip:
    return source if isinstance(source, Clip) else open_with(source)


def _continue_engine(pipe: Pipeline, begun: Folder, size: tuple[int, int]) -> None:
    """Goes on with the engine that a comparison was begun with, where that was left to the workbench."""
    columns = (begun.header() or {"columns": []})["columns"]
    names = [c["engine"] for c in columns if "engine" in c and not c["settings"]["attention_slicing"]]
    if names:
        use_engine(pipe, size, names[0])


def _columns(
    pipe: Pipeline | None, settings: Sequence[Settings], others: Sequence[Upscaler], size: tuple[int, int]
) -> list[Upscaler]:
    if pipe is None and settings:
        raise SettingsError("settings need a pipeline to run under; give one, or no settings.")
    mine = [] if pipe is None else list(settings or [Settings()])
    columns: list[Upscaler] = []
    if pipe is not None:
        columns += [PipelineUpscaler(pipe, s, name, size) for s, name in zip(mine, name_settings(mine), strict=True)]
    columns += others
    names = [column.name for column in columns]
    if not names or len(set(names)) < len(names):
        raise SettingsError(f"a comparison needs columns of different names, got {names}.")
    return columns


def _metrics(names: Sequence[str] | None, truth: Clip | None) -> list[Metric]:
    chosen = choose(names or (WITHOUT_REFERENCE if truth is None else WITH_REFERENCE))
    missing = [metric.name for metric in chosen if metric.needs_reference and truth is None]
    if missing:
        raise InputError(f"{', '.join(missing)} need a reference; give one, or choose {', '.join(WITHOUT_REFERENCE)}.")
    return chosen


def _check_reference(clip: Clip, truth: Clip | None, size: OutputSize) -> None:
    if truth is not None and not size.fits(truth.size, clip.size):
        raise InputError(f"the reference must be {size.in_words(clip.size)}; it is {truth.width}x{truth.height}.")


@dataclass
class _Pictures:
    """One frame as its metrics see it: (3, y, x) in [0, 1] each."""

    lr: Tensor
    reference: Tensor | None
    outputs: dict[str, Tensor] = field(default_factory=dict)
    """by column"""


def _measure(
    store: Folder,
    columns: list[Upscaler],
    metrics: list[Metric],
    clip: Clip,
    truth: Clip | None,
    size: OutputSize,
    done: int,
) -> Iterator[dict[str, Any]]:
    """One record a frame: ``index``, ``seconds`` by column, ``values`` by column and metric."""
    local = [metric for metric in metrics if metric.scope != "sequence"]
    width, height = size.of(clip.size)
    grid = None if size == OutputSize() else (height, width)
    moving = any("motion" in metric.arguments for metric in local)
    source = (replace(frame, index=place) for place, frame in enumerate(clip[done:], start=done))
    first = next(source, None)
    if first is None:
        return
    frames, *branches = tee(chain([first], source), len(columns) + 1)
    lanes = [
        iter(column.upscale(branch, store.state(place, done)))
        for place, (column, branch) in enumerate(zip(columns, branches, strict=True))
    ]
    truths = iter(()) if truth is None else iter(truth[done:])
    before = _before(store, columns, truth, done)
    for index, frame in enumerate(frames, start=done):
        shown = unit_to_image(image_to_unit(frame.image))
        store.save_picture(INPUT, index, shown)
        lr = image_to_unit(shown)
        now = _Pictures(lr, None if truth is None else _truth(truths, store, index, size, clip.size))
        known: dict[str, Any] = {} if truth is None else {"reference": now.reference}
        if before and moving:
            known["motion"] = estimate_motion(lr, before.lr, grid)
        record: dict[str, Any] = {"index": index, "seconds": {}, "values": {}, "states": []}
        for place, (column, lane) in enumerate(zip(columns, lanes, strict=True)):
            start = time.perf_counter()
            output = next(lane, None)
            known_time = not isinstance(column, Recorded)
            record["seconds"][column.name] = time.perf_counter() - start if known_time else float("nan")
            if isinstance(output, Output):
                store.save_state(place, output.state)
                record["states"].append(place)
            now.outputs[column.name] = picture = _kept(store, place, index, output, size, clip.size)
            pair = {"previous": before.outputs[column.name], "previous_reference": before.reference} if before else {}
            known_here = known | pair | {"output": picture}
            record["values"][column.name] = {
                metric.name: metric(**known_here) for metric in local if before or metric.scope == "frame"
            }
        yield record
        before = now


def _before(store: Folder, columns: list[Upscaler], truth: Clip | None, done: int) -> _Pictures | None:
    """The frame that a resumed comparison stopped after; None at the start."""
    if not done:
        return None
    outputs = {column.name: image_to_unit(store.picture(place, done - 1)) for place, column in enumerate(columns)}
    reference = None if truth is None else image_to_unit(store.picture(REFERENCE, done - 1))
    return _Pictures(image_to_unit(store.picture(INPUT, done - 1)), reference, outputs)


def _truth(truths: Iterator[Frame], store: Folder, index: int, size: OutputSize, source: tuple[int, int]) -> Tensor:
    frame = next(truths, None)
    if frame is None:
        raise InputError(f"the reference ends after {index} frames, before the clip does; cut the clip there.")
    picture = unit_to_image(size.apply(image_to_unit(frame.image), source))
    store.save_picture(REFERENCE, index, picture)
    return image_to_unit(picture)


def _kept(
    store: Folder, place: int, index: int, output: Tensor | Output | None, size: OutputSize, source: tuple[int, int]
) -> Tensor:
    """Saves a column's picture at the compared size, and gives it as it was saved."""
    if output is None:
        raise InputError(f"an upscaler must give one picture a frame; column {place} ended before frame {index}.")
    if isinstance(output, Output):
        output = output.frame
    if not size.fits((output.shape[-1], output.shape[-2]), source):
        raise InputError(f"an upscaler must give pictures {size.in_words(source)}; got {tuple(output.shape)}.")
    picture = unit_to_image(size.apply(output, source))
    store.save_picture(place, index, picture)
    return image_to_unit(picture)


def _sequences(
    store: Folder, columns: Iterable[Upscaler], metrics: list[Metric], fps: float | None
) -> dict[str, dict[str, list[float | None]]]:
    """Metrics of whole sequences, from the pictures on disk."""
    count = len(store.records())
    return {
        column.name: {
            metric.name: metric(
                outputs=store.pictures(place, count), references=store.pictures(REFERENCE, count), fps=fps
            )
            for metric in metrics
            if metric.scope == "sequence"
        }
        for place, column in enumerate(columns)
    }
