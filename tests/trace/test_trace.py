"""Tracing observes: whatever is recorded, the frames stay the same, and nothing is left behind."""

from __future__ import annotations

import gc
import runpy
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny import generative_models, tiny_models
from workbench.errors import InputError, TraceError
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.trace import Trace
from workbench.trace.taps import TABLE, row_of

TWO = Settings(steps=2)
ROOT = Path(__file__).parents[2]


def everything(**policy) -> Trace:
    trace = Trace("*", **policy)
    trace.modules("unet", "**")
    trace.modules("controlnet", "**")
    trace.modules("conditioning", "**")
    trace.modules("vae", "decoder.layers.*")
    trace.attention("**")
    return trace


def hooks(pipe: Pipeline) -> int:
    modules = [module for network in pipe.models.networks.values() for module in network.modules()]
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules)


@pytest.fixture(scope="module")
def traced(tiny_pipe, moving_frames):
    """Three frames that need padding, everything on."""
    trace = everything()
    outputs = list(tiny_pipe.stream([frame[:22, :30] for frame in moving_frames[:3]], TWO, trace=trace))
    return trace, outputs


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tpm": False},
        {"artg": 0},
        {"attention_slicing": True, "vae_slicing": True},
        {"reuse_residuals": True, "reuse_deep_features": True},
    ],
)
def test_outputs_are_bit_identical_with_everything_traced(tiny_pipe, moving_frames, changes):
    settings = TWO.but(**changes)
    plain = [out.frame for out in tiny_pipe.stream(moving_frames[:3], settings)]
    traced = [out.frame for out in tiny_pipe.stream(moving_frames[:3], settings, trace=everything())]
    assert all(torch.equal(a, b) for a, b in zip(plain, traced, strict=True))


def test_every_tap_of_the_table_fires_with_the_shape_it_promises(moving_frames):
    traces = Trace("*"), Trace("base", "residual")
    for trace, models in zip(
        traces, (tiny_models(back_projection=0.5, fit=0.1, blend=0.5), generative_models()), strict=True
    ):
        list(Pipeline(models).stream([frame[:22, :30] for frame in moving_frames[:2]], TWO, trace=trace))
    fixed = {"h": 24, "w": 32, "H": 96, "W": 128, "3": 3, "2": 2, "1": 1, "4": 4, "7": 7}
    for row in TABLE:
        name = row.name.replace("{k}", "0")
        trace = next(trace for trace in traces if (name, 1) in trace)
        shape = trace[name, 1].shape[1 if "step" in row.fires else 0 :]
        wanted = [part.strip() for part in row.shape.strip("()").split(",") if part.strip()]
        assert len(shape) == len(wanted), name
        if row.range != "0..1":  # pictures are cropped
            assert all(fixed.get(part, size) == size for part, size in zip(wanted, shape, strict=True)), name
        else:
            assert tuple(shape) == (3, 88, 120), name


def test_ranges_are_as_the_table_says(traced):
    trace, _ = traced
    assert trace["lr", 1].abs().max() <= 1
    assert set(trace["occlusion", 1].unique().tolist()) <= {0.0, 1.0}
    assert trace["flow.round_trip", 1].min() >= 0
    assert not trace["occlusion", 1][trace["flow.round_trip", 1] < 0.5**0.5].any(), "who comes back is visible"
    for name in ("frame", "x0.picture", "latent.picture"):
        assert 0 <= trace[name, 1].min() <= trace[name, 1].max() <= 1


def test_per_frame_taps_fire_when_the_table_says(traced):
    trace, _ = traced
    for row in TABLE:
        for name in (n for n in trace.names if row_of(n) is row):
            assert trace.frames(name) == ([1, 2] if "from the second" in row.fires else [0, 1, 2]), name


def test_recorded_values_are_those_of_the_run(traced):
    trace, outputs = traced
    assert torch.equal(trace["frame", 2], outputs[2].frame)
    assert torch.equal(trace["previous", 2][None], outputs[1].state.previous_output)
    assert torch.equal(trace["unet.input", 2][1, :4], trace["latent", 2][0])
    assert torch.equal(trace["unet.input", 2][0, :4], trace["noise", 2])
    assert torch.equal(trace["unet.conv_out", 2], trace["noise_pred", 2])
    assert torch.equal(trace["conditioning.conv_out", 2], trace["artg.embedding", 2])
    assert torch.equal(trace["vae.decoder.layers.2", 2], trace["decoder.0", 2])


def test_the_round_trip_of_a_pure_shift_ends_where_it_began(tiny_pipe, moving_frames):
    shift = torch.tensor([8.0, 4.0]).view(2, 1, 1).expand(2, 96, 128)
    there_and_back = iter([shift, -shift])
    trace = Trace("flow*")
    list(tiny_pipe.stream(moving_frames[:2], TWO, trace=trace, flow=lambda current, previous: next(there_and_back)))
    assert torch.equal(trace["flow.backward", 1], -trace["flow", 1])
    assert not trace["flow.round_trip", 1].any()


def test_values_are_copies(tiny_pipe, moving_frames):
    trace = Trace("previous")
    outputs = list(tiny_pipe.stream(moving_frames[:2], TWO, trace=trace))
    kept = outputs[0].state.previous_output.clone()
    trace["previous", 1].zero_()
    assert torch.equal(outputs[0].state.previous_output, kept)


def test_the_last_latent_as_a_picture_is_the_frame(traced):
    trace, outputs = traced
    for out in outputs:
        assert torch.equal(trace["latent.picture", out.index][-1], out.frame)
        assert torch.equal(trace.image("latent", out.index), out.frame)


@pytest.mark.parametrize("sliced", [False, True])
def test_pictures_on_demand_equal_pictures_recorded_in_the_run(tiny_pipe, moving_frames, sliced):
    settings = TWO.but(vae_slicing=sliced)
    demanded, recorded = Trace("x0"), Trace("x0.picture")
    for trace in (demanded, recorded):
        list(tiny_pipe.stream(moving_frames[:2], settings, trace=trace))
    for step in range(2):
        assert torch.equal(demanded.image("x0", 1, step), recorded["x0.picture", 1][step])


def test_pictures_of_taps_are_cropped_to_the_frame(traced):
    trace, outputs = traced
    assert trace.image("warped", 1).shape == outputs[1].frame.shape == (3, 88, 120)
    assert trace.image("lr", 1).shape == (3, 22, 30)
    assert torch.equal(trace.image("decoded", 1), outputs[1].frame)
    with pytest.raises(TraceError, match="no picture"):
        trace.image("flow", 1)


def test_decoding_needs_a_model_that_is_there(tiny_pipe, moving_frames, tmp_path):
    trace = Trace("x0")
    list(tiny_pipe.stream(moving_frames[:2], TWO, trace=trace))
    replayed = Trace.load(trace.save(tmp_path / "t.safetensors"))
    with pytest.raises(TraceError, match=r"pass pipe=.*record 'x0.picture'"):
        replayed.image("x0", 1, 0)
    assert torch.equal(replayed.image("x0", 1, 0, pipe=tiny_pipe), trace.image("x0", 1, 0))
    with pytest.raises(TraceError, match="there is no step 2"):
        trace.image("x0", 1, 2)


def test_seconds_and_memory_are_recorded(traced):
    trace, outputs = traced
    assert trace.seconds == {out.index: out.seconds for out in outputs}
    assert {"flow", "warp", "controlnet", "unet", "decode", "output"} <= trace.seconds[1].keys()
    assert trace.peak_memory > 10**8  # this process holds torch


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("flwo", "'flow'"),
        ("tmp.2.fused", "'tpm.{k}.fused'"),
        ("latents", "'latent'"),
        ("unet.mid_block", "trace.modules"),
        ("", "The taps are: lr"),
    ],
)
def test_unknown_names_raise_with_the_near_ones(name, hint):
    with pytest.raises(TraceError) as error:
        Trace("flow", name)
    assert hint in str(error.value)


def test_a_block_the_model_lacks_raises_before_anything_runs(tiny_pipe, moving_frames):
    for trace in (Trace("tpm.7.fused"), Trace()):
        trace.edit("artg.down.4", lambda value, frame, step: value)
        with pytest.raises(TraceError, match="7 decoder blocks and 4 ARTG residuals"):
            next(iter(tiny_pipe.stream(moving_frames[:1], TWO, trace=trace)))


def test_asking_for_what_was_not_recorded_says_why(traced):
    trace, _ = traced
    with pytest.raises(TraceError, match=r"holds no frame 0; it holds frames 1\.\.2\. It fires once a frame, from the"):
        trace["flow", 0]
    with pytest.raises(TraceError, match="was not recorded"):
        trace["projected", 0]
    with pytest.raises(TraceError, match="Did you mean 'flow'"):
        trace["flov", 0]
    with pytest.raises(TraceError, match="ask for"):
        trace["flow"]
    assert ("flow", 1) in trace
    assert ("flow", 0) not in trace


def test_the_repr_names_shapes_and_frames(traced):
    lines = repr(traced[0]).splitlines()
    assert lines[0].startswith("Trace(3 frames, ")
    assert any(line.split() == ["flow", "(2,", "96,", "128)", "frames", "1..2"] for line in lines)
    assert any(line.startswith("  tpm.{0..6}.fused") for line in lines)


def test_hooks_are_gone_after_the_end_an_error_an_interrupt_and_a_close(tiny_pipe, moving_frames):
    def interrupting(current, previous):
        raise KeyboardInterrupt

    assert hooks(tiny_pipe) == 0
    list(tiny_pipe.stream(moving_frames[:2], TWO, trace=everything()))
    assert hooks(tiny_pipe) == 0
    with pytest.raises(InputError):
        list(tiny_pipe.stream([moving_frames[0], moving_frames[0][:16]], TWO, trace=everything()))
    assert hooks(tiny_pipe) == 0
    with pytest.raises(KeyboardInterrupt):
        list(tiny_pipe.stream(moving_frames[:2], TWO, trace=everything(), flow=interrupting))
    assert hooks(tiny_pipe) == 0
    stream = tiny_pipe.stream(moving_frames[:2], TWO, trace=everything())
    next(stream)
    assert hooks(tiny_pipe) == 0, "between frames there are none either"
    stream.close()
    assert hooks(tiny_pipe) == 0


def test_hooks_are_there_while_a_frame_is_made(tiny_pipe, moving_frames):
    trace, seen = everything(), []
    trace.edit("latent", lambda value, frame, step: seen.append(hooks(tiny_pipe)) or value)
    list(tiny_pipe.stream(moving_frames[:1], TWO, trace=trace))
    assert min(seen) > 50


def test_a_frame_that_fails_leaves_nothing_and_can_be_made_again(tiny_pipe, moving_frames):
    def interrupting(current, previous):
        raise KeyboardInterrupt

    trace = Trace("lr", "latent")
    first = next(tiny_pipe.stream(moving_frames[:1], TWO, trace=trace))
    with pytest.raises(KeyboardInterrupt):
        tiny_pipe.step(moving_frames[1], first.state, TWO, trace=trace, flow=interrupting)
    assert trace.frames("lr") == [0]
    tiny_pipe.step(moving_frames[1], first.state, TWO, trace=trace)
    assert trace.frames("lr") == [0, 1]


def test_one_trace_holds_one_run(tiny_pipe, moving_frames):
    trace = Trace("flow")
    list(tiny_pipe.stream(moving_frames[:1], TWO, trace=trace))
    with pytest.raises(TraceError, match="already holds frame 0"):
        list(tiny_pipe.stream(moving_frames[:1], TWO, trace=trace))


def test_interleaved_streams_do_not_mix(tiny_pipe, moving_frames):
    def taps(trace: Trace) -> dict:
        return {(name, frame): trace[name, frame] for name in trace.names for frame in trace.frames(name)}

    def run(*sources):
        traces = [everything() for _ in sources]
        streams = [tiny_pipe.stream(s, TWO, trace=t) for s, t in zip(sources, traces, strict=True)]
        for _ in zip(*streams, strict=True):
            pass
        return [taps(trace) for trace in traces]

    one, other = moving_frames[:3], [np.flipud(frame).copy() for frame in moving_frames[3:]]
    together, apart = run(one, other), [*run(one), *run(other)]
    for a, b in zip(together, apart, strict=True):
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a)
    assert not torch.equal(together[0]["flow", 1], together[1]["flow", 1])


def test_memory_returns(tiny_pipe, moving_frames):
    trace = everything()
    alive: list[weakref.ref] = []
    trace.edit("latent", lambda value, frame, step: alive.append(weakref.ref(value)) or value)
    list(tiny_pipe.stream(moving_frames[:2], TWO, trace=trace))
    assert alive
    assert not any(reference() is not None for reference in alive), "the run's own tensors outlive it"
    kept = weakref.ref(trace)
    del trace
    gc.collect()
    assert kept() is None, "the pipeline must not hold the trace"


def test_a_trace_does_not_keep_the_models_alive(moving_frames):
    pipe = Pipeline(tiny_models())
    trace = Trace("x0")
    list(pipe.stream(moving_frames[:1], TWO, trace=trace))
    network = weakref.ref(pipe.models.unet)
    del pipe
    gc.collect()
    assert network() is None
    with pytest.raises(TraceError, match="needs a model"):
        trace.image("x0", 0, 0)


def test_the_tables_on_the_page_of_taps_are_as_the_code_says():
    page = runpy.run_path(str(ROOT / "docs" / "site" / "taps.py"))["page"]
    text = (ROOT / "docs" / "taps.md").read_text(encoding="utf-8")
    assert text == page(text), "run: python docs/site/taps.py"
    assert all(f"| `{row.name}` |" in text for row in TABLE)


def test_the_loop_s_way_to_taps_is_free_of_torch():
    code = "import sys, workbench.trace.tap; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
