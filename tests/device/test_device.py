"""Every device that is here makes the CPU's frames, in each of its precisions, with each engine that is ready at once.

``workbench bench --report`` runs these tests on a machine; where there is only a CPU they hold it to itself.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.tiny import tiny_models
from workbench.devices import available_devices, exact_float32, usable_dtypes
from workbench.engines.choose import engines_here
from workbench.engines.runner import make_runner
from workbench.engines.table import ENGINES
from workbench.models.models import Models
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.pipeline.state import State
from workbench.trace import Trace

pytestmark = [pytest.mark.device, pytest.mark.parametrize("device", available_devices())]
SETTINGS = Settings(steps=2, artg=0.8)
HALF = 0.03  # mean difference, of 1, that half precision may make of a random model's frame


def models_on(device: str, dtype: str = "fp32") -> Models:
    models = tiny_models()
    for network in models.networks.values():
        network.to(device, {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[dtype])
    models.prompt = models.prompt.to(device)
    return models


def ready_at_once(device: str) -> list[str]:
    """Engines that neither compile nor export anything."""
    here = engines_here(torch.device(device).type)
    return [name for name, why in here.items() if not (why or ENGINES[name].has_graphs or "compile" in name)]


def frames_of(device: str, moving_frames: list[np.ndarray], engine: str = "torch", dtype: str = "fp32") -> np.ndarray:
    models = models_on(device, dtype)
    pipe = Pipeline(models, make_runner(models, engine))
    with exact_float32():
        return np.stack([out.image for out in pipe.stream(moving_frames[:4], SETTINGS)])


def test_frames_are_the_cpus(device, moving_frames):
    wanted = frames_of("cpu", moving_frames)
    for engine in ready_at_once(device):
        found = frames_of(device, moving_frames, engine)
        assert np.abs(found.astype(int) - wanted).max() <= 1, engine
        assert (found != wanted).mean() < 1e-3, engine


def test_half_precision_stays_near(device, moving_frames):
    wanted = frames_of("cpu", moving_frames) / 255
    for dtype in usable_dtypes(torch.device(device)):
        for engine in ready_at_once(device):
            found = frames_of(device, moving_frames, engine, dtype) / 255
            assert np.abs(found - wanted).mean() < HALF, (engine, dtype)


def test_a_stream_that_is_cut_goes_on_bit_for_bit(device, moving_frames, tmp_path):
    for engine in ready_at_once(device):
        models = models_on(device)
        pipe = Pipeline(models, make_runner(models, engine))
        whole = [out.frame for out in pipe.stream(moving_frames[:4], SETTINGS)]
        *_, last = pipe.stream(moving_frames[:2], SETTINGS)
        state = State.load(last.state.save(tmp_path / f"{engine}.safetensors"))
        rest = [out.frame for out in pipe.stream(moving_frames[2:4], SETTINGS, state=state)]
        assert all(torch.equal(a, b) for a, b in zip(whole[2:], rest, strict=True)), engine


def test_streams_of_two_sizes_in_turn_do_not_disturb_each_other(device, moving_frames):
    small = [np.ascontiguousarray(frame[:16, :24]) for frame in moving_frames]
    for engine in ready_at_once(device):
        models = models_on(device)
        pipe = Pipeline(models, make_runner(models, engine))
        alone = [[out.frame for out in pipe.stream(clip[:3], SETTINGS)] for clip in (moving_frames, small)]
        turns = zip(pipe.stream(moving_frames[:3], SETTINGS), pipe.stream(small[:3], SETTINGS), strict=True)
        for k, outputs in enumerate(turns):
            assert all(torch.equal(out.frame, alone[clip][k]) for clip, out in enumerate(outputs)), engine


def test_taps_of_the_loop_only_look(device, moving_frames):
    for engine in ready_at_once(device):
        models = models_on(device)
        pipe = Pipeline(models, make_runner(models, engine))
        plain = [out.frame for out in pipe.stream(moving_frames[:2], SETTINGS)]
        trace = Trace("latent", "x0", "artg.*", "decoded", "tpm.*.previous")
        seen = [out.frame for out in pipe.stream(moving_frames[:2], SETTINGS, trace=trace)]
        assert all(torch.equal(a, b) for a, b in zip(plain, seen, strict=True)), engine
        assert {"latent", "decoded", "artg.mid", "tpm.6.previous"} <= set(trace.names)
        assert not torch.equal(trace["latent", 1][0], trace["latent", 1][1])
