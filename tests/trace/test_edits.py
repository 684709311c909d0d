"""Edits replace what flows on; what can only be observed says so."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.tiny import generative_models, tiny_models
from workbench.errors import TraceError
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.trace import Trace
from workbench.trace.taps import TABLE

TWO = Settings(steps=2)


def run(pipe, frames, trace=None, settings=TWO, **more):
    return list(pipe.stream(frames, settings, trace=trace, **more))


def same(a, b) -> list[bool]:
    return [torch.equal(x.frame, y.frame) for x, y in zip(a, b, strict=True)]


def zero(value, frame, step):
    return torch.zeros_like(value)


def test_zeroing_every_residual_is_artg_off(tiny_pipe, moving_frames):
    trace = Trace()
    trace.edit("artg.down.*", zero)
    trace.edit("artg.mid", zero)
    edited = run(tiny_pipe, moving_frames[:3], trace)
    assert all(same(edited, run(tiny_pipe, moving_frames[:3], settings=TWO.but(artg=0))))


def test_scaling_every_residual_is_the_artg_setting(tiny_pipe, moving_frames):
    trace = Trace()
    trace.edit("artg.down.*", lambda value, frame, step: value * 0.5)
    trace.edit("artg.mid", lambda value, frame, step: value * 0.5)
    edited = run(tiny_pipe, moving_frames[:3], trace)
    assert all(same(edited, run(tiny_pipe, moving_frames[:3], settings=TWO.but(artg=0.5))))


def test_muting_every_block_is_tpm_off(tiny_pipe, moving_frames):
    trace = Trace()
    trace.edit("tpm.*.contribution", zero)
    edited = run(tiny_pipe, moving_frames[:3], trace)
    assert all(same(edited, run(tiny_pipe, moving_frames[:3], settings=TWO.but(tpm=False))))


def test_zero_flow_is_the_flow_none_setting(tiny_pipe, moving_frames):
    trace = Trace("flow")
    trace.edit("flow", zero)
    edited = run(tiny_pipe, moving_frames[:3], trace)
    assert all(same(edited, run(tiny_pipe, moving_frames[:3], settings=TWO.but(flow="none"))))
    assert not trace["flow", 1].any(), "the edited value is the recorded one"


def test_replacing_the_noise_is_another_seed(tiny_pipe, moving_frames):
    seeded = Trace("noise")
    other = run(tiny_pipe, moving_frames[:2], seeded, TWO.but(seed=5))
    trace = Trace()
    trace.edit("noise", lambda value, frame, step: seeded["noise", frame])
    assert all(same(run(tiny_pipe, moving_frames[:2], trace), other))


def test_replacing_previous_output_and_latent(tiny_pipe, moving_frames):
    other = Trace("decoded", "latent")
    frozen = run(tiny_pipe, [np.flipud(f).copy() for f in moving_frames[:2]], other)
    trace = Trace("warped", "flow")
    trace.edit("latent", lambda value, frame, step: other["latent", frame][step])
    edited = run(tiny_pipe, moving_frames[:2], trace, TWO.but(tpm=False))
    assert torch.equal(edited[0].frame, frozen[0].frame), "decoding sees the frozen latent"
    trace = Trace("warped")
    trace.edit("previous", lambda value, frame, step: other["decoded", 0])
    run(tiny_pipe, moving_frames[:2], trace, TWO.but(flow="none"))
    assert torch.allclose(trace["warped", 1], other["decoded", 0], atol=1e-5)


def test_an_edit_from_frame_two_on_changes_no_frame_before(tiny_pipe, moving_frames):
    trace = Trace()
    trace.edit("artg.mid", lambda value, frame, step: value * 2 if frame >= 2 else value)
    edited = run(tiny_pipe, moving_frames[:4], trace)
    assert same(edited, run(tiny_pipe, moving_frames[:4])) == [True, True, False, False]


@pytest.mark.parametrize("row", [row for row in TABLE if row.editable], ids=lambda row: row.name)
def test_every_editable_tap_flows_on(moving_frames, row):
    of_base = row.name in ("base", "residual")  # beside a base, a model declares none of the others
    pipe = Pipeline(generative_models() if of_base else tiny_models(back_projection=0.5, fit=0.1, blend=0.5))
    trace = Trace()
    trace.edit(row.name.replace("{k}", "1"), lambda value, frame, step: value + 3)
    changed = run(pipe, moving_frames[:2], trace)
    assert not torch.equal(changed[1].frame, run(pipe, moving_frames[:2])[1].frame)
    assert next(iter(changed[1].metadata["edits"].values())) > 0


@pytest.mark.parametrize("row", [row for row in TABLE if not row.editable], ids=lambda row: row.name)
def test_every_observed_tap_says_what_to_edit_instead(row):
    with pytest.raises(TraceError, match=r"can be recorded but not edited: .* edit '"):
        Trace().edit(row.name, zero)


def test_a_glob_must_not_reach_an_observed_tap():
    with pytest.raises(TraceError, match="'x0' can be recorded but not edited"):
        Trace().edit("x*", zero)
    with pytest.raises(TraceError, match="Did you mean 'flow'"):
        Trace().edit("flwo", zero)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda value, frame, step: None, r"'flow' \(frame 1\) must return a tensor of shape \(2, 96, 128\)"),
        (lambda value, frame, step: value[:1], r"keep the shape: expected \(2, 96, 128\), got \(1, 96, 128\)"),
        (lambda value, frame, step: value.half(), r"keep the dtype: expected torch.float32, got torch.float16"),
    ],
)
def test_what_an_edit_returns_is_checked(tiny_pipe, moving_frames, function, message):
    trace = Trace()
    trace.edit("flow", function)
    with pytest.raises(TraceError, match=message):
        run(tiny_pipe, moving_frames[:2], trace)


def test_an_edit_in_place_cannot_reach_the_state(tiny_pipe, moving_frames):
    trace = Trace()
    trace.edit("previous", lambda value, frame, step: value.zero_())
    first, _ = run(tiny_pipe, moving_frames[:2], trace)
    assert first.state.previous_output.any()


def test_edited_runs_say_so(tiny_pipe, moving_frames):
    trace = Trace()
    trace.edit("latent", lambda value, frame, step: value)
    outputs = run(tiny_pipe, moving_frames[:2], trace)
    assert [out.metadata["edits"] for out in outputs] == [{"latent": 2}, {"latent": 4}]
    assert "edits" not in run(tiny_pipe, moving_frames[:1], Trace())[0].metadata
    assert "latent edited 4 times" in repr(trace)


def test_selections_end_with_their_with_statement(tiny_pipe, moving_frames):
    trace = Trace()
    stream = tiny_pipe.stream(moving_frames[:2], TWO, trace=trace)
    with trace.edit("latent", zero), trace.modules("unet", "conv_in"), trace.attention("mid_block"):
        next(stream)
    out = next(stream)
    assert "edits" not in out.metadata
    assert trace.names
    assert all(trace.frames(name) == [0] for name in trace.names)


def test_pictures_show_edits_of_the_decoder(tiny_pipe, moving_frames):
    trace = Trace("latent", "latent.picture")
    trace.edit("tpm.*", lambda value, frame, step: value * 0.25)
    trace.edit("decoder.2", lambda value, frame, step: value + 0.5)
    outputs = run(tiny_pipe, moving_frames[:2], trace)
    assert torch.equal(trace["latent.picture", 1][-1], outputs[1].frame)
