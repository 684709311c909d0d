"""How much memory a run will need, known before it starts.

The loop itself runs one frame for its shapes only (``pipeline.shapes``), so the estimate follows every model, size,
precision and setting. RAFT's correlation volume, the one part that grows with the square of the pixels, is also
given by its closed form.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

import torch

from workbench.devices import readable
from workbench.errors import SettingsError
from workbench.flow.estimators import still
from workbench.flow.table import ESTIMATORS, WITHOUT_WEIGHTS
from workbench.models.models import Models, weight_bytes
from workbench.pipeline import stream
from workbench.pipeline.clock import Timer, untimed
from workbench.pipeline.frames import padded
from workbench.pipeline.live import LiveBytes
from workbench.pipeline.motion import UNUSED, choose_flow, correlation_volume, on_grid
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings, words
from workbench.pipeline.shapes import shapes_only, without_data
from workbench.pipeline.state import State
from workbench.pixels import SCALE

MAP_FROM = 128 * 2**10  # bytes from which an allocation is returned to the system when it is freed
SMALL = 5 * 2**20  # what the interpreter, compiled kernels and allocations below that take; chosen by measurement
M_MMAP_THRESHOLD = -3  # of glibc's malloc.h


@dataclass(frozen=True)
class Estimate:
    """Bytes that a run needs beyond what the process holds before the model is loaded."""

    size: tuple[int, int]
    """(h, w) of the frames"""
    device: str
    weights: int
    stages: dict[str, int]
    """the highest point while each stage runs, with everything that is alive then"""
    state: int
    """of that, what passes from frame to frame"""
    flow: str
    """the estimator"""
    correlation: int = 0
    """of that, the estimator's correlation volume; 0 where it makes none"""
    engine: int = 0
    """beside the stages, what an engine holds: its own weights, and the most that each of its graphs needs"""

    @property
    def largest(self) -> str:
        """The stage at which the peak is."""
        return max(self.stages, key=lambda name: self.stages[name])

    @property
    def working(self) -> int:
        """The peak without the weights."""
        small = SMALL if torch.device(self.device).type == "cpu" else 0
        return self.stages[self.largest] + self.engine + small

    @property
    def peak(self) -> int:
        return self.weights + self.working

    def __str__(self) -> str:
        h, w = self.size
        lines = [
            f"{w}x{h} -> {SCALE * w}x{SCALE * h} on {self.device}: "
            f"about {readable(self.peak)} at the peak, in {self.largest}",
            f"  {'weights':14}{readable(self.weights):>10}",
            f"  {'state':14}{readable(self.state):>10}",
            *(f"  {name:14}{readable(count):>10}" for name, count in self.stages.items()),
        ]
        if self.engine:
            lines.append(f"  {'engine':14}{readable(self.engine):>10}")
        if self.correlation:
            lines.append(f"  of flow, {readable(self.correlation)} are {self.flow}'s correlation volume")
        return "\n".join(lines)


def estimate_memory(
    model: Pipeline | Models,
    size: tuple[int, int],
    settings: Settings | None = None,
    device: str | torch.device | None = None,
) -> Estimate:
    """What frames of ``size`` (h, w) need with these settings; ``device`` None: where the model is.

    A ``Pipeline`` answers for the flow it would really use (raises FlowError when that cannot be had); for ``Models``
    the estimator that the settings name is assumed.
    """
    settings, where = settings or Settings(), str(device or model.device)
    flow = _flow_of(model, settings, size)
    known = _KNOWN.setdefault(model, {}) if isinstance(model, Pipeline) else {}
    settings = settings.but(steps=_telling_steps(settings), seed=0)
    key = (size, settings, where, flow)
    if key not in known:
        known[key] = _estimated(model, size, settings, where, *flow)
    if not isinstance(model, Pipeline):
        return known[key]
    found, engine = known[key], model.engine_at(size, settings)
    return replace(found, engine=engine.extra_memory(found.stages, found.weights, sliced=settings.vae_slicing))


def _telling_steps(settings: Settings) -> int:
    """One timestep is as large as many; what is reused is held beside a second one."""
    return min(settings.steps, 2 if settings.reuse_residuals or settings.reuse_deep_features else 1)


_KNOWN: WeakKeyDictionary[Pipeline, dict[Any, Estimate]] = WeakKeyDictionary()
"""Of clips of one size after another, each estimate is made once: it takes some .1 s."""


def _estimated(
    model: Pipeline | Models, size: tuple[int, int], settings: Settings, device: str, estimator: str, grid: str
) -> Estimate:
    live = LiveBytes()
    weights, state = run_shapes(model, size, settings, live, clock=live)
    return Estimate(
        size=size,
        device=device,
        weights=weights,
        stages=live.peaks,
        state=state,
        flow=estimator,
        correlation=correlation_volume(size, grid, estimator) if estimator in ESTIMATORS else 0,
    )


def run_shapes(
    model: Pipeline | Models,
    size: tuple[int, int],
    settings: Settings,
    watch: AbstractContextManager[object],
    *,
    clock: Timer = untimed,
) -> tuple[int, int]:
    """One frame that has a previous one, for its shapes only, under ``watch``; bytes of all weights, and of the state.

    What ``watch`` adds up over time depends on ``settings.steps``; its peak does not, beyond ``_telling_steps``.
    """
    models = model.models if isinstance(model, Pipeline) else model
    estimator, grid = _flow_of(model, settings, size)
    height, width = padded(size)
    shapes = without_data(models)
    shapes.__class__ = _Unscheduled
    shapes.slice_attention(settings.attention_slicing)
    estimate, flow_network = still, None  # an estimator without a network takes a few bytes a pixel
    if estimator in ESTIMATORS and ESTIMATORS[estimator].network is not None:
        with shapes_only():
            estimate, flow_network = ESTIMATORS[estimator].build(weights=False)
        flow_network.eval().requires_grad_(False)
    with torch.no_grad(), shapes_only(), watch:
        lr = torch.empty(1, 3, height, width)
        noise = torch.empty(1, models.vae.config["latent_channels"], height, width)
        raw, shown = (torch.empty(1, 3, SCALE * height, SCALE * width) for _ in range(2))
        before = State(1, raw, torch.empty_like(lr), size, settings)
        stream.step(shapes, lr, noise, before, settings, flow=on_grid(estimate, grid), clock=clock)
        state = 4 * (raw.numel() + shown.numel() + lr.numel())
    networks = [*models.networks.values(), *([] if flow_network is None else [flow_network])]
    return weight_bytes(networks), state


def flop_per_frame(pipe: Pipeline, size: tuple[int, int], settings: Settings) -> int:
    """Floating-point operations of the networks (a multiplication and an addition are two) for one later frame."""
    known, key = _FLOP.setdefault(pipe, {}), (size, settings.but(seed=0))
    if key not in known:
        live = LiveBytes()
        run_shapes(pipe, size, settings, live)
        known[key] = live.flop
    return known[key]


_FLOP: WeakKeyDictionary[Pipeline, dict[Any, int]] = WeakKeyDictionary()


def available_memory(device: str | torch.device) -> int:
    """Bytes that can still be asked for on ``device``; on the CPU, within the container's limit where there is one."""
    device = torch.device(device)
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    import psutil

    return min([psutil.virtual_memory().available, *_container_limit()])


def check_memory(
    model: Pipeline | Models,
    size: tuple[int, int],
    settings: Settings | None = None,
    device: str | torch.device | None = None,
    *,
    available: int | None = None,
) -> Estimate:
    """The estimate, where it fits into what is ``available`` (None: asked of the device).

    Otherwise raises SettingsError, with the nearest settings that do fit. The weights count as loaded already.
    """
    settings = settings or Settings()
    estimate = estimate_memory(model, size, settings, device)
    room = available_memory(estimate.device) if available is None else available
    if estimate.working <= room:
        return estimate
    h, w = size
    why = f"the peak is in {estimate.largest}"
    if estimate.correlation and estimate.largest == "flow":
        why = f"{estimate.flow}'s correlation volume alone takes {readable(estimate.correlation)}"
    way_out = "Use smaller frames."
    for changes in smaller(settings):
        other = estimate_memory(model, size, settings.but(**changes), device)
        if other.working <= room:
            way_out = f"With {words(changes)} it needs {readable(other.working)} and fits."
            break
    raise SettingsError(
        f"frames of {w}x{h} need about {readable(estimate.working)} beside the weights, and {estimate.device} has "
        f"{readable(room)} left; {why}. {way_out}"
    )


def smaller(settings: Settings) -> Iterator[dict[str, object]]:
    """Changes that need less memory: first those that leave the picture as it is."""
    same: dict[str, object] = {}
    if not settings.vae_slicing:
        same["vae_slicing"] = True
    if settings.attention_slicing:
        same["attention_slicing"] = False
    flows: list[dict[str, object]] = [{}, {"flow_size": "input"}, {"flow": WITHOUT_WEIGHTS, "flow_size": "input"}]
    for flow in flows:
        for extra in ({}, same) if flow and same else (same,):
            if settings.but(**flow, **extra) != settings:
                yield flow | extra


def steady_memory() -> None:
    """Makes freed maps leave the process at once (Linux with glibc; nothing elsewhere).

    By default glibc raises its limit for that to 32 MiB as a program runs, keeps the freed pieces, and cannot fit the
    next frame's into them: the same run then peaks differently each time, by up to twice what it asked for. It is
    for measuring memory only: pages that are new for every map made a run take 1.7 times as long.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, MAP_FROM)


class _Unscheduled(Models):
    """Models whose timesteps are shapes, too: a schedule reads values, and shapes have none."""

    def schedule(self, steps: int) -> SimpleNamespace:  # type: ignore[override]
        return SimpleNamespace(
            init_noise_sigma=1.0,
            alphas_cumprod=torch.full((1000,), 0.5, device="cpu"),
            timesteps=[torch.tensor(999, device="cpu")] * steps,
            scale_model_input=lambda sample, t: sample,
            step=lambda prediction, t, sample, **_: (prediction + sample, prediction.clone()),
        )


def _flow_of(model: Pipeline | Models, settings: Settings, size: tuple[int, int]) -> tuple[str, str]:
    """The flow's estimator and grid."""
    if not (settings.artg or settings.tpm):
        return UNUSED.estimator, UNUSED.size
    if isinstance(model, Pipeline):
        motion = model.motion(settings, size)
        return motion.estimator, motion.size
    choice = choose_flow(settings, model.properties, size)
    return choice.estimator, choice.grid


def _container_limit() -> list[int]:
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    try:
        return [int(limit.read_text()) - int(used.read_text())]
    except (OSError, ValueError):  # there is no cgroup, or it says "max"
        return []
