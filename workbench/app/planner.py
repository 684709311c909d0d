"""What a job will take, before it starts: seconds, memory, and what would fit where it does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from workbench.app import zerogpu
from workbench.app.kinds import KINDS
from workbench.app.request import Request
from workbench.app.speed import CALIBRATION_SIZE, Speed, Speeds, tiny_clip, units
from workbench.app.values import Plan
from workbench.app.work.devices import CHANGES, RUNS, SIZE
from workbench.app.work.task import Task, Warm
from workbench.degrade import parse
from workbench.devices import DTYPES, release_memory, resolve_device, resolve_dtype
from workbench.errors import InputError, SettingsError, counted
from workbench.models.hub import models_in_reach
from workbench.pipeline.frames import MINIMUM
from workbench.pipeline.load import load_pipeline
from workbench.pipeline.memory import (
    Estimate,
    available_memory,
    check_memory,
    estimate_memory,
    flop_per_frame,
    readable,
    smaller,
)
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.pipeline.shapes import without_data
from workbench.pixels import SCALE
from workbench.video import open_clip

NOBODY = "calibration-calibration"[:22]  # a token's shape, for requests that come from no upload
START = 6.0  # seconds until a process has imported torch, where that was not measured
ASIDE = 2.0  # seconds of each row of This machine that are not the model's: a matrix product, video in and out
SHRUNK = (0.75, 0.5, 0.375, 0.25, 0.125)


@dataclass(frozen=True)
class Facts:
    """What a job is."""

    frames: int
    size: tuple[int, int]
    """(h, w)"""
    settings: tuple[Settings, ...]
    """the frames are run under each of them"""
    device: str
    dtype: str

    @property
    def precision(self) -> str:
        """The dtype as a request calls it."""
        return next(short for short, name in DTYPES.items() if name == self.dtype)


class Planner:
    """Holds models without their weights, and this machine's measured speeds. Thread-safe."""

    def __init__(self, data: Path, *, start: float = START) -> None:
        """``start``: seconds that a process needs here until torch is imported."""
        self.speeds = Speeds(data)
        self._start = start
        self._lock = threading.Lock()
        self._pipes: dict[tuple[str, str], Pipeline] = {}
        self._flop = lru_cache(maxsize=256)(self._count)
        self._memory = lru_cache(maxsize=256)(self._estimate)

    def plan(self, request: Request, source: Path | None = None, others: Sequence[Path] = ()) -> Plan:
        """What the job will take; raises WorkbenchError for a clip, model or device that cannot be used."""
        with self._lock:
            facts = facts_of(request, source, others)
            if not in_reach(request.model):
                return _without(f"{request.model} is downloaded first", request, facts)
            if zerogpu.active() and facts.device.startswith("cuda"):  # none is held now, so none can be measured
                return self._slot(request, facts)
            return self._plan(request, facts, available_memory(facts.device))

    def warm_up(self, *, pauses: Sequence[float] = (4.0, 8.0)) -> None:
        """Measures this machine with the embedded model, so that the first plan is quick.

        And again after each of ``pauses`` (seconds), keeping the fastest: a server that starts keeps its machine busy.
        """
        request = Request(kind="devices")
        self.plan(request)
        for pause in pauses:
            time.sleep(pause)
            with self._lock:
                self._calibrate_again(facts_of(request, None))

    def _calibrate_again(self, facts: Facts) -> None:
        """Unless a job has measured better than a tiny one can."""
        known = self.speeds.get("", facts.device, facts.dtype)
        if known is not None and known.size == CALIBRATION_SIZE:
            speed = calibrate(facts)
            if speed.seconds < known.seconds:
                self.speeds.put("", facts.device, facts.dtype, speed)

    def _plan(self, request: Request, facts: Facts, available: int) -> Plan:
        estimates = [
            self._memory(request.model, facts.device, facts.dtype, facts.size, settings) for settings in facts.settings
        ]
        beside = sum(e.state for e in estimates) - max(e.state for e in estimates)  # other streams, between frames
        beside += KINDS[request.kind].memory
        needs, weights = max(e.working for e in estimates) + beside, estimates[0].weights
        known = Plan(
            frames=facts.frames,
            memory_bytes=needs + weights,
            available_bytes=available,
            fits=needs <= available,
        )
        if not known.fits:
            return self._refused(known, request.model, facts, available - beside)
        seconds, whole = self._seconds(request, facts)
        how_long = f"{'about' if whole else 'at least'} {duration(seconds)}"
        text = f"{_work(request, facts)} will take {how_long} and {readable(needs + weights)} on {facts.device}."
        return known.but(seconds=seconds, text=text)

    def _slot(self, request: Request, facts: Facts) -> Plan:
        """On a GPU that is lent for each job: time as earlier jobs took, memory unknown."""
        if self.speeds.get(request.model, facts.device, facts.dtype) is None:
            return _without("the GPU is lent for each job", request, facts)
        seconds, _ = self._seconds(request, facts)
        text = f"{_work(request, facts)} will take about {duration(seconds)} once a GPU is lent."
        return Plan(frames=facts.frames, seconds=seconds, text=text)

    def _refused(self, plan: Plan, model: str, facts: Facts, room: int) -> Plan:
        """The plan with why it does not fit, and the nearest that does: other settings, else a smaller frame."""

        def fits(settings: Settings, size: tuple[int, int] = facts.size) -> bool:
            return self._memory(model, facts.device, facts.dtype, size, settings).working <= room

        tight = next((settings for settings in facts.settings if not fits(settings)), None)
        if tight is None:
            text = f"this needs more than the {readable(max(room, 0))} that are left on {facts.device}."
            return plan.but(text=text)
        instead = next((changes for changes in smaller(tight) if fits(tight.but(**changes))), None)
        text = _why(self._pipe(model, facts.dtype), facts, tight, room)
        if instead is None:
            least = [tight, *(tight.but(**changes) for changes in smaller(tight))][-1]
            h, w = facts.size
            sizes = [(round(h * factor), round(w * factor)) for factor in SHRUNK]
            size = next((s for s in sizes if min(s) >= MINIMUM and fits(least, s)), None)
            text += " Use a machine with more memory." if size is None else f" A clip of {size[1]}x{size[0]} fits."
        return plan.but(text=text, instead=instead)

    def _seconds(self, request: Request, facts: Facts) -> tuple[float, bool]:
        """How long, and whether that is all: what is done beside the model is known once a job of this kind ended."""
        measured, speed = self._speed(request.model, facts)
        settings = Settings.from_dict(speed.settings)
        one = speed.seconds / self._flop(measured, facts.device, facts.dtype, speed.size, settings)
        flop = sum(self._flop(request.model, facts.device, facts.dtype, facts.size, s) for s in facts.settings)
        extra = speed.extra.get(request.kind, 0.0) * units(request.kind, facts.size, facts.settings[0].steps)
        if request.kind == "devices":  # each row measures memory in a process of its own
            return facts.frames * one * flop + len(CHANGES) * (self._start + ASIDE), True
        return facts.frames * (one * flop + extra), request.kind in speed.extra

    def _speed(self, model: str, facts: Facts) -> tuple[str, Speed]:
        """As measured with this model, else with the embedded one, for which a tiny job is done if need be."""
        for name in (model, ""):
            speed = self.speeds.get(name, facts.device, facts.dtype)
            if speed is not None:
                return name, speed
        speed = calibrate(facts)
        self.speeds.put("", facts.device, facts.dtype, speed)
        return "", speed

    def _count(self, model: str, device: str, dtype: str, size: tuple[int, int], settings: Settings) -> int:
        return flop_per_frame(self._pipe(model, dtype), size, settings)

    def _estimate(self, model: str, device: str, dtype: str, size: tuple[int, int], settings: Settings) -> Estimate:
        return estimate_memory(self._pipe(model, dtype), size, settings, device)

    def _pipe(self, model: str, dtype: str) -> Pipeline:
        """The model's shapes; its weights are let go."""
        key = (model, dtype)
        if key not in self._pipes:
            pipe = load_pipeline(model or None, device="cpu", dtype=dtype)
            self._pipes[key] = Pipeline(without_data(pipe.models))
        return self._pipes[key]


def facts_of(request: Request, source: Path | None, others: Sequence[Path] = ()) -> Facts:
    """Looks at the clips; raises InputError for one that cannot be used, DeviceError for a device that is not there."""
    device = resolve_device(request.device)
    dtype = str(resolve_dtype(request.dtype, device)).removeprefix("torch.")
    settings = request.variants
    if request.kind == "devices" or source is None:
        return Facts(RUNS, SIZE, settings, str(device), dtype)
    if request.truth:
        parse(request.damage)
    clip = open_clip(source)[request.frame_range]
    counts = [len(clip)]
    counts += [most] if (most := KINDS[request.kind].most_frames) else []
    size = (clip.height // SCALE, clip.width // SCALE) if request.truth else (clip.height, clip.width)
    counts += [_frames_beside(other, request, size) for other in others]
    return Facts(min(counts), size, settings, str(device), dtype)


def _frames_beside(other: Path, request: Request, size: tuple[int, int]) -> int:
    """How many frames a recording has for the comparison; raises InputError for one that cannot stand in it."""
    recording = open_clip(other)
    height, width = size
    if not request.size.fits(recording.size, (width, height)):
        raise InputError(
            f"{other} is {recording.width}x{recording.height}; a second video must be "
            f"{request.size.in_words((width, height))}."
        )
    count = len(recording[request.frame_range])
    if not count:
        raise InputError(f"{other} has {len(recording)} frames, and ends before frame {request.start}.")
    return count


def calibrate(facts: Facts) -> Speed:
    """Does a tiny job with the embedded model, and gives what it measured."""
    request = Request(kind="upscale", source=NOBODY, device=facts.device, dtype=facts.precision)
    pipe = load_pipeline(device=facts.device, dtype=facts.dtype)
    with tiny_clip() as data:
        KINDS["upscale"].function()(Task(request, data / "jobs" / NOBODY, data / "clip.mp4", warm=Warm(pipe)))
        measured = Speeds(data).get("", facts.device, facts.dtype)
    release_memory(pipe.device)
    assert measured is not None
    return measured


def _why(pipe: Pipeline, facts: Facts, settings: Settings, room: int) -> str:
    """What ``check_memory`` says of settings that do not fit."""
    try:
        check_memory(pipe, facts.size, settings, facts.device, available=room)
    except SettingsError as error:
        return str(error)
    raise AssertionError("these settings fit")


def in_reach(model: str) -> bool:
    """Whether a model loads without a download."""
    return not model or Path(model).is_dir() or model in models_in_reach()


def _without(why: str, request: Request, facts: Facts) -> Plan:
    """A plan without numbers."""
    text = f"{why}; how long {_work(request, facts)} will take is known after the first job."
    return Plan(frames=facts.frames, text=text)


def _work(request: Request, facts: Facts) -> str:
    h, w = facts.size
    count = f"{counted(facts.frames, 'frame')} of {w}x{h}"
    if request.kind == "devices":
        return f"Measuring {count}"
    return f"{count}, under {len(facts.settings)} settings," if len(facts.settings) > 1 else count


def duration(seconds: float) -> str:
    """``40 s``, ``3 min 20 s``, ``2 h 5 min``; as precise as an estimate can be."""
    if seconds < 10:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 87.5:
        return f"{round(seconds / 5) * 5} s"
    if seconds < 595:
        minutes, rest = divmod(round(seconds / 10) * 10, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
