"""CUDA graphs' bookkeeping, with a stand-in for the recorder: the same frames, and nothing left of another call."""

from __future__ import annotations

import pytest
import torch

from tests.tiny import generative_models, tiny_models
from workbench.engines.captured import CapturedRunner
from workbench.engines.graphs import SIZES
from workbench.engines.parts import needed
from workbench.engines.runner import make_runner
from workbench.engines.table import ENGINES
from workbench.errors import EngineError, InputError, SettingsError, TraceError
from workbench.pipeline.memory import estimate_memory
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.trace import Trace

SIZE = (24, 32)
ENGINE = ENGINES["cudagraphs"]


def record(call):
    """As a CUDA graph does it: each replay writes over the results of the one before."""
    results = call()

    def replay() -> None:
        for held, value in zip(results, call(), strict=True):
            held.copy_(value)

    return results, replay


def captured(models) -> CapturedRunner:
    return CapturedRunner(models, ENGINE, lambda: record)


@pytest.mark.parametrize("make", [tiny_models, generative_models])
@pytest.mark.parametrize(
    "changes", [{"artg": 0.8}, {"artg": 0}, {"tpm": False}, {"vae_slicing": True}, {"reuse_deep_features": True}]
)
def test_frames_are_those_of_torch(moving_frames, make, changes):
    settings, models = Settings(steps=2, **changes), make()
    theirs = [out.frame for out in Pipeline(models).stream(moving_frames[:3], settings)]
    ours = [out.frame for out in Pipeline(models, captured(models)).stream(moving_frames[:3], settings)]
    assert all(torch.equal(a, b) for a, b in zip(theirs, ours, strict=True))


def test_what_was_given_out_stays_as_it_was(moving_frames):
    models = tiny_models()
    pipe = Pipeline(models, captured(models))
    first, second = Trace("artg.mid"), Trace("artg.mid")
    _, state = pipe.step(moving_frames[0], None, Settings(steps=2))
    pipe.step(moving_frames[1], state, Settings(steps=2), trace=first)
    before = first["artg.mid", 1].clone()
    pipe.step(moving_frames[2], state, Settings(steps=2), trace=second)
    assert torch.equal(first["artg.mid", 1], before)
    assert not torch.equal(before[0], before[1])


def test_parts_are_recorded_once_for_a_size_and_old_sizes_go():
    models, made = tiny_models(), []
    runner = CapturedRunner(models, ENGINE, lambda: made.append("recorder") or record)
    for _ in range(2):
        runner.prepare(SIZE)
    assert len(made) == 1
    assert list(runner._sizes[SIZE]) == list(needed(models))
    for k in range(SIZES):
        runner.prepare((8, 8 + 4 * k))
    assert SIZE not in runner._sizes
    assert len(runner._sizes) == SIZES


def test_what_it_does_not_have_is_named(moving_frames):
    models = tiny_models()
    pipe = Pipeline(models, captured(models))
    with pytest.raises(TraceError, match="--engine torch"):
        next(pipe.stream(moving_frames[:1], trace=Trace("tpm.*.fused")))
    with pytest.raises(SettingsError, match="attention_slicing"):
        next(pipe.stream(moving_frames[:1], Settings(attention_slicing=True)))
    with pytest.raises(InputError, match="one frame at a time"):
        pipe.engine.models.vae.decode(torch.zeros(2, 4, *SIZE))
    with pytest.raises(EngineError, match="runs on cuda, not on cpu"):
        make_runner(models, "cudagraphs")


def test_the_estimate_counts_the_recordings_memory():
    models = tiny_models()
    plain, ours = (estimate_memory(pipe, SIZE) for pipe in (Pipeline(models), Pipeline(models, captured(models))))
    assert 0 < ours.engine <= 2 * max(plain.stages.values())
