"""Loading: every weight or an error that names the file; any layout and precision of a folder; nothing printed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model_folders import CPU, MODEL, WEIGHTS, copy_model, edit_json, edit_tensors, same, use_hf_home, weights
from tests.tiny import tiny_models
from workbench.errors import DeviceError, ModelError
from workbench.models import hub
from workbench.models.load import load_models, load_network
from workbench.models.models import Properties
from workbench.models.save import save_models
from workbench.pipeline.load import load_pipeline


@pytest.fixture(autouse=True)
def _home(monkeypatch, tmp_path_factory):
    use_hf_home(monkeypatch, tmp_path_factory.getbasetemp() / "hf")  # shared: the prompt is encoded once


@pytest.fixture
def folder(tmp_path) -> Path:
    return copy_model(tmp_path / "model")


def error(folder: object, **more) -> str:
    with pytest.raises(ModelError) as caught:
        load_models(folder, device=CPU, **more)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_networks_come_ready_to_run():
    models = load_models(MODEL, device=CPU)
    for network in models.networks.values():
        assert not network.training
        assert all(p.dtype == torch.float32 and not p.requires_grad for p in network.parameters())
    assert models.properties == Properties()
    assert (models.source, models.revision) == (str(MODEL), None)
    assert models.prompt.shape == (1, 77, 32)


def test_loading_prints_nothing_and_leaves_logging_as_it_was(folder, capfd, monkeypatch, tmp_path):
    use_hf_home(monkeypatch, tmp_path / "empty")  # so that the text encoder is loaded too
    before = diffusers_logging.get_verbosity(), diffusers_logging.is_progress_bar_enabled()
    edit_json(folder / "scheduler" / "scheduler_config.json", _class_name="DDPMScheduler", variance_type="fixed_small")
    load_models(folder, device=CPU, dtype=torch.float16)
    with pytest.raises(ModelError):
        load_models(folder, device=CPU, vae=folder / "unet")
    assert capfd.readouterr() == ("", "")
    assert (diffusers_logging.get_verbosity(), diffusers_logging.is_progress_bar_enabled()) == before


def test_precision_is_chosen_per_component():
    dtypes = {"unet": torch.float16, "controlnet": torch.float32, "vae": torch.bfloat16}
    models = load_models(MODEL, device=CPU, dtype=dtypes)
    found = {name: next(network.parameters()).dtype for name, network in models.networks.items()}
    assert found == dtypes | {"conditioning": torch.float32}
    assert models.prompt.dtype == torch.float32


def test_half_precision_files_are_widened_to_the_precision_of_the_run(folder):
    halve = lambda tensors: {name: t.half() for name, t in tensors.items()}  # noqa: E731
    for name in ("unet", "controlnet", "vae"):
        edit_tensors(folder / name / WEIGHTS, halve)
    wide = weights(load_models(folder, device=CPU))
    exact = weights(load_models(MODEL, device=CPU))
    assert same(wide, {name: t.half().float() for name, t in exact.items()})


def test_fp16_names_and_shards_are_read(folder):
    unet = UNet2DConditionModel.from_pretrained(MODEL / "unet")
    assert isinstance(unet, UNet2DConditionModel)
    shutil.rmtree(folder / "unet")
    unet.save_pretrained(folder / "unet", max_shard_size="300KB")
    assert not (folder / "unet" / WEIGHTS).exists()
    (folder / "vae" / WEIGHTS).rename(folder / "vae" / WEIGHTS.replace(".safetensors", ".fp16.safetensors"))
    assert same(weights(load_models(folder, device=CPU)), weights(load_models(MODEL, device=CPU)))


def test_components_can_be_taken_from_elsewhere(folder, tmp_path):
    other = copy_model(tmp_path / "other")
    for name in ("unet", "controlnet", "vae"):
        edit_tensors(other / name / WEIGHTS, lambda tensors: {name: t * 2 for name, t in tensors.items()})
    doubled, plain = weights(load_models(other, device=CPU)), weights(load_models(MODEL, device=CPU))
    shutil.rmtree(folder / "vae")
    taken = weights(
        load_models(folder, device=CPU, unet=other, controlnet=other / "controlnet", vae=other / "vae" / WEIGHTS)
    )
    assert same(taken, doubled)
    assert not same(doubled, plain)
    assert "no unet folder" in error(MODEL, unet=tmp_path)


def test_properties_are_read_and_channels_last_is_applied(folder):
    (folder / "workbench.json").write_text(json.dumps({"channels_last": True, "warp": "exact", "flow": "dis"}))
    models = load_models(folder, device=CPU)
    assert models.properties == Properties(channels_last=True, warp="exact", flow="dis")
    assert next(w for w in models.vae.parameters() if w.ndim == 4 and w.shape[1] > 1).is_contiguous(
        memory_format=torch.channels_last
    )
    assert models.unet.conv_in.weight.is_contiguous()  # its group norms lose digits in the other layout
    assert same(weights(models), weights(load_models(MODEL, device=CPU)))


@pytest.mark.parametrize("lost", ["unet/config.json", f"controlnet/{WEIGHTS}", "scheduler/scheduler_config.json"])
def test_a_partial_folder_is_named_with_what_it_lacks(folder, lost):
    (folder / lost).unlink()
    message = error(folder)
    assert str(folder / lost) in message
    assert "incomplete" in message


def test_all_that_is_lacking_is_said_at_once(folder):
    shutil.rmtree(folder / "controlnet")
    (folder / "vae" / WEIGHTS).unlink()
    message = error(folder)
    for lost in ("controlnet/config.json", f"controlnet/{WEIGHTS}", f"vae/{WEIGHTS}"):
        assert str(folder / lost) in message


def test_pickles_are_never_loaded(folder):
    (folder / "unet" / WEIGHTS).rename(folder / "unet" / "diffusion_pytorch_model.bin")
    assert "only diffusion_pytorch_model.bin" in error(folder)


@pytest.mark.parametrize("name", ["unet", "controlnet", "vae"])
@pytest.mark.parametrize("left", [0, 6, 5000])
def test_weights_cut_short_are_an_error(folder, name, left):
    path = folder / name / WEIGHTS
    path.write_bytes(path.read_bytes()[:left])
    assert f"{path} is corrupt or cut short" in error(folder)


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=15, deadline=None)
def test_weights_cut_anywhere_are_an_error(tmp_path_factory, share):
    folder = tmp_path_factory.mktemp("cut")
    whole = (MODEL / "vae" / WEIGHTS).read_bytes()
    (folder / "config.json").write_bytes((MODEL / "vae" / "config.json").read_bytes())
    (folder / WEIGHTS).write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelError, match="cut short"):
        load_network("vae", folder, torch.float32)


@pytest.mark.parametrize("name", ["unet", "controlnet", "vae"])
def test_every_weight_must_be_there_and_no_other(folder, name):
    path = folder / name / WEIGHTS
    edit_tensors(path, lambda tensors: {k: t for i, (k, t) in enumerate(sorted(tensors.items())) if i})
    assert f"{folder / name} are not those of its config.json: 1 missing (" in error(folder)
    shutil.copy(MODEL / name / WEIGHTS, path)
    edit_tensors(path, lambda tensors: tensors | {"strange": torch.zeros(1)})
    assert "1 unknown (strange)" in error(folder)


def test_weights_of_another_width_are_an_error(folder):
    edit_json(folder / "vae" / "config.json", encoder_block_out_channels=[8, 16, 16])
    assert str(folder / "vae") in error(folder)


@pytest.mark.parametrize(
    ("file", "changes", "words"),
    [
        ("vae", {"_class_name": "AutoencoderKL"}, "config of a AutoencoderKL"),
        ("unet", {"_class_name": "UNetSpatioTemporalConditionModel"}, "a model of another kind"),
    ],
)
def test_another_architecture_is_named_before_its_weights_are_read(folder, file, changes, words):
    edit_json(folder / file / "config.json", **changes)
    (folder / file / WEIGHTS).write_bytes(b"")
    assert words in error(folder)


def test_a_unet_without_the_lr_input_is_no_model(folder):
    edit_json(folder / "unet" / "config.json", in_channels=4)
    edit_tensors(folder / "unet" / WEIGHTS, lambda t: t | {"conv_in.weight": t["conv_in.weight"][:, :4].clone()})
    assert "unet/config.json: in_channels must be 7" in error(folder)


def test_an_x4_upscaler_of_images_is_no_model(folder):
    """Stable Diffusion's x4 upscaler has the same seven input channels, but noise levels as classes."""
    edit_json(folder / "unet" / "config.json", num_class_embeds=10)
    edit_tensors(folder / "unet" / WEIGHTS, lambda t: t | {"class_embedding.weight": torch.zeros(10, 64)})
    assert "num_class_embeds must be None" in error(folder)


@pytest.mark.parametrize("file", ["unet/config.json", "scheduler/scheduler_config.json", "workbench.json"])
@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00", '{"warp": 3'])
def test_broken_json_is_named(folder, file, text):
    (folder / file).write_text(text)
    assert "workbench.json" in error(folder) if file == "workbench.json" else str(folder / file) in error(folder)


@pytest.mark.parametrize(
    "values",
    [
        {"warp": "sideways"},
        {"flow": 3},
        {"back_projection": "x"},
        {"fit": -1},
        {"blend": 2, "fit": 0.1},
        {"blend": 0.5},
        {"colour": 1},
    ],
)
def test_wrong_properties_are_named(folder, values):
    (folder / "workbench.json").write_text(json.dumps(values))
    assert "workbench.json" in error(folder)


def test_a_scheduler_that_ddim_cannot_follow_is_named(folder):
    edit_json(folder / "scheduler" / "scheduler_config.json", beta_schedule="none such")
    assert "scheduler_config.json" in error(folder)


def test_sources_that_are_no_folder_say_what_to_do(tmp_path):
    assert "owner/name" in error(tmp_path / "absent")
    assert "owner/name" in error("absent")
    assert "Windows path" in error("C:\\models\\mine")
    assert "Windows path" in error("C:/models/mine")
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"")
    assert "is a file" in error(file)
    assert "leave it out" in error(MODEL, revision="main")


def test_without_a_source_the_embedded_model_is_loaded(monkeypatch, tmp_path):
    monkeypatch.setitem(hub.SHIPPED, "embedded", tmp_path / "model")
    assert "the model embedded is not part of this installation" in error(None)
    save_models(tiny_models(), tmp_path / "model")
    pipe = load_pipeline(device="cpu")
    assert pipe.models.source == "embedded"
    assert pipe.models.properties.flow == "dis"


def test_a_pipeline_takes_names_of_devices_and_precisions():
    pipe = load_pipeline(MODEL, device="cpu", dtype={"vae": "bf16"})
    assert next(pipe.models.vae.parameters()).dtype == torch.bfloat16
    assert next(pipe.models.unet.parameters()).dtype == torch.float32
    with pytest.raises(DeviceError, match="unet, controlnet, vae"):
        load_pipeline(MODEL, device="cpu", dtype={"conditioning": "fp16"})
    with pytest.raises(DeviceError, match="fp32"):
        load_pipeline(MODEL, device="cpu", dtype="fp8")
    with pytest.raises(DeviceError, match="cpu"):
        load_pipeline(MODEL, device="cuda:99")


@pytest.mark.parametrize("name", ["unet/diffusion_pytorch_model.safetensors", "vae/config.json"])
def test_a_git_lfs_pointer_is_named_with_its_remedy(folder, name):
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    assert f"{folder / name} is a Git LFS pointer, not the file itself; run 'git lfs pull'" in error(folder)


@pytest.mark.parametrize(
    ("properties", "scheduler", "word"),
    [
        ({"past": "residual"}, {}, "decoder_base_out_channels"),
        ({"past": "both"}, {}, "picture or residual"),
        ({"colours": "lr"}, {"prediction_type": "epsilon"}, "prediction_type"),
    ],
)
def test_a_property_that_the_networks_cannot_give_is_refused(folder, properties, scheduler, word):
    (folder / "workbench.json").write_text(json.dumps(properties))
    edit_json(folder / "scheduler" / "scheduler_config.json", **scheduler)
    assert word in error(folder)
