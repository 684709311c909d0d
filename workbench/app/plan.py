"""What a job will take, before it starts: seconds, memory, and what would fit where it does not."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from workbench.app.request import Request
from workbench.app.speed import CALIBRATION_FRAMES, Speed, Speeds, tiny_clip, units
from workbench.app.work import WORK
from workbench.app.work.devices import RUNS, SIZE
from workbench.app.work.inside import BUDGET, MOST_FRAMES
from workbench.app.work.task import Task, Warm
from workbench.bench.cost import flop_per_frame
from workbench.devices import release_memory, resolve_device, resolve_dtype
from workbench.errors import SettingsError
from workbench.models.hub import models_in_reach
from workbench.models.models import SCALE
from workbench.pipeline.live import without_data
from workbench.pipeline.load import load_pipeline
from workbench.pipeline.memory import available_memory, check_memory, estimate_memory, readable, smaller
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.video import open_clip

NOBODY = "calibration-calibration"[:22]  # a token's shape, for requests that come from no upload
SHRUNK = (0.75, 0.5, 0.375, 0.25, 0.125)


@dataclass(frozen=True)
class Facts:
    """What a job is: ``frames`` of ``size`` (h, w), run under each of ``settings``."""

    frames: int
    size: tuple[int, int]
    settings: tuple[Settings, ...]
    device: str
    dtype: str


class Planner:
    """Holds models without their weights, and this machine's measured speeds. Thread-safe."""

    def __init__(self, data: Path) -> None:
        self.speeds = Speeds(data)
        self._lock = threading.Lock()
        self._pipes: dict[tuple[str, str, str], Pipeline] = {}
        self._flop = lru_cache(maxsize=256)(self._count)

    def plan(self, request: Request, source: Path | None = None, other: Path | None = None) -> dict[str, Any]:
        """As ``Service.plan`` gives it; raises WorkbenchError for a clip, model or device that cannot be used."""
        with self._lock:
            facts = facts_of(request, source, other)
            available = available_memory(facts.device)
            if not in_reach(request.model):
                return _unknown(request, facts, available)
            return self._plan(request, facts, available)

    def warm_up(self, request: Request) -> None:
        """Loads and calibrates what ``request`` will need, so that the first plan is quick."""
        with self._lock:
            facts = facts_of(request, None, None)
            if in_reach(request.model):
                self._speed(request, facts)

    def _plan(self, request: Request, facts: Facts, available: int) -> dict[str, Any]:
        pipe = self._pipe(request.model, facts)
        estimates = [estimate_memory(pipe, facts.size, settings, facts.device) for settings in facts.settings]
        beside = sum(e.state for e in estimates) - max(e.state for e in estimates)  # other streams, between frames
        beside += BUDGET if request.kind == "inside" else 0
        needs = max(e.working for e in estimates) + beside
        known = {
            "frames": facts.frames,
            "memory_bytes": needs + estimates[0].weights,
            "available_bytes": available,
            "fits": needs <= available,
            "seconds": None,
            "instead": None,
        }
        if not known["fits"]:
            return known | self._refusal(pipe, facts, available - beside)
        seconds = self._seconds(request, facts)
        memory = readable(known["memory_bytes"])
        text = f"{_work(request, facts)} will take about {duration(seconds)} and {memory} on {facts.device}."
        return known | {"seconds": seconds, "text": text}

    def _refusal(self, pipe: Pipeline, facts: Facts, room: int) -> dict[str, Any]:
        """Why it does not fit, and the nearest that does: settings, else a smaller frame."""
        for settings in facts.settings:
            try:
                check_memory(pipe, facts.size, settings, facts.device, available=room)
            except SettingsError as error:
                instead = next((c for c in smaller(settings) if self._fits(pipe, facts, settings.but(**c), room)), None)
                text = str(error) if instead else f"{error} {self._size_that_fits(pipe, facts, settings, room)}"
                return {"text": text, "instead": instead}
        return {"text": f"This needs more memory than the {readable(max(room, 0))} that are left.", "instead": None}

    def _size_that_fits(self, pipe: Pipeline, facts: Facts, settings: Settings, room: int) -> str:
        h, w = facts.size
        least = [settings, *(settings.but(**changes) for changes in smaller(settings))][-1]
        for factor in SHRUNK:
            size = (round(h * factor), round(w * factor))
            if min(size) >= 16 and self._fits(pipe, facts, least, room, size):
                return f"A clip of {size[1]}x{size[0]} fits."
        return "Close other programs, or use a machine with more memory."

    def _fits(
        self, pipe: Pipeline, facts: Facts, settings: Settings, room: int, size: tuple[int, int] | None = None
    ) -> bool:
        return estimate_memory(pipe, size or facts.size, settings, facts.device).working <= room

    def _seconds(self, request: Request, facts: Facts) -> float:
        speed = self._speed(request, facts)
        model = sum(self._frame(request.model, facts, speed, facts.size, settings) for settings in facts.settings)
        extra = speed.extra.get(request.kind, 0.0) * units(request.kind, facts.size, facts.settings[0].steps)
        return facts.frames * (model + extra)

    def _frame(self, model: str, facts: Facts, speed: Speed, size: tuple[int, int], settings: Settings) -> float:
        """Seconds of the model for one frame: as measured, in proportion to its operations."""
        measured = self._flop(model, facts.device, facts.dtype, speed.size, Settings.from_dict(speed.settings))
        return speed.seconds * self._flop(model, facts.device, facts.dtype, size, settings) / measured

    def _count(self, model: str, device: str, dtype: str, size: tuple[int, int], settings: Settings) -> int:
        return flop_per_frame(self._pipes[model, device, dtype], size, settings)

    def _speed(self, request: Request, facts: Facts) -> Speed:
        """As measured before, else measured now on a tiny job of this kind."""
        key = (request.model, facts.device, facts.dtype)
        speed = self.speeds.get(*key)
        kind = "upscale" if request.kind == "devices" else request.kind
        if speed is None or kind not in speed.extra:
            measured = calibrate(request, kind, facts)
            # A tiny clip says least about the model's own speed: what larger ones told stays.
            speed = measured if speed is None else Speed(speed.size, speed.settings, speed.seconds, measured.extra)
            self.speeds.put(*key, speed)
        self._pipe(request.model, facts)
        found = self.speeds.get(*key)
        assert found is not None
        return found

    def _pipe(self, model: str, facts: Facts) -> Pipeline:
        """The model's shapes; its weights are let go."""
        from torch._subclasses.fake_tensor import FakeTensorMode

        key = (model, facts.device, facts.dtype)
        if key not in self._pipes:
            pipe = load_pipeline(model or None, device="cpu", dtype=facts.dtype)
            self._pipes[key] = Pipeline(without_data(pipe.models, FakeTensorMode()))
        return self._pipes[key]


def facts_of(request: Request, source: Path | None, other: Path | None) -> Facts:
    """Looks at the clip; raises InputError for one that cannot be used, DeviceError for a device that is not there."""
    device = resolve_device(request.device)
    dtype = str(resolve_dtype(request.dtype, device)).removeprefix("torch.")
    settings = [request.settings]
    if isinstance(request.other, Settings):
        settings.append(request.other)
    if request.kind == "devices" or source is None:
        return Facts(RUNS, SIZE, tuple(settings), str(device), dtype)
    clip = open_clip(source)
    counts = [len(clip), request.frames or len(clip)]
    counts += [MOST_FRAMES] if request.kind == "inside" else []
    counts += [len(open_clip(other))] if other is not None else []
    size = (clip.height // SCALE, clip.width // SCALE) if request.truth else (clip.height, clip.width)
    return Facts(min(counts), size, tuple(settings), str(device), dtype)


def calibrate(request: Request, kind: str, facts: Facts) -> Speed:
    """Does a tiny job of this kind and gives what it measured."""
    tiny = Request(
        kind=kind,  # type: ignore[arg-type]
        source=NOBODY,
        model=request.model,
        device=facts.device,
        dtype=request.dtype,
        frames=CALIBRATION_FRAMES,
        other="bicubic" if kind == "compare" else None,
    )
    pipe = load_pipeline(request.model or None, device=facts.device, dtype=facts.dtype)
    with tiny_clip() as data:
        task = Task(tiny, data / "jobs" / NOBODY, data / "clip.mp4", warm=Warm(pipe, request.model))
        WORK[kind](task)
        measured = Speeds(data).get(request.model, facts.device, facts.dtype)
    release_memory(pipe.device)
    assert measured is not None
    return measured


def in_reach(model: str) -> bool:
    """Whether a model loads without a download."""
    return not model or Path(model).is_dir() or model in models_in_reach()


def _unknown(request: Request, facts: Facts, available: int) -> dict[str, Any]:
    text = f"{request.model} is downloaded first; how long {_work(request, facts)} will take is known after that."
    return {
        "frames": facts.frames,
        "seconds": None,
        "memory_bytes": None,
        "available_bytes": available,
        "fits": True,
        "text": text,
        "instead": None,
    }


def _work(request: Request, facts: Facts) -> str:
    h, w = facts.size
    count = f"{facts.frames} frame{'s' if facts.frames > 1 else ''} of {w}x{h}"
    if request.kind == "devices":
        return f"Measuring {count}"
    return f"{count}, under two settings," if len(facts.settings) > 1 else count


def duration(seconds: float) -> str:
    """``40 s``, ``3 min 20 s``, ``2 h 5 min``; as precise as an estimate can be."""
    if seconds < 10:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 90:
        return f"{round(seconds / 5) * 5} s"
    minutes = seconds / 60
    if minutes < 10:
        return f"{int(minutes)} min {round(seconds % 60 / 10) * 10 % 60} s"
    return f"{minutes:.0f} min" if minutes < 60 else f"{int(minutes // 60)} h {round(minutes % 60 / 5) * 5 % 60} min"
