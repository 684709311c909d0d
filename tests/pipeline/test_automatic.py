"""What is left open is decided by the memory estimate and said; what is asked for by name is done."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from tests.tiny import tiny_models
from workbench.cli.main import main
from workbench.errors import FlowError
from workbench.flow.estimators import still
from workbench.models.models import Models
from workbench.pipeline.automatic import choose_slicing
from workbench.pipeline.memory import estimate_memory
from workbench.pipeline.motion import UNASKED, choose_flow, correlation_volume
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.video import ClipWriter

HD, LARGE = (360, 640), (2160, 3840)


@pytest.fixture(scope="module")
def raft_pipe() -> Pipeline:
    """A model whose own flow is RAFT-large on the output grid, as the published one's."""
    return Pipeline(tiny_models(flow="raft-large", flow_size="output"))


def test_slicing_is_chosen_where_whole_frames_do_not_fit(tiny_pipe) -> None:
    size = (96, 128)
    whole = estimate_memory(tiny_pipe, size).working
    sliced = estimate_memory(tiny_pipe, size, Settings(vae_slicing=True)).working
    assert sliced < whole
    roomy, why = choose_slicing(tiny_pipe, size, Settings(steps=2), available=2 * whole)
    assert roomy == Settings(steps=2)
    assert why.startswith("vae_slicing is off: whole frames need about")
    tight, why = choose_slicing(tiny_pipe, size, Settings(steps=2), available=whole)
    assert tight == Settings(steps=2, vae_slicing=True)
    assert why.startswith("vae_slicing is on: whole frames need about")
    assert "strips need" in why


def test_no_flow_that_was_not_asked_for_makes_a_huge_volume(raft_pipe) -> None:
    properties = raft_pipe.models.properties
    assert correlation_volume(HD, "output") > UNASKED > correlation_volume(HD, "input")
    assert correlation_volume(LARGE, "input") > UNASKED
    small = choose_flow(Settings(), properties, (180, 320))
    assert (small.estimator, small.grid, small.note) == ("raft-large", "output", None)
    reduced = choose_flow(Settings(), properties, HD)
    assert (reduced.estimator, reduced.grid) == ("raft-large", "input")
    assert "12.36 GiB" in str(reduced.note)
    assert "flow_size='output' asks for it" in str(reduced.note)
    huge = choose_flow(Settings(), properties, LARGE)
    assert (huge.estimator, huge.grid) == ("dis", "input")
    named = choose_flow(Settings(flow="raft-large"), properties, LARGE)
    assert (named.estimator, named.grid, named.asked) == ("raft-large", "input", True)
    asked = choose_flow(Settings(flow_size="output"), properties, HD)
    assert (asked.estimator, asked.grid, asked.note) == ("raft-large", "output", None)


def test_the_estimate_takes_the_flow_that_runs(raft_pipe) -> None:
    assert estimate_memory(raft_pipe.models, HD).correlation == correlation_volume(HD, "input")
    assert estimate_memory(raft_pipe.models, HD, Settings(flow_size="output")).correlation > UNASKED


def test_every_output_says_that_the_grid_was_changed(raft_pipe, moving_frames, monkeypatch) -> None:
    monkeypatch.setattr("workbench.pipeline.motion.load_estimator", lambda name, device: still)
    monkeypatch.setattr("workbench.pipeline.motion.UNASKED", 2**10)  # these frames are far from 4 GiB
    pipe = Pipeline(raft_pipe.models)
    outputs = list(pipe.stream(moving_frames[:2], Settings(steps=1)))
    assert [out.metadata["flow_size"] for out in outputs] == ["input"] * 2
    assert "auto makes none over" in outputs[1].metadata["flow_substitution"]
    asked = next(iter(pipe.stream(moving_frames[:1], Settings(steps=1, flow_size="output"))))
    assert asked.metadata == {"engine": "torch", "flow": "raft-large", "flow_size": "output"}


def test_a_flow_asked_for_by_name_is_not_replaced(raft_pipe, monkeypatch) -> None:
    def load(name: str, device: object) -> object:
        raise FlowError(f"no weights of {name}")

    monkeypatch.setattr("workbench.pipeline.motion.load_estimator", load)
    with pytest.raises(FlowError, match="raft-large"):
        Pipeline(raft_pipe.models).motion(Settings(flow="raft-large"), LARGE)


@pytest.fixture
def files(tiny_pipe, moving_frames, tmp_path, monkeypatch) -> list[str]:
    """A command line that upscales a short clip with a tiny model."""
    monkeypatch.chdir(tmp_path)
    with ClipWriter(tmp_path / "clip.mkv", fps=10) as writer:
        for frame in moving_frames[:2]:
            writer.write(frame)
    model = tiny_pipe.save_pretrained(tmp_path / "model")
    return ["upscale", "clip.mkv", "--model", str(model), "--device", "cpu", "--steps", "1", "--quiet"]


def test_the_command_chooses_slicing_and_says_so(files, monkeypatch, capsys) -> None:
    assert main([*files, "--dry-run"]) == 0
    assert "vae_slicing is off: whole frames need" in capsys.readouterr().err
    needed = 40 * 2**20  # of these frames, sliced or not, at most
    monkeypatch.setattr("workbench.pipeline.automatic.available_memory", lambda device: 2**20)
    monkeypatch.setattr("workbench.pipeline.memory.available_memory", lambda device: needed)
    assert main([*files, "--dry-run"]) == 0
    assert "vae_slicing is on" in capsys.readouterr().err
    assert main([*files, "--dry-run", "--vae-slicing", "off"]) == 0
    assert "vae_slicing" not in capsys.readouterr().err


def test_a_run_goes_on_as_it_was_begun(files, monkeypatch) -> None:
    """However much memory is free by then."""
    from workbench.pipeline import run as runs
    from workbench.video import open_clip

    seen = []

    def stop_after_one(pipe, clip, output, settings, **options):
        seen.append(settings.vae_slicing)
        options["on_output"] = lambda out: (_ for _ in ()).throw(KeyboardInterrupt) if len(seen) == 1 else None
        return real(pipe, clip, output, settings, **options)

    real = runs.upscale_to_file
    monkeypatch.setattr(runs, "upscale_to_file", stop_after_one)
    monkeypatch.setattr("workbench.pipeline.automatic.available_memory", lambda device: 2**20)
    assert main([*files, "-o", "out.mkv"]) == 130
    monkeypatch.setattr("workbench.pipeline.automatic.available_memory", lambda device: 2**40)
    assert main([*files, "-o", "out.mkv", "--resume"]) == 0
    assert seen == [True, True]
    assert len(list(open_clip("out.mkv"))) == 2


def test_attention_slicing_warns_on_mps(monkeypatch) -> None:
    models = tiny_models()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        models.slice_attention(True)
    models.slice_attention(False)
    monkeypatch.setattr(Models, "device", torch.device("mps"))
    with pytest.warns(UserWarning, match="NaN on MPS"):
        models.slice_attention(True)


def test_two_pipelines_over_the_same_networks_agree_on_attention_slicing(moving_frames) -> None:
    models = tiny_models()
    first, second = Pipeline(models), Pipeline(models.but(blend=0.0))
    for pipe, on in ((first, True), (second, False), (first, True), (second, True), (first, False)):
        list(pipe.stream(moving_frames[:1], Settings(steps=1, attention_slicing=on)))
        processors = {type(p).__name__ for p in models.unet.attn_processors.values()}
        assert (processors == {"SlicedAttnProcessor"}) == on


def test_a_given_flow_has_no_limit(raft_pipe, moving_frames) -> None:
    """A caller's own flow makes no volume."""
    zeros = lambda current, previous: torch.zeros(2, 96, 128)  # noqa: E731
    outputs = list(raft_pipe.stream([np.asarray(f) for f in moving_frames[:2]], Settings(steps=1), flow=zeros))
    assert outputs[1].metadata == {"engine": "torch", "flow": "given", "flow_size": "output"}
