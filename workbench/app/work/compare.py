"""Two ways of upscaling one clip, frame by frame under the same noise: two videos, numbers, curves, one report."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from workbench.app.names import names_of
from workbench.app.request import UPSCALERS
from workbench.app.telling import telling_frame, uneven_times
from workbench.app.work.command import command_of
from workbench.app.work.task import LIVE, LIVE_OTHER, Stopped, Task
from workbench.comparison import Comparison, Recorded, compare
from workbench.comparison.motion import flow_track
from workbench.comparison.store import INPUT, REFERENCE, Folder, encode
from workbench.degrade import cropped, degraded
from workbench.devices import peak_memory
from workbench.metrics import METRICS
from workbench.pipeline.memory import estimate_memory
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.video import Clip, ClipWriter, open_clip
from workbench.views import plots

METHOD = "Stream-DiffVSR"
LETTERS = "abcdefgh"  # the columns, in their order
KEPT = "comparison"  # the folder beside public/ that a comparison goes on from


def compare_clips(task: Task) -> None:
    """Leaves what ``work/__init__`` lists; after a stop, of the frames that are done. Begun again, it goes on."""
    request = task.request
    original, clip, truth = _clips(task)
    pipe = task.pipeline()
    settings = list(request.variants)
    size = (clip.height, clip.width)
    task.begin(len(clip), "comparing")
    progress = Progress(task, len(clip))
    stopped = False
    try:
        comparison = _run(task, pipe, settings, clip, truth, progress)
    except Stopped:
        stopped = True
        done = len(Folder(task.folder / KEPT).records())
        if not done:
            raise
        comparison = _run(task, pipe, settings, clip[:done], truth, None)
    if not stopped:
        task.learn(pipe, request.settings, _model_seconds(comparison, progress.made), size)
    _leave(task, comparison, original)
    task.say(
        message="",
        seconds_left=0.0,
        result={
            "memory": {
                name: estimate_memory(pipe, size, one).peak for name, one in zip(LETTERS, settings, strict=False)
            },
            "peak_memory": peak_memory(pipe.device),
            "device": str(pipe.device),
        },
    )
    if stopped:
        raise Stopped


def _clips(task: Task) -> tuple[Clip, Clip, Clip | None]:
    """The upload (for its sound and timing), the clip to upscale, and the truth if the upload is that."""
    original = task.clip()
    for other in task.others:  # a recording may be shorter than the clip; what all have is compared
        original = original[: len(open_clip(other)[task.request.frame_range])]
    if not task.request.truth:
        return original, original, None
    return original, degraded(original, task.request.damage), cropped(original)


def _run(
    task: Task, pipe: Pipeline, settings: list[Settings], clip: Clip, truth: Clip | None, progress: Progress | None
) -> Comparison:
    against: list[Any] = [other for other in task.request.others if other in UPSCALERS]
    recordings = [open_clip(other)[task.request.frame_range] for other in task.others]
    against += [Recorded(clip, names_of(path)[0]) for clip, path in zip(recordings, task.others, strict=True)]
    return compare(
        pipe, clip, *settings, reference=truth, against=against, size=task.request.size, resume=task.folder / KEPT,
        on_frame=progress,
    )  # fmt: skip


class Progress:
    """Called after every frame: its two pictures become the live ones."""

    def __init__(self, task: Task, total: int) -> None:
        self.task = task
        self.total = total
        self.made = 0
        self._store = Folder(task.folder / KEPT)

    def __call__(self, done: int) -> None:
        self.made += 1
        shown = self.task.due(last=done == self.total)
        if shown:
            for place, name in enumerate((LIVE, LIVE_OTHER)):
                shutil.copyfile(self._store.picture_path(place, done - 1), self.task.public / f".{name}.partial")
                (self.task.public / f".{name}.partial").replace(self.task.public / name)
        self.task.advance(done, **({"live": done - 1} if shown else {}))
        if self.task.ending(done):
            raise Stopped


def _model_seconds(comparison: Comparison, made: int) -> list[float]:
    """Of the first column, for the frames that this run made."""
    return comparison.seconds[comparison.columns[0]][-made:] if made else []


def _leave(task: Task, comparison: Comparison, original: Clip) -> None:
    """Videos, numbers, curves and the report into the public folder."""
    task.say(message="writing videos and the report")
    comparison = _named(comparison, task.source_name).made_by(
        command_of(task.request, task.source_name, [names_of(path)[0] for path in task.others])
    )
    assert comparison.folder is not None
    store = Folder(comparison.folder)
    names = dict(zip(LETTERS, comparison.columns, strict=False))
    places: dict[str, int | str] = {letter: place for place, letter in enumerate(names)}
    if comparison.about["reference"]:
        places["truth"] = REFERENCE
    still = original.rate is None and comparison.frames == 1
    files = {label: f"{label}.{'png' if still else 'mp4'}" for label in places}
    for label, place in places.items():
        if still:
            shutil.copyfile(store.picture_path(place, 0), task.public / files[label])
        else:
            _video(task.public / files[label], store, place, comparison.frames, original)
    plots.compare(comparison).savefig(task.public / "curves.png")
    comparison.to_json(task.public / "comparison.json")
    comparison.to_csv(task.public / "comparison.csv")
    comparison.report(task.public / "report.html")
    files |= {"curves": "curves.png", "json": "comparison.json", "csv": "comparison.csv", "report": "report.html"}
    if not still:
        about = comparison.about["clip"]
        frames = (store.picture(INPUT, index) for index in range(comparison.frames))
        motion = flow_track(frames, comparison.picture_size[0] / about["size"][0])
        (task.public / "motion.json").write_text(json.dumps(motion), encoding="utf-8")
        files["motion"] = "motion.json"
    made = None if still else open_clip(task.public / files["a"])
    heading, *rows = comparison.rows()
    width, height = comparison.picture_size
    result: dict[str, Any] = {
        "names": names,
        "table": [heading, *rows],
        "note": comparison.note,
        "frames": comparison.frames,
        "width": width,
        "height": height,
        "fps": None if made is None else made.fps,
        "times": None if made is None else uneven_times(made) or None,
        "start": min(telling_frame(original), comparison.frames - 1),
        "curves": _curves(comparison),
        "seconds_per_frame": {label: comparison.seconds_per_frame(name) for label, name in names.items()},
    }
    called = {name: task.download(_plain(names.get(label, "original")), name) for label, name in files.items()}
    versus = "_vs_".join(_plain(name) for name in reversed(names.values()))
    called |= {files[label]: task.download(versus, files[label]) for label in ("curves", "json", "csv", "report")}
    task.say(done=comparison.frames, files=files, downloads=called, result=encode(result))


def _curves(comparison: Comparison) -> list[dict[str, Any]]:
    """One entry a metric: its name, which way is better, and a value a frame of each column."""
    return [
        {
            "metric": f"{METRICS[name].label} {'↑' if METRICS[name].higher_is_better else '↓'}",
            "lines": {column: values[name] for column, values in comparison.values.items()},
        }
        for name in comparison.metrics
    ]


def _plain(name: str) -> str:
    """A column's name as part of a file's: ``steps=1, tpm=off`` -> ``steps1-tpmoff``."""
    return re.sub(r"[^\w.-]+", "-", name.replace("=", "")).strip("-")


def _video(path: Path, store: Folder, place: int | str, frames: int, original: Clip) -> None:
    """The pictures as a video with the upload's sound and timing."""
    with ClipWriter(path, original, overwrite=True) as writer:
        for index in range(frames):
            writer.write(store.picture(place, index))


def _named(comparison: Comparison, name: str) -> Comparison:
    """The comparison of the clip as the person calls it, with the method's own name where it stands alone."""
    names = {column: METHOD if column == "pipeline" else column for column in comparison.columns}
    about = comparison.about | {
        "clip": comparison.about["clip"] | {"name": name},
        "reference": name if comparison.about["reference"] else None,
        "columns": [column | {"name": names[column["name"]]} for column in comparison.about["columns"]],
    }
    values = {names[column]: value for column, value in comparison.values.items()}
    seconds = {names[column]: value for column, value in comparison.seconds.items()}
    return Comparison(values, seconds, about, comparison.folder)
