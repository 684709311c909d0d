"""The empty prompt, encoded once: neither the tokenizer nor, afterwards, the text encoder is needed.

The published model is always run with the empty prompt. Its tokens are begin, end and padding, which the tokenizer's
JSON files name. The text encoder (over 1 GB) is loaded for them once, and its 77 embeddings are kept in a small
file beside the hub's cache.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from accelerate import init_empty_weights
from safetensors.torch import save
from torch import Tensor

from workbench.errors import ModelError
from workbench.files import replacing
from workbench.models.folder import ModelFolder, check_names, no_weights, read_json, read_tensors, weights_variant

EMBEDS = "prompt_embeds"
WEIGHTS = "model"
SPECIAL = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
PREFIX = "text_model."  # of the weights' names: older transformers write it, newer ones do not
UNUSED = ("embeddings.position_ids", "text_projection.weight", "logit_scale")

log = logging.getLogger(__name__)


def load_prompt(model: ModelFolder) -> Tensor:
    """The empty prompt's embeddings, (1, tokens, D) float32: the folder's own, else the cache's, else computed."""
    own = model.path / f"{EMBEDS}.safetensors"
    if own.is_file():
        return read_prompt(own)
    for part in ("text_encoder", "tokenizer"):
        if not any((model.path / part).glob("*.json")):
            raise ModelError(f"{model.path} lacks {own.name}, and {part}/ from which to compute it. {model.remedy}")
    encoder = model.path / "text_encoder"
    config = read_json(encoder / "config.json")
    ids = empty_prompt_ids(model.path / "tokenizer", config)
    weights = f"{model.name}@{model.commit}" if model.commit is not None else _digest(_weights_file(model))
    cached = _cache_file(weights, config, ids)
    try:
        return read_prompt(cached)
    except ModelError:  # not there yet, or damaged: made anew
        pass
    for infix in ("", ".fp16"):
        if weights_variant(encoder, WEIGHTS) is None:
            model.fetch([f"text_encoder/{WEIGHTS}{infix}.safetensors"])
    prompt = encode(ids, config, _weights_file(model))
    _keep(prompt, cached)
    return prompt


def read_prompt(path: Path) -> Tensor:
    """(1, tokens, D) float32 from a ``prompt_embeds.safetensors``."""
    prompt = read_tensors(path).get(EMBEDS)
    if prompt is None or prompt.ndim != 3 or len(prompt) != 1 or not prompt.isfinite().all():
        raise ModelError(f"{path} must hold {EMBEDS!r}, finite, of shape (1, tokens, D); save the model again.")
    return prompt.float()


def empty_prompt_ids(tokenizer: Path, config: dict[str, Any]) -> list[int]:
    """Begin, end, then padding up to the text encoder's length, from the tokenizer's JSON files alone."""
    about = _optional(tokenizer / "tokenizer_config.json")
    # As transformers reads them: the special tokens' own file counts unless the configuration lists the added tokens.
    listed = {} if "added_tokens_decoder" in about else _optional(tokenizer / "special_tokens_map.json")
    try:
        tokens = SPECIAL | {k: _text(values[k]) for values in (about, listed) for k in SPECIAL if values.get(k)}
        known = _ids(tokenizer, about)
        begin, end, pad = (known[tokens[name]] for name in ("bos_token", "eos_token", "pad_token"))
        length = min(about.get("model_max_length") or 77, config.get("max_position_embeddings", 77))
        fits = max(begin, end, pad) < config.get("vocab_size", 49408)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{tokenizer} does not give the ids of the begin, end and padding tokens ({error!r}); expected them in "
            f"tokenizer.json, vocab.json or tokenizer_config.json. Copy the tokenizer's JSON files again."
        ) from error
    if not fits:
        raise ModelError(f"{tokenizer} has ids beyond the text encoder's vocabulary; the two are of different models.")
    return [begin, end, *[pad] * (length - 2)]


@torch.no_grad()
def encode(ids: list[int], config: dict[str, Any], weights: Path) -> Tensor:
    """Token ids -> the text encoder's last hidden state after its final norm, (1, tokens, D) float32.

    No attention mask, as published. Raises ModelError unless every weight of the encoder is in the file.
    """
    from transformers import CLIPTextConfig, CLIPTextModel

    if config.get("model_type", "clip_text_model") not in ("clip_text_model", "clip"):
        raise ModelError(f"{weights.parent} must hold a CLIP text encoder, got {config['model_type']!r}.")
    try:
        with init_empty_weights():
            model = CLIPTextModel(CLIPTextConfig.from_dict(config)).eval()
    except Exception as error:  # a wrong config.json can fail in any argument of the class
        reason = " ".join(str(error).split()).rstrip(".")
        raise ModelError(f"{weights.parent / 'config.json'} is no text encoder's: {reason}. Copy it again.") from error
    wanted = model.state_dict()
    prefix = PREFIX if any(name.startswith(PREFIX) for name in wanted) else ""
    bare = {name.removeprefix(PREFIX): tensor.float() for name, tensor in read_tensors(weights).items()}
    state = {prefix + name: tensor for name, tensor in bare.items() if name not in UNUSED}
    fitting = {name for name, tensor in state.items() if name in wanted and wanted[name].shape == tensor.shape}
    check_names(weights, wanted.keys() - fitting, state.keys() - fitting)
    model.load_state_dict(state, assign=True)
    return model(torch.tensor([ids])).last_hidden_state


def _weights_file(model: ModelFolder) -> Path:
    folder = model.path / "text_encoder"
    variant = weights_variant(folder, WEIGHTS)
    if variant is None:
        raise ModelError(f"{model.name} lacks {no_weights(folder, WEIGHTS)}. {model.remedy}")
    return folder / (f"{WEIGHTS}.{variant}.safetensors" if variant else f"{WEIGHTS}.safetensors")


def _ids(tokenizer: Path, about: dict[str, Any]) -> dict[str, int]:
    """Every token whose id the JSON files give."""
    fast = _optional(tokenizer / "tokenizer.json")
    return (
        _optional(tokenizer / "vocab.json")
        | fast.get("model", {}).get("vocab", {})
        | _optional(tokenizer / "added_tokens.json")
        | {token["content"]: token["id"] for token in fast.get("added_tokens", [])}
        | {token["content"]: int(i) for i, token in about.get("added_tokens_decoder", {}).items()}
    )


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _text(token: str | dict[str, Any]) -> str:
    """A special token is written as its text, or as an object that holds it."""
    return token if isinstance(token, str) else token["content"]


def _digest(path: Path) -> str:
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            hashed.update(block)
    return hashed.hexdigest()


def _cache_file(weights: str, config: dict[str, Any], ids: list[int]) -> Path:
    """Where the embeddings of these weights and tokens are kept: under HF_HOME, beside the hub's cache."""
    key = hashlib.sha256(json.dumps([weights, config, ids], sort_keys=True).encode()).hexdigest()
    return Path(huggingface_hub.constants.HF_HOME) / "stream-diffvsr-workbench" / f"{EMBEDS}-{key[:32]}.safetensors"


def _keep(prompt: Tensor, path: Path) -> None:
    """Writes the embeddings so that other processes see all of them or nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_bytes(save({EMBEDS: prompt.contiguous()}))
    except OSError as error:
        log.warning("the prompt's embeddings cannot be kept in %s (%s); they are computed every time", path, error)
