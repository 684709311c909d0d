"""Saving: the same tensors come back, the live models stay as they are, and no folder only looks complete."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from tests.model_folders import CPU, MODEL, WEIGHTS, copy_model, same, use_hf_home, weights
from tests.tiny import tiny_models
from workbench.errors import ModelError, OutputError
from workbench.models import save as saving
from workbench.models.load import load_models
from workbench.models.save import save_models
from workbench.pipeline.load import load_pipeline
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings


@pytest.fixture(autouse=True)
def _home(monkeypatch, tmp_path):
    use_hf_home(monkeypatch, tmp_path / "hf")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


WHOLE = {
    "model_index.json",
    "workbench.json",
    "prompt_embeds.safetensors",
    "scheduler/scheduler_config.json",
    *(f"{name}/{file}" for name in ("unet", "controlnet", "vae") for file in ("config.json", WEIGHTS)),
}


def test_a_saved_model_loads_to_the_same_tensors_and_facts(tmp_path):
    models = tiny_models(back_projection=0.5, channels_last=True)
    models = replace(models, scheduler_config=models.scheduler_config | {"prediction_type": "sample"})
    assert save_models(models, tmp_path / "a" / "model") == tmp_path / "a" / "model"
    assert files(tmp_path) == {f"a/model/{name}" for name in WHOLE}
    again = load_models(tmp_path / "a" / "model", device=CPU)
    assert same(weights(again), weights(models))
    assert torch.equal(again.prompt, models.prompt)
    assert again.properties == models.properties
    assert models.scheduler_config.items() <= again.scheduler_config.items()


def test_the_published_layout_survives_a_round_trip(tmp_path):
    models = load_models(MODEL, device=CPU)
    again = load_models(save_models(models, tmp_path / "model"), device=CPU)
    assert same(weights(again), weights(models))
    assert again.scheduler_config == models.scheduler_config
    assert again.properties == models.properties


def test_a_pipeline_saved_and_loaded_gives_the_same_frames(tmp_path, moving_frames):
    def frames(pipe: Pipeline) -> torch.Tensor:
        return torch.stack([out.frame for out in pipe.stream(moving_frames[:2], Settings(steps=2))])

    pipe = Pipeline(tiny_models())
    before = frames(pipe)
    pipe.save_pretrained(tmp_path / "model")
    assert torch.equal(frames(pipe), before), "saving changes nothing"
    loaded = [frames(load_pipeline(tmp_path / "model", device="cpu")) for _ in range(2)]
    assert torch.equal(*loaded)
    assert torch.allclose(loaded[0], before, atol=1e-6), "equal weights; their place in memory moves the last bit"


def test_a_precision_for_shipping_halves_the_files_and_leaves_the_models(tmp_path):
    models = tiny_models()
    before = {name: tensor.clone() for name, tensor in weights(models).items()}
    save_models(models, tmp_path / "half", dtype=torch.float16)
    save_models(models, tmp_path / "full")
    assert same(weights(models), before)
    sizes = [(tmp_path / name / "unet" / WEIGHTS).stat().st_size for name in ("half", "full")]
    assert sizes[0] < 0.7 * sizes[1]
    again = load_models(tmp_path / "half", device=CPU)
    assert same(weights(again), {name: tensor.half().float() for name, tensor in before.items()})
    assert torch.equal(again.prompt, models.prompt), "the embeddings stay exact"


def test_saving_over_a_model_replaces_it_and_keeps_other_files(tmp_path):
    folder = copy_model(tmp_path / "model")
    (folder / "README.md").write_text("mine")
    hidden = folder / "unet" / "diffusion_pytorch_model-00001-of-00002.safetensors"
    hidden.write_bytes(b"stale")
    models = tiny_models()
    save_models(models, folder)
    assert same(weights(load_models(folder, device=CPU)), weights(models))
    assert (folder / "README.md").read_text() == "mine"
    assert not hidden.exists()


def full_disk_at(call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    def save_file(*args: object, **more: object) -> None:
        calls.append(args)
        if len(calls) == call:
            raise OSError(28, "No space left on device")
        safetensors.torch.save_file(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(saving, "save_file", save_file)


@pytest.mark.parametrize("call", [1, 3, 4])
def test_a_full_disk_leaves_the_model_that_was_there(tmp_path, monkeypatch, call):
    first, second = tiny_models(0), tiny_models(1)
    folder = save_models(first, tmp_path / "model")
    with monkeypatch.context() as patch:
        full_disk_at(call, patch)
        with pytest.raises(OutputError, match="No space left"):
            save_models(second, folder)
        full_disk_at(call, patch)
        with pytest.raises(OutputError):
            save_models(second, tmp_path / "new")
    assert files(folder) == WHOLE
    assert same(weights(load_models(folder, device=CPU)), weights(first))
    assert files(tmp_path / "new") == set()


@pytest.mark.parametrize("moved", [1, 4, 9])
def test_a_crash_while_files_are_replaced_is_never_taken_for_a_model(tmp_path, monkeypatch, moved):
    folder, models = save_models(tiny_models(0), tmp_path / "model"), tiny_models(1)
    real, calls = os.replace, []

    def crash(*args: Path) -> None:
        calls.append(args)
        if len(calls) > moved:
            raise KeyboardInterrupt
        real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            save_models(models, folder)
    with pytest.raises(ModelError, match="save it again"):
        load_models(folder, device=CPU)
    save_models(models, folder)
    assert files(folder) == WHOLE
    assert same(weights(load_models(folder, device=CPU)), weights(models))


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save_models(tiny_models(), tmp_path / "file" / "model")
