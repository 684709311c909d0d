"""What lives inside modules: outputs, attention maps, and compiled blocks."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch

from tests.tiny import generative_models, tiny_models
from workbench.errors import TraceError
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.trace import Trace

TWO = Settings(steps=2)
SELF = "attention.mid_block.attentions.0.transformer_blocks.0.attn1"
CROSS = "attention.mid_block.attentions.0.transformer_blocks.0.attn2"


def traced(pipe, frames, *selections) -> Trace:
    trace = Trace()
    for network, pattern in selections:
        trace.modules(network, pattern)
    list(pipe.stream(frames, TWO, trace=trace))
    return trace


def test_one_star_is_one_level_and_two_are_any(tiny_pipe, moving_frames):
    frames = moving_frames[:1]
    assert traced(tiny_pipe, frames, ("unet", "down_blocks.*")).names == ["unet.down_blocks.0", "unet.down_blocks.1"]
    deep = traced(tiny_pipe, frames, ("unet", "down_blocks.**")).names
    assert "unet.down_blocks.0.resnets.0.conv1" in deep
    assert not any("up_blocks" in name for name in deep)


def test_outputs_come_step_by_step(tiny_pipe, moving_frames):
    trace = traced(tiny_pipe, moving_frames[:2], ("unet", "mid_block"), ("controlnet", "mid_block"), ("vae", "decoder"))
    assert trace["unet.mid_block", 0].shape == (2, 16, 12, 16)
    assert trace.frames("controlnet.mid_block") == [1]
    assert trace["vae.decoder", 1].shape == (3, 96, 128)


def test_a_module_that_runs_again_in_a_step_is_numbered(tiny_pipe, moving_frames):
    trace = traced(tiny_pipe, moving_frames[:1], ("unet", "mid_block.resnets.0.nonlinearity"))
    assert trace.names == [f"unet.mid_block.resnets.0.nonlinearity{n}" for n in ("", "#2", "#3")]


def test_unknown_networks_and_paths_raise(tiny_pipe, moving_frames):
    with pytest.raises(TraceError, match="network must be one of unet, controlnet, conditioning, vae"):
        Trace().modules("encoder", "*")
    with pytest.raises(TraceError, match=r"nothing in unet fits 'midblock'\. Near it: \['mid_block"):
        traced(tiny_pipe, moving_frames[:1], ("unet", "midblock"))


@pytest.mark.parametrize("slicing", [False, True])
def test_attention_maps_are_those_of_the_layer(tiny_pipe, moving_frames, slicing):
    trace = Trace()
    trace.attention("mid_block")
    layers = "mid_block.attentions.0.transformer_blocks.0.attn1"
    trace.modules("unet", f"{layers}.to_v", f"{layers}.to_out.0")
    list(tiny_pipe.stream(moving_frames[:1], TWO.but(attention_slicing=slicing), trace=trace))
    assert {SELF, CROSS} <= set(trace.names)
    maps = trace[SELF, 0]  # (steps, heads, queries, keys)
    assert maps.shape == (2, 4, 192, 192)
    assert trace[CROSS, 0].shape == (2, 4, 192, 5)
    assert torch.allclose(maps.sum(-1), torch.ones(()), atol=1e-5)
    values = trace[f"unet.{layers}.to_v", 0].unflatten(-1, (4, 4)).transpose(1, 2)  # (steps, heads, keys, D)
    mixed = (maps @ values).transpose(1, 2).flatten(2)
    wanted = tiny_pipe.models.unet.get_submodule(f"{layers}.to_out.0")(mixed)
    assert torch.allclose(wanted, trace[f"unet.{layers}.to_out.0", 0], atol=1e-5)


def test_attention_finds_any_level_and_says_what_there_is(tiny_pipe, moving_frames):
    trace = Trace()
    trace.attention("**.attn2")
    list(tiny_pipe.stream(moving_frames[:1], TWO, trace=trace))
    assert len(trace.names) == 4
    assert all(name.endswith("attn2") for name in trace.names)
    trace = Trace()
    trace.attention("down_blocks.0")  # a level without attention
    with pytest.raises(TraceError, match=r"nothing in unet fits 'down_blocks\.0'"):
        list(tiny_pipe.stream(moving_frames[:1], TWO, trace=trace))


def test_a_network_without_attention_says_so(moving_frames):
    trace = Trace()
    trace.attention("mid_block")
    with pytest.raises(TraceError, match="unet has no attention to record"):
        list(Pipeline(generative_models()).stream(moving_frames[:1], TWO, trace=trace))


def test_maps_that_cannot_fit_are_refused_before_they_are_made(tiny_pipe, moving_frames):
    trace = Trace(budget="100KB", when_full="downsample")
    trace.attention("mid_block")
    with pytest.raises(TraceError, match=r"4 maps of 192 x 192: .* Choose a deeper level"):
        list(tiny_pipe.stream(moving_frames[:1], TWO, trace=trace))


def test_another_thread_on_the_same_modules_is_not_recorded(tiny_pipe, moving_frames):
    trace = Trace()
    trace.modules("unet", "conv_in")

    def elsewhere(value, frame, step):
        thread = threading.Thread(target=tiny_pipe.models.unet.conv_in, args=(torch.zeros(1, 7, 8, 8),))
        thread.start()
        thread.join()
        return value

    trace.edit("unet.input", elsewhere)
    list(tiny_pipe.stream(moving_frames[:1], TWO, trace=trace))
    assert trace.names == ["unet.conv_in"]
    assert trace["unet.conv_in", 0].shape == (2, 8, 24, 32)


@pytest.fixture(scope="module")
def reference(moving_frames):
    trace = Trace("noise_pred", "tpm.*")
    trace.modules("unet", "mid_block", "conv_in")
    list(Pipeline(tiny_models()).stream(moving_frames[:2], TWO, trace=trace))
    return trace


@pytest.mark.filterwarnings("ignore:Dynamo:UserWarning")
@pytest.mark.parametrize("way", ["block in place", "block wrapped", "decoder block in place"])
def test_taps_fire_beside_and_on_compiled_blocks(moving_frames, reference, way):
    pipe = Pipeline(tiny_models())
    unet: Any = pipe.models.unet
    if way == "block in place":
        unet.mid_block.compile(backend="eager")
    elif way == "block wrapped":
        unet.mid_block = torch.compile(unet.mid_block, backend="eager")
    else:
        pipe.models.vae.decoder.layers[2].compile(backend="eager")
    list(pipe.stream(moving_frames[:2], TWO))  # compiled before any hook is there
    trace = Trace("noise_pred", "tpm.*")
    trace.modules("unet", "mid_block", "conv_in")
    list(pipe.stream(moving_frames[:2], TWO, trace=trace))
    for name in trace.names:
        assert trace.frames(name) == reference.frames(name)
        assert torch.allclose(trace[name, 1], reference[name, 1], atol=1e-5), name
    assert trace.names == reference.names


@pytest.mark.parametrize("way", ["block in place", "block wrapped", "network in place", "network wrapped"])
def test_inside_of_what_was_compiled_as_one_piece_is_an_error(moving_frames, way):
    pipe = Pipeline(tiny_models())
    unet: Any = pipe.models.unet
    if way == "block in place":
        unet.mid_block.compile(backend="eager")
    elif way == "block wrapped":
        unet.mid_block = torch.compile(unet.mid_block, backend="eager")
    elif way == "network in place":
        unet.compile(backend="eager")
    else:
        models: Any = pipe.models
        models.unet = torch.compile(unet, backend="eager")
    block = "unet.mid_block" if "block" in way else "unet"
    for select in (lambda trace: trace.modules("unet", "mid_block.resnets.0"), lambda trace: trace.attention("**")):
        trace = Trace()
        select(trace)
        with pytest.raises(TraceError, match=f"{block} was compiled as one piece by torch.compile"):
            list(pipe.stream(moving_frames[:1], TWO, trace=trace))
