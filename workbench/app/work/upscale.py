"""A clip or an image, x4: the result, a sidecar, and bicubic beside it for the divider, in one pass."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from workbench.app.telling import telling_frame, uneven_times
from workbench.app.work.task import Stopped, Task
from workbench.comparison.upscalers import Interpolation
from workbench.pipeline.automatic import choose_engine, continue_engine
from workbench.pipeline.output import Output
from workbench.pipeline.record import sidecar_of
from workbench.pipeline.run import Run, upscale_to_file
from workbench.pipeline.size import OutputSize
from workbench.pixels import unit_to_image
from workbench.types import Frame
from workbench.video import Clip, ClipWriter, frames_in, is_picture, open_clip

BICUBIC = Interpolation("bicubic")
# After the clip's name; {} is the output's size.
DOWNLOADS = {"video": "{}", "picture": "{}", "sidecar": "{}", "play": "{}_preview", "bicubic": "bicubic_{}"}


def upscale_clip(task: Task) -> None:
    """Leaves what ``work/__init__`` lists. A stop keeps a playable result; begun again, it goes on bit for bit."""
    assert task.source is not None
    clip = task.clip()
    names = _names(task.source, lossless=task.request.lossless)
    pipe = task.pipeline()
    result = task.public / _result(names)
    if not continue_engine(pipe, result, clip):
        size = (clip.height, clip.width)
        choose_engine(pipe, size, task.request.settings, len(clip), lambda words: task.say(message=words))
    task.begin(len(clip), "upscaling")
    made = Made(task, clip, names["bicubic"])
    size = task.request.size
    run: Run | None = None
    try:
        run = upscale_to_file(pipe, clip, result, task.request.settings, size=size, resume=True, on_output=made.add)
    finally:  # also where a frame in the middle is damaged: all before it is there
        made.close()
        _publish(task, clip, names, made)
    task.learn(
        pipe, task.request.settings, [sum(stages.values()) for stages in made.seconds], (clip.height, clip.width)
    )
    if not run.finished:
        raise Stopped


def _names(source: Path, *, lossless: bool) -> dict[str, str]:
    """Label -> file."""
    if is_picture(source):
        return {"picture": "upscaled.png", "bicubic": "bicubic.png"}
    if lossless:  # browsers play no FFV1
        return {"video": "upscaled.mkv", "play": "preview.mp4", "bicubic": "bicubic.mp4"}
    return {"video": "upscaled.mp4", "play": "upscaled.mp4", "bicubic": "bicubic.mp4"}


def _result(names: dict[str, str]) -> str:
    """What the pipeline itself writes."""
    return names.get("video") or names["picture"]


class Made:
    """What is done with each frame as it is made: bicubic beside it, live pictures, progress."""

    def __init__(self, task: Task, clip: Clip, name: str) -> None:
        self.task = task
        self.clip = clip
        self.seconds: list[dict[str, float]] = []
        self._path = task.public / name
        self._bicubic: ClipWriter | None = None

    def add(self, out: Output) -> bool:
        """Called by the run once it has written the frame; False when the job is to end."""
        plain = bicubic(out.input, self.task.request.size)
        shown = self.task.show(out.image, plain, last=out.index + 1 == len(self.clip))
        self.seconds.append(out.seconds)
        self.task.advance(out.index + 1, **({"live": out.index} if shown else {}))
        if self._bicubic is None:
            self._bicubic = self._begun_at(out.index)
        self._bicubic.write(plain)
        return not self.task.ending(out.index + 1)

    def close(self) -> None:
        if self._bicubic is not None:
            self._bicubic.close()

    def _begun_at(self, index: int) -> ClipWriter:
        """The writer, at frame ``index``: what a kill left out before it is made up for."""
        there = min(frames_in(self._path), index)
        writer = ClipWriter(self._path, self.clip, resume_at=there)
        for frame in self.clip[there:index]:
            writer.write(bicubic(frame.image, self.task.request.size))
        return writer


def bicubic(image: np.ndarray, size: OutputSize | None = None) -> np.ndarray:
    """(h, w, 3) -> (4h, 4w, 3) uint8, or as large as ``size`` says."""
    (picture,) = BICUBIC.upscale([Frame(image, 0)])
    return unit_to_image((size or OutputSize()).apply(picture))


def _publish(task: Task, clip: Clip, names: dict[str, str], made: Made) -> None:
    """Says which files there are and what they are; of a run that made nothing, nothing."""
    result = task.public / _result(names)
    sidecar = sidecar_of(result)
    if not result.exists() or not sidecar.exists():
        return
    if "play" in names and names["play"] != result.name:
        task.say(message="making a version that browsers play")
        with ClipWriter(task.public / names["play"], clip, overwrite=True) as writer:
            for frame in open_clip(result):
                writer.write(frame)
    about = _complete(task, sidecar, made.seconds)
    files = {label: name for label, name in names.items() if (task.public / name).exists()}
    said = {name: about[name] for name in ("frames", "finished", "seconds_per_frame", "stages", "notes")}
    width, height = task.request.size.of(clip.size)
    said |= {"width": width, "height": height, "flow": about["in_use"].get("flow")}
    if "play" in files:
        made_clip = open_clip(task.public / files["play"])
        said |= {
            "fps": made_clip.fps,
            "times": uneven_times(made_clip) or None,
            "start": min(telling_frame(clip), about["frames"] - 1),
        }
    said["audio"] = None if clip.audio is None else str(clip.audio)
    files["sidecar"] = sidecar.name
    large = task.request.size_word
    downloads = {name: task.download(DOWNLOADS[label].format(large), name) for label, name in reversed(files.items())}
    task.say(done=about["frames"], seconds_left=0.0, message="", files=files, downloads=downloads, result=said)


def _complete(task: Task, sidecar: Path, seconds: list[dict[str, float]]) -> dict[str, Any]:
    """The run's own sidecar without this server's paths, with the seed and the time of each stage."""
    about: dict[str, Any] = json.loads(sidecar.read_text(encoding="utf-8"))
    later = seconds[1:] or seconds
    stages = {name: median(s.get(name, 0.0) for s in later) for name in (later[-1] if later else {})}
    about |= {
        "output": Path(about["output"]).name,
        "source": task.source_name,
        "seed": task.request.settings.seed,
        "stages": stages or about.get("stages", {}),
        "notes": [task.told(note) for note in about["notes"]],
    }
    about["begun_from"]["source"].pop("path", None)
    sidecar.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return about
