"""A named engine runs or is refused with the list; nothing is swapped in silently."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch

from tests.model_folders import use_hf_home
from workbench.cli.main import main
from workbench.engines import ncnn_graphs
from workbench.engines.choose import best_engine, check_engine, engines_here
from workbench.engines.onnx_runtime import check_provider
from workbench.engines.open_vino import check_precision
from workbench.engines.providers import PROVIDERS
from workbench.engines.runner import lowest
from workbench.engines.table import ENGINES
from workbench.errors import EngineError
from workbench.pipeline.load import load_pipeline


@pytest.mark.parametrize(
    ("library", "kinds", "why"),
    [
        (None, [], "there is no Vulkan library"),
        ("libvulkan.so.1", [], "ncnn finds no Vulkan GPU"),
        ("libvulkan.so.1", [3], "Vulkan is here in software only (card of kind 3), which is slower than the CPU"),
        ("libvulkan.so.1", [3, 0], ""),
    ],
)
def test_a_vulkan_that_is_no_gpu_is_called_so(library, kinds, why, monkeypatch):
    cards = [SimpleNamespace(type=lambda k=k: k, device_name=lambda k=k: f"card of kind {k}") for k in kinds]
    ncnn = SimpleNamespace(get_gpu_count=lambda: len(cards), get_gpu_info=lambda k: cards[k])
    monkeypatch.setattr(ncnn_graphs, "find_library", lambda name: library)
    monkeypatch.setattr(ncnn_graphs, "_ncnn", lambda: ncnn)
    assert ncnn_graphs.no_gpu.__wrapped__() == why


@pytest.mark.parametrize("name", ["tensorrt", "coreml", "directml", "tensorflow"])
def test_what_is_not_here_is_refused_with_the_list(name, capsys, tmp_path):
    picture = tmp_path / "in.png"
    from PIL import Image

    Image.new("RGB", (16, 16)).save(picture)
    assert main(["upscale", str(picture), "-o", str(tmp_path / "out.png"), "--engine", name, "--device", "cpu"]) == 2
    told = capsys.readouterr().err
    assert "Here are: torch, compile, onnxruntime, openvino, onnxruntime-int8, openvino-int8, ncnn." in told
    assert "pip install" in told
    assert name in told


def test_the_flag_of_the_published_fork_says_the_word_and_goes_on(capsys, tmp_path, monkeypatch):
    use_hf_home(monkeypatch, tmp_path / "hf")
    from PIL import Image

    Image.new("RGB", (16, 16)).save(tmp_path / "in.png")
    words = ["--in_path", str(tmp_path / "in.png"), "--out_path", str(tmp_path / "out.png"), "--device", "cpu"]
    assert main([*words, "--enable_tensorrt", "--image_height", "720", "--image_width", "1280"]) == 0
    told = capsys.readouterr().err
    assert "TensorRT cannot run here" in told
    assert "Going on with auto" in told
    assert json.loads((tmp_path / "out.png.json").read_text())["engine"] == "torch"


def test_another_device_or_precision_is_refused():
    with pytest.raises(EngineError, match="runs on cpu, not on cuda"):
        check_engine("openvino", "cuda", "float32")
    with pytest.raises(EngineError, match="runs float32 on cpu, not bfloat16"):
        check_engine("onnxruntime", "cpu", "bfloat16")
    with pytest.raises(EngineError, match="bfloat16"):
        load_pipeline(engine="openvino", device="cpu", dtype="bf16")


def test_without_its_packages_an_engine_says_how_to_get_them(monkeypatch):
    monkeypatch.setattr("workbench.engines.choose.find_spec", lambda name: None)
    assert "pip install" in engines_here()["onnxruntime"]
    assert best_engine("cpu", "float32") is None


def test_auto_takes_the_best_measured_and_nothing_unmeasured():
    best = best_engine("cpu", "float32")
    assert best is not None
    assert best.name == min(("onnxruntime", "openvino"), key=lambda name: ENGINES[name].gain["cpu"])
    assert best_engine("cpu", "bfloat16") is None
    assert best_engine("mps", "float16") is None


def test_a_provider_that_did_not_start_is_an_error():
    check_provider("onnxruntime", "CPUExecutionProvider", ["CPUExecutionProvider"])
    with pytest.raises(EngineError, match="asked ONNX Runtime for TensorrtExecutionProvider and got CPU"):
        check_provider("tensorrt", "TensorrtExecutionProvider", ["CPUExecutionProvider"])


def test_a_precision_that_was_not_asked_for_is_an_error():
    class Compiled:
        def get_property(self, name: str) -> object:
            half = type("Type", (), {"get_type_name": lambda self: "bf16"})()
            return {"INFERENCE_PRECISION_HINT": half, "EXECUTION_DEVICES": ["CPU"]}[name]

    with pytest.raises(EngineError, match="got bf16"):
        check_precision("openvino", Compiled())


def test_every_row_is_complete():
    for engine in ENGINES.values():
        assert engine.name == "torch" or engine.tolerance > 0
        assert not engine.packages or "pip install" in engine.install
        assert set(engine.providers) <= PROVIDERS.keys()
        assert not (engine.session and engine.inside)
    assert lowest([torch.float32, torch.float16]) == "float16"
