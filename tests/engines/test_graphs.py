"""Engines that run graphs make torch's frames within their tolerance, resume bit for bit, and say what they lack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from tests.model_folders import GOLDEN, use_hf_home
from tests.tiny import generative_models, tiny_models
from workbench.engines.automatic import AutomaticRunner
from workbench.engines.cache import Cache
from workbench.engines.export import GRAPH
from workbench.engines.graphs import GraphRunner
from workbench.engines.parts import needed
from workbench.engines.runner import Runner, make_runner
from workbench.engines.table import ENGINES
from workbench.errors import EngineError, InputError, SettingsError, TraceError
from workbench.pipeline.automatic import leave_room
from workbench.pipeline.calibration import leaves
from workbench.pipeline.memory import estimate_memory
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.pipeline.state import State
from workbench.trace import Trace
from workbench.verify import table, verify

pytestmark = pytest.mark.xdist_group("graphs")  # one worker exports them, once
SIZE = (24, 32)
NAMES = ("onnxruntime", "openvino")


@pytest.fixture(scope="session")
def graphs(tmp_path_factory) -> Cache:
    """One cache for all tests, filled for SIZE: an export takes seconds."""
    cache = Cache(tmp_path_factory.mktemp("graphs"))
    runner = GraphRunner(tiny_models(), ENGINES["onnxruntime"], cache)
    for part in needed(runner.plain).values():
        runner.entry(part.name, SIZE)
    return cache


def pipeline(name: str, cache: Cache, **properties: Any) -> Pipeline:
    models = tiny_models(**properties)
    return Pipeline(models, GraphRunner(models, ENGINES[name], cache))


@pytest.mark.parametrize("name", NAMES)
def test_frames_are_those_of_torch_within_the_tolerance(graphs, moving_frames, name):
    settings = Settings(steps=2, artg=0.8)
    theirs = np.stack([out.image for out in Pipeline(tiny_models()).stream(moving_frames, settings)])
    ours = np.stack([out.image for out in pipeline(name, graphs).stream(moving_frames, settings)])
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert (ours != theirs).mean() < ENGINES[name].tolerance


@pytest.mark.parametrize(("name", "apart"), [("onnxruntime", 1e-4), ("ncnn", 1e-3)])
def test_a_model_whose_pixels_are_channels_runs_too(moving_frames, tmp_path, name, apart):
    """Its ControlNet's embedding reads 4x4 pixels as channels, its colours are the LR's, nothing reads the prompt."""
    models, settings = generative_models(), Settings(steps=2)
    ours = Pipeline(models, GraphRunner(models, ENGINES[name], Cache(tmp_path)))
    pairs = zip(
        Pipeline(models).stream(moving_frames[:3], settings), ours.stream(moving_frames[:3], settings), strict=True
    )
    assert all(torch.allclose(a.frame, b.frame, atol=apart) for a, b in pairs)
    unguided = [out.frame for out in ours.stream(moving_frames[:3], settings.but(artg=0))]
    assert not torch.allclose(unguided[2], list(ours.stream(moving_frames[:3], settings))[2].frame, atol=1e-3)


@pytest.mark.parametrize("changes", [{"artg": 0}, {"tpm": False}, {"vae_slicing": True}, {"artg": 0, "tpm": False}])
def test_switched_off_parts_are_off(graphs, moving_frames, changes):
    settings = Settings(steps=1, **changes)
    theirs = [out.frame for out in Pipeline(tiny_models()).stream(moving_frames[:2], settings)]
    ours = [out.frame for out in pipeline("onnxruntime", graphs).stream(moving_frames[:2], settings)]
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(theirs, ours, strict=True))


def test_what_is_reused_is_reused_in_every_engine(graphs, moving_frames):
    settings = Settings(steps=2, reuse_residuals=True, reuse_deep_features=True)
    theirs = [out.frame for out in Pipeline(tiny_models()).stream(moving_frames[:2], settings)]
    for name in NAMES:
        ours = [out.frame for out in pipeline(name, graphs).stream(moving_frames[:2], settings)]
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(theirs, ours, strict=True))


@pytest.mark.parametrize("name", ["onnxruntime-int8", "openvino-int8"])
def test_a_decoder_in_int8_is_near_the_exact_one_and_says_so(graphs, moving_frames, name):
    pipe, settings = pipeline(name, graphs), Settings(steps=1)
    theirs = np.stack([out.image for out in Pipeline(tiny_models()).stream(moving_frames[:4], settings)]).astype(float)
    whole = [*pipe.stream(moving_frames[:4], settings)]
    rest = [*pipe.stream(moving_frames[2:4], settings, state=whole[1].state)]
    ours = np.stack([out.image for out in whole])
    assert 0 < ((ours[1:] - theirs[1:]) ** 2).mean() < 255**2 / 10**3.5  # 35 dB
    assert all(torch.equal(a.frame, b.frame) for a, b in zip(whole[2:], rest, strict=True))
    assert whole[1].metadata["engine"] == name
    runner = pipe.engine
    assert isinstance(runner, GraphRunner)
    assert runner.built(SIZE)
    assert [runner.entry(part, SIZE).about["made"]["precision"] for part in ("decode", "unet")] == ["int8", "float32"]


def test_only_inner_convolutions_on_the_latents_grid_are_quantized(graphs):
    made = GraphRunner(tiny_models(), ENGINES["openvino-int8"], graphs).entry("decode", SIZE)
    model = onnx.load(made.folder / GRAPH)
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {v.name: [n.dim_value for n in v.type.tensor_type.shape.dim] for v in inferred.value_info}
    exact = {value.name for value in model.graph.initializer if value.data_type == onnx.TensorProto.FLOAT}
    layers = [node for node in model.graph.node if node.op_type == "Conv"]
    quantized = [node for node in layers if node.input[1] not in exact]
    assert 0 < len(quantized) < len(layers)
    assert layers[0] not in quantized
    assert all(shapes[node.output[0]][2:] == list(SIZE) for node in quantized)


def test_leaves_move_and_are_the_same_each_time():
    first, second = leaves(SIZE, 2)
    assert first.shape == (*SIZE, 3)
    assert np.array_equal(first[1:, 2:], second[:-1, :-2])
    assert np.array_equal(leaves(SIZE, 2)[1], second)
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 10


def test_ncnn_makes_torchs_frames_and_goes_on_bit_for_bit(moving_frames, tmp_path):
    pipe, settings = pipeline("ncnn", Cache(tmp_path)), Settings(steps=2, artg=0.8)
    theirs = np.stack([out.image for out in Pipeline(tiny_models()).stream(moving_frames[:3], settings)])
    whole = [*pipe.stream(moving_frames[:3], settings)]
    ours = np.stack([out.image for out in whole])
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert (ours != theirs).mean() < ENGINES["ncnn"].tolerance
    (again,) = pipe.stream(moving_frames[2:3], settings, state=whole[1].state)
    assert torch.equal(again.frame, whole[2].frame)
    entry = next(iter(Cache(tmp_path).entries()))
    (entry.folder / "graph.bin").write_bytes(b"half a file")
    runner = GraphRunner(tiny_models(), ENGINES["ncnn"], Cache(tmp_path))
    assert not runner.built(SIZE)


def test_a_conversion_that_fails_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("pnnx.EXEC_PATH", "false")
    with pytest.raises(EngineError, match="conditioning could not be converted for ncnn \\(pnnx ended with 1"):
        GraphRunner(tiny_models(), ENGINES["ncnn"], Cache(tmp_path)).entry("conditioning", SIZE)
    assert [file.suffix for file in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_that_is_cut_goes_on_bit_for_bit(graphs, moving_frames, name, tmp_path):
    settings = Settings(steps=2)
    whole = [out.frame for out in pipeline(name, graphs).stream(moving_frames[:4], settings)]
    *_, last = pipeline(name, graphs).stream(moving_frames[:2], settings)
    state = State.load(last.state.save(tmp_path / "state.safetensors"))
    rest = [out.frame for out in pipeline(name, graphs).stream(moving_frames[2:4], settings, state=state)]
    assert all(torch.equal(a, b) for a, b in zip(whole[2:], rest, strict=True))


def test_taps_of_the_loop_work_and_observe(graphs, moving_frames):
    pipe = pipeline("onnxruntime", graphs)
    assert pipe.networks["unet"] is not pipe.models.unet
    plain = [out.frame for out in pipe.stream(moving_frames[:2], Settings(steps=2))]
    trace = Trace("latent", "x0", "artg.*", "decoded", "tpm.*.previous", "noise_pred")
    traced = list(pipe.stream(moving_frames[:2], Settings(steps=2), trace=trace))
    assert all(torch.equal(a, b.frame) for a, b in zip(plain, traced, strict=True))
    assert {"latent", "decoded", "artg.mid", "tpm.6.previous"} <= set(trace.names)
    assert traced[0].metadata["engine"] == "onnxruntime"
    assert trace.image("x0", 1).shape == (3, 96, 128)
    edited = Trace()
    edited.edit("tpm.*.previous", lambda value, frame, step: 0 * value + 3)
    changed = list(pipe.stream(moving_frames[:2], Settings(steps=2), trace=edited))
    assert not torch.equal(changed[1].frame, plain[1])


def test_taps_inside_a_network_name_the_engine_that_has_them(graphs, moving_frames):
    pipe = pipeline("onnxruntime", graphs)
    inner = Trace("tpm.*.fused")
    module, attention = Trace(), Trace()
    module.modules("unet", "mid_block")
    attention.attention("mid_block")
    for trace in (inner, module, attention, Trace("decoder.0")):
        with pytest.raises(TraceError, match="--engine torch"):
            next(pipe.stream(moving_frames[:1], trace=trace))
    with pytest.raises(SettingsError, match="attention_slicing"):
        next(pipe.stream(moving_frames[:1], Settings(attention_slicing=True)))


def test_a_graph_takes_one_frame_at_a_time(graphs):
    runner = GraphRunner(tiny_models(), ENGINES["onnxruntime"], graphs)
    with pytest.raises(InputError, match="one frame at a time"):
        runner.models.conditioning(torch.zeros(2, 3, 96, 128))


def test_the_memory_estimate_knows_engines(graphs):
    plain = estimate_memory(Pipeline(tiny_models()), SIZE)
    ours = estimate_memory(pipeline("openvino", graphs), SIZE)
    sliced = estimate_memory(pipeline("openvino", graphs), SIZE, Settings(vae_slicing=True))
    assert plain.engine == 0
    assert ours.engine > ours.weights
    assert ours.peak == plain.peak + ours.engine
    assert sliced.engine < ours.engine
    assert "engine" in str(ours)


def test_what_opens_is_what_was_asked_for(graphs):
    for name in NAMES:
        runner = GraphRunner(tiny_models(), ENGINES[name], graphs)
        assert runner.session("unet", SIZE).outside() in (0.0, pytest.approx(float("nan"), nan_ok=True))
        assert runner.entry("unet", SIZE).about["made"]["precision"] == "float32"
    runner = GraphRunner(tiny_models(), ENGINES[NAMES[-1]], graphs)
    entry = runner.entry("unet", SIZE)
    entry.about["made"]["precision"] = "float16"
    with pytest.raises(EngineError, match="was to be float32 and is float16"):
        runner._opening(entry)


@torch.no_grad()
def test_half_precision_is_the_graphs_own_and_large_weights_lie_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.engines.export.IN_FILE", 0)
    models, warped = tiny_models(), torch.rand(1, 3, 96, 128)
    wanted = models.conditioning(warped)
    for network in models.networks.values():
        network.half()
    runner = GraphRunner(models, ENGINES["onnxruntime"], Cache(tmp_path))
    entry = runner.entry("conditioning", SIZE)
    assert set(entry.about["files"]) == {GRAPH, f"{GRAPH}.data"}
    assert entry.about["made"]["precision"] == "float16"
    found = runner.models.conditioning(warped.half())
    assert found.dtype == torch.float16
    assert 0 < (found.float() - wanted).abs().max() < 2e-3
    (entry.folder / f"{GRAPH}.data").write_bytes(b"half a file")
    again = runner.entry("conditioning", SIZE)
    assert again.about["files"] == entry.about["files"]


def test_weights_and_sizes_have_graphs_of_their_own(graphs):
    runner = GraphRunner(tiny_models(), ENGINES["openvino"], graphs)
    assert runner.built(SIZE)
    assert not runner.built((16, 16))
    assert not GraphRunner(tiny_models(seed=1), ENGINES["openvino"], graphs).built(SIZE)


def test_auto_takes_what_is_there_and_never_exports_for_a_short_clip(graphs, monkeypatch):
    monkeypatch.setattr("workbench.engines.graphs.Cache", lambda: graphs)
    runner = AutomaticRunner(tiny_models())
    assert runner.at(SIZE).name == "onnxruntime"  # open sooner; for a long clip the other is done sooner
    assert runner.at(SIZE, inside=["tpm.{k}.fused"]).name == "torch"
    assert runner.settle(SIZE, seconds=0.5) == ""
    assert runner.at(SIZE).name == "torch"
    assert "in the cache" in runner.settle(SIZE, seconds=100.0)
    assert runner.at(SIZE).name == "openvino"
    assert runner.at((16, 16)).name == "torch"
    assert not GraphRunner(tiny_models(), ENGINES["openvino"], graphs).built((16, 16), reusing=True)
    before = len(graphs.entries())
    assert runner.at((16, 16), reusing=True).name == "torch"
    assert runner.settle((16, 16), seconds=1.0) == ""
    assert "less than its export takes" in runner.settle((16, 16), seconds=20.0)
    assert len(graphs.entries()) == before
    assert "openvino" in runner.settle((16, 16), seconds=1e4)
    assert runner.at((16, 16)).name == "openvino"
    assert len(graphs.entries()) == before + len(needed(runner.plain))
    runner.use(SIZE, "torch")
    assert type(runner.at(SIZE)) is Runner


def test_auto_is_torch_where_an_engine_does_not_fit_the_memory():
    pipe = Pipeline(tiny_models(), AutomaticRunner(tiny_models()))
    found = estimate_memory(pipe, SIZE)
    more = pipe.engine.extra_memory(found.stages, found.weights, sliced=False)
    assert leave_room(pipe, SIZE, Settings(), available=2 * (found.working + more)) == ""
    assert "engine torch: openvino needs" in leave_room(pipe, SIZE, Settings(), available=found.working + more)
    assert pipe.engine_at(SIZE, Settings()).name == "torch"


def test_without_an_engine_auto_is_torch(monkeypatch):
    monkeypatch.setattr("workbench.engines.choose.find_spec", lambda name: None)
    runner = make_runner(tiny_models(), "auto")
    assert runner.at(SIZE).name == "torch"
    assert "no faster one is installed" in runner.settle(SIZE, seconds=1e6)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
def test_the_published_figures_are_met(name, monkeypatch, tmp_path_factory):
    use_hf_home(monkeypatch, tmp_path_factory.getbasetemp() / "engines-hf")
    rows = verify(Path(GOLDEN), engine=name)
    assert all(row.ok for row in rows), table(rows)
