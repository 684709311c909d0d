"""Budgets and their policies, and the file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from workbench.errors import TraceError
from workbench.pipeline.settings import Settings
from workbench.trace import Trace
from workbench.trace._storage import TapStore, parse_bytes
from workbench.types import Frame

ONE = Settings(steps=1)
ROOT = Path(__file__).parents[2]
MAP = torch.arange(2 * 8 * 8, dtype=torch.float32).reshape(2, 8, 8)  # 512 bytes


def filled(frames: int, start: int = 0, value=MAP, **policy) -> TapStore:
    store = TapStore(**policy)
    for frame in range(start, start + frames):
        store.begin(frame)
        if store.keeps(frame):
            store.put(("flow", frame, None), value, is_map=True)
    return store


@pytest.mark.parametrize(
    ("text", "count"), [("2GB", 2 * 10**9), ("300 MB", 3 * 10**8), ("1.5kb", 1500), ("7B", 7), (9, 9)]
)
def test_budgets_are_read(text, count):
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "much", "-1GB", "0MB", 0, -5, True, "2TB2"])
def test_other_budgets_raise(text):
    with pytest.raises(TraceError, match="budget must be"):
        Trace("flow", budget=text)


@pytest.mark.parametrize(("option", "value"), [("when_full", "drop"), ("every", 0), ("every", True), ("dtype", "int8")])
def test_other_policies_raise(option, value):
    with pytest.raises(TraceError, match=option):
        Trace("flow", **{option: value})


def test_a_full_trace_stops_with_what_came_before(tiny_pipe, moving_frames):
    trace = Trace("latent", budget=30000)
    with pytest.raises(TraceError, match=r"the trace is full: frame 1 takes it to .* when_full is 'error'"):
        list(tiny_pipe.stream(moving_frames, ONE, trace=trace))
    assert trace.frames("latent") == [0]


@given(frames=st.integers(1, 40), start=st.integers(0, 7), room=st.integers(1, 9), every=st.integers(1, 3))
def test_thinning_keeps_evenly_spaced_frames_within_the_budget(frames, start, room, every):
    store = filled(frames, start, budget=512 * room, when_full="thin", every=every)
    held = store.frames("flow")
    assert store.bytes == 512 * len(held) <= 512 * room
    assert held == list(range(start, start + frames, store.every))
    assert store.every in [every * 2**n for n in range(7)]
    assert store.every == every or 2 * len(held) + 2 > room, "no more is dropped than must be"


def test_thinning_within_a_frame_drops_the_whole_frame(tiny_pipe, moving_frames):
    trace = Trace("latent", "frame", "decoded", budget="400KB", when_full="thin")
    list(tiny_pipe.stream(moving_frames, ONE, trace=trace))
    held = trace.frames("latent")
    assert 0 < len(held) < len(moving_frames)
    assert all(trace.frames(name) == held for name in ("frame", "decoded", "lr"))


def test_one_frame_that_does_not_fit_is_an_error_under_every_policy():
    for policy in ("error", "thin"):
        with pytest.raises(TraceError, match="the trace is full: frame 0"):
            filled(1, budget=511, when_full=policy)
    with pytest.raises(TraceError, match="the trace is full: frame 0"):
        filled(1, budget=7, when_full="downsample")


def test_downsampling_averages_old_and_new_alike():
    store = filled(6, budget=1024, when_full="downsample")
    assert store.halvings == 1
    assert store.frames("flow") == list(range(6))
    wanted = MAP.reshape(2, 4, 2, 4, 2).mean((2, 4))
    assert all(torch.equal(value, wanted) for _, value in store.items())


def test_downsampling_leaves_what_is_no_map():
    store = filled(2, budget=1100, when_full="downsample")
    store.put(("attention.x", 0, 0), torch.ones(4, 4), is_map=False)
    store.put(("flow", 2, None), MAP, is_map=True)
    assert store.halvings == 1
    assert store.values["attention.x"][0][0].shape == (4, 4)


def test_a_downsampled_trace_says_that_it_cannot_decode(tiny_pipe, moving_frames):
    trace = Trace("x0", "warped", budget="30KB", when_full="downsample")
    list(tiny_pipe.stream([frame[:22, :30] for frame in moving_frames[:2]], ONE, trace=trace))
    with pytest.raises(TraceError, match="was downsampled"):
        trace.image("x0", 1, 0)
    shrunk = 2**trace._store.halvings
    assert trace.image("warped", 1).shape == (3, round(88 / shrunk), round(120 / shrunk))


def test_every_and_float16(tiny_pipe, moving_frames):
    trace = Trace("frame", "tpm.0.alpha", every=2, dtype="float16")
    list(tiny_pipe.stream(moving_frames[:4], ONE, trace=trace))
    assert trace.frames("frame") == [0, 2]
    assert trace["frame", 0].dtype == torch.float16
    assert len(trace.seconds) == 4


def test_a_saved_trace_comes_back_as_it_was(tiny_pipe, moving_frames, tmp_path):
    frames = [Frame(image, i, time=i / 25) for i, image in enumerate(moving_frames[:2])]
    trace = Trace("*")
    trace.attention("mid_block")
    trace.edit("flow", lambda value, frame, step: value * 2)
    list(tiny_pipe.stream(frames, ONE, trace=trace))
    path = trace.save(tmp_path / "run.safetensors")
    back = Trace.load(path)
    assert os.listdir(tmp_path) == ["run.safetensors"]
    assert back.names == trace.names
    for name in trace.names:
        assert back.frames(name) == trace.frames(name)
        assert all(torch.equal(back[name, frame], trace[name, frame]) for frame in trace.frames(name))
    assert (back.seconds, back.times, back.peak_memory) == (trace.seconds, {0: 0.0, 1: 0.04}, trace.peak_memory)
    assert back.metadata == {"edits": {"flow": 1}}
    assert Settings.from_dict(back.about["settings"]) == ONE
    assert back.about["model"] == "tiny"
    assert torch.__version__.startswith(back.about["versions"]["torch"])
    assert torch.equal(back.image("x0", 1, 0), trace.image("x0", 1, 0))
    with pytest.raises(TraceError, match="loaded from a file"):
        list(tiny_pipe.stream(frames, ONE, trace=back))
    assert Trace.load(back.save(tmp_path / "again.safetensors")).metadata == trace.metadata


def test_a_trace_replays_without_any_model(tiny_pipe, moving_frames, tmp_path):
    trace = Trace("x0.picture", "flow", "warped")
    list(tiny_pipe.stream(moving_frames[:2], ONE, trace=trace))
    path = trace.save(tmp_path / "run.safetensors")
    code = (
        "import sys; from workbench.trace import Trace\n"
        f"t = Trace.load({str(path)!r}); t.image('x0', 1, 0); t.image('warped', 1); t['flow', 1]\n"
        "raise SystemExit(any(m in sys.modules for m in ('diffusers', 'transformers', 'workbench.models.models')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_files_that_are_no_traces_raise(tmp_path):
    with pytest.raises(TraceError, match="no trace at"):
        Trace.load(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("text")
    with pytest.raises(TraceError, match="not a readable trace"):
        Trace.load(tmp_path / "text.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(TraceError, match="is no trace"):
        Trace.load(tmp_path / "other.safetensors")
