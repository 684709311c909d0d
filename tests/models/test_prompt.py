"""The empty prompt: the published tokens without a BPE, the published embeddings, encoded once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import CLIPTokenizer

from tests.model_folders import GOLDEN, MODEL, copy_model, edit_json, edit_tensors, use_hf_home
from workbench.errors import ModelError
from workbench.models import _prompt as prompts
from workbench.models._prompt import empty_prompt_ids, load_prompt
from workbench.models.folder import ModelFolder, read_json

PREFIX = "text_model."
CONFIG = read_json(MODEL / "text_encoder" / "config.json")
RECORDED = torch.from_numpy(np.load(GOLDEN / "golden.npz")["prompt_embeds"])


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path) -> Path:
    return use_hf_home(monkeypatch, tmp_path / "hf")


@pytest.fixture
def folder(tmp_path) -> Path:
    return copy_model(tmp_path / "model")


def prompt_of(folder: Path) -> torch.Tensor:
    return load_prompt(ModelFolder(folder, str(folder)))


def recorded(embeddings: torch.Tensor) -> bool:
    """Equal up to the order in which a processor's kernels add up."""
    return torch.allclose(embeddings, RECORDED, rtol=1e-5, atol=1e-5)


def forbid_encoding(monkeypatch):
    def encode(*args: Any) -> torch.Tensor:
        raise AssertionError("the text encoder was run")

    monkeypatch.setattr(prompts, "encode", encode)


def test_embeddings_are_the_recorded_ones(folder):
    assert recorded(prompt_of(folder))
    assert not prompt_of(folder).requires_grad


def test_tokens_are_begin_end_and_padding():
    assert empty_prompt_ids(MODEL / "tokenizer", CONFIG) == [516, 517, *[0] * 75]


@pytest.mark.parametrize("pad", ["!", "<|endoftext|>", "?"])
@pytest.mark.parametrize("place", ["both", "map", "objects", "decoder"])
def test_tokens_are_those_of_the_real_tokenizer(folder, pad, place):
    tokenizer = folder / "tokenizer"
    token = {"content": pad, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False}
    said = token if place == "objects" else pad
    edit_json(tokenizer / "special_tokens_map.json", pad_token=said)
    edit_json(tokenizer / "tokenizer_config.json", pad_token=said)
    if place == "map":
        config = json.loads((tokenizer / "tokenizer_config.json").read_text())
        del config["pad_token"]
        (tokenizer / "tokenizer_config.json").write_text(json.dumps(config))
    if place == "decoder":
        ids = {"!": 0, "?": 30, "<|startoftext|>": 516, "<|endoftext|>": 517}
        listed = {str(i): {**token, "content": text, "special": True} for text, i in ids.items()}
        edit_json(tokenizer / "tokenizer_config.json", added_tokens_decoder=listed)
    (tokenizer / "merges.txt").write_text("#version: 0.2\ni n\n")  # older tokenizers do not start without it
    real = CLIPTokenizer.from_pretrained(tokenizer)
    assert empty_prompt_ids(tokenizer, CONFIG) == real("", padding="max_length", max_length=77).input_ids


def test_padding_is_the_end_token_where_nothing_else_is_said(folder):
    (folder / "tokenizer" / "special_tokens_map.json").unlink()
    (folder / "tokenizer" / "tokenizer_config.json").write_text('{"model_max_length": 77}')
    (folder / "tokenizer" / "tokenizer.json").unlink()
    assert empty_prompt_ids(folder / "tokenizer", CONFIG) == [516, *[517] * 76]


def test_length_is_what_the_text_encoder_takes(folder):
    edit_json(folder / "tokenizer" / "tokenizer_config.json", model_max_length=10**30)
    assert len(empty_prompt_ids(folder / "tokenizer", CONFIG | {"max_position_embeddings": 20})) == 20


def test_tokens_that_the_files_do_not_give_are_an_error(folder):
    for name in ("vocab.json", "tokenizer.json"):
        (folder / "tokenizer" / name).unlink()
    with pytest.raises(ModelError, match="startoftext"):
        prompt_of(folder)
    with pytest.raises(ModelError, match="vocabulary"):
        empty_prompt_ids(MODEL / "tokenizer", CONFIG | {"vocab_size": 100})


@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_either_convention_of_names_gives_the_same_embeddings(folder, prefix):
    def rename(tensors):
        renamed = {prefix + name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
        return renamed | {f"{prefix}embeddings.position_ids": torch.arange(77)[None]}

    edit_tensors(folder / "text_encoder" / "model.safetensors", rename)
    assert recorded(prompt_of(folder))


def test_half_precision_weights_are_encoded_in_full_precision(folder):
    edit_tensors(folder / "text_encoder" / "model.safetensors", lambda ts: {name: t.half() for name, t in ts.items()})
    (folder / "text_encoder" / "model.safetensors").rename(folder / "text_encoder" / "model.fp16.safetensors")
    found = prompt_of(folder)
    assert found.dtype == torch.float32
    assert 0 < (found - RECORDED).abs().max() < 0.02


@pytest.mark.parametrize(
    "change",
    [
        lambda ts: {name: t for name, t in ts.items() if "layers.1.mlp.fc2.bias" not in name},
        lambda ts: {name.replace("text_model.", "model."): t for name, t in ts.items()},
        lambda ts: ts | {"text_model.strange": torch.zeros(1)},
        lambda ts: ts | {"text_model.final_layer_norm.bias": torch.zeros(3)},
    ],
)
def test_every_weight_of_the_text_encoder_must_be_read(folder, change):
    edit_tensors(folder / "text_encoder" / "model.safetensors", change)
    with pytest.raises(ModelError, match=r"text_encoder.model\.safetensors are not those of its config"):
        prompt_of(folder)


def test_wrong_text_encoders_are_named(folder):
    edit_json(folder / "text_encoder" / "config.json", model_type="t5")
    with pytest.raises(ModelError, match="CLIP text encoder, got 't5'"):
        prompt_of(folder)
    edit_json(folder / "text_encoder" / "config.json", model_type="clip_text_model", hidden_size="wide")
    with pytest.raises(ModelError, match=r"text_encoder.config\.json"):
        prompt_of(folder)
    (folder / "text_encoder" / "model.safetensors").rename(folder / "text_encoder" / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"only pytorch_model\.bin"):
        prompt_of(folder)
    shutil.rmtree(folder / "text_encoder")
    with pytest.raises(ModelError, match=r"lacks prompt_embeds\.safetensors, and text_encoder/"):
        prompt_of(folder)


def test_the_text_encoder_runs_once(folder, monkeypatch, home):
    first = prompt_of(folder)
    forbid_encoding(monkeypatch)
    assert torch.equal(prompt_of(folder), first)
    kept = list((home / "stream-diffvsr-workbench").iterdir())
    assert len(kept) == 1, "one file of embeddings, and nothing half-written beside it"


def test_another_text_encoder_or_tokenizer_is_not_confused_with_the_first(folder, home):
    first = prompt_of(folder)
    edit_tensors(folder / "text_encoder" / "model.safetensors", lambda ts: {name: t * 1.1 for name, t in ts.items()})
    second = prompt_of(folder)
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        edit_json(folder / "tokenizer" / name, pad_token="?")
    third = prompt_of(folder)
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)
    assert len(list((home / "stream-diffvsr-workbench").iterdir())) == 3


@pytest.mark.parametrize("damage", [b"", b"\x08\0\0\0\0\0\0\0{}      ", None])
def test_damaged_kept_embeddings_are_made_anew(folder, home, damage):
    first = prompt_of(folder)
    (kept,) = (home / "stream-diffvsr-workbench").iterdir()
    kept.write_bytes(kept.read_bytes()[:-100] if damage is None else damage)
    assert torch.equal(prompt_of(folder), first)
    assert torch.equal(prompts.read_prompt(kept), first)


def test_where_nothing_can_be_kept_the_prompt_is_still_encoded(folder, home, caplog):
    home.write_text("a file where a folder should be")
    assert recorded(prompt_of(folder))
    assert "cannot be kept" in caplog.text


def test_a_folder_that_carries_its_embeddings_needs_no_text_encoder(folder, monkeypatch):
    from safetensors.torch import save_file

    own = torch.randn(1, 5, 32)
    save_file({"prompt_embeds": own}, folder / "prompt_embeds.safetensors")
    for part in ("text_encoder", "tokenizer"):
        shutil.rmtree(folder / part)
    forbid_encoding(monkeypatch)
    assert torch.equal(prompt_of(folder), own)


@pytest.mark.parametrize(
    "tensors", [{"other": torch.zeros(1, 5, 32)}, {"prompt_embeds": torch.zeros(5, 32)}, {"prompt_embeds": None}]
)
def test_wrong_embeddings_in_a_folder_are_an_error(folder, tensors):
    from safetensors.torch import save_file

    tensors = {name: torch.full((1, 5, 32), torch.nan) if t is None else t for name, t in tensors.items()}
    save_file(tensors, folder / "prompt_embeds.safetensors")
    with pytest.raises(ModelError, match=r"prompt_embeds\.safetensors must hold"):
        prompt_of(folder)
