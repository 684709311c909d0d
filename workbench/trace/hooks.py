"""Seeing what lives inside modules: forward hooks that exist only while one frame is made."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import TraceError

NETWORKS = ("unet", "controlnet", "conditioning", "vae")
WRAPPED = "_orig_mod"  # where torch.compile(module) keeps the module

Record = Callable[[str, Tensor], None]


def find_modules(network: nn.Module, name: str, pattern: str) -> dict[str, nn.Module]:
    """``unet.down_blocks.0``-like names -> the modules whose path fits; ``*`` is one level, ``**`` any depth."""
    modules = _modules(network)
    fits = re.compile(_translated(pattern)).fullmatch
    return _traceable(network, name, pattern, {path: module for path, module in modules.items() if fits(path)})


def find_attention(network: nn.Module, name: str, pattern: str) -> dict[str, nn.Module]:
    """``attention.mid_block...attn1``-like names -> the attention modules at or under the paths that fit."""
    modules = {path: m for path, m in _modules(network).items() if hasattr(m, "to_q") and hasattr(m, "to_k")}
    if not modules:
        raise TraceError(f"{name} has no attention to record: all of its blocks are convolutions, in this model.")
    fits = re.compile(rf"(?:{_translated(pattern)})(?:\..*)?").fullmatch
    found = _traceable(network, name, pattern, {path: module for path, module in modules.items() if fits(path)})
    return {"attention" + path.removeprefix(name): module for path, module in found.items()}


@contextmanager
def hooked(
    outputs: Mapping[str, nn.Module], attentions: Mapping[str, nn.Module], record: Record, room: Callable[[], int]
) -> Iterator[None]:
    """Hands outputs and attention maps to ``record`` for as long as it is entered, from this thread only."""
    thread = threading.get_ident()

    def seen(name: str, value: Tensor) -> None:
        if threading.get_ident() == thread:
            record(name, value)

    with ExitStack() as stack:
        for name, module in outputs.items():
            stack.callback(module.register_forward_hook(_output_hook(name, seen)).remove)
        for name, module in attentions.items():
            for handle in _attention_hooks(name, module, seen, room):
                stack.callback(handle.remove)
        yield


def _modules(network: nn.Module) -> dict[str, nn.Module]:
    """Path -> module, with the paths that it has without torch.compile; a compiled module stands as its wrapper."""
    found: dict[str, nn.Module] = {}
    for path, module in network.named_modules():
        path = ".".join(part for part in path.split(".") if part != WRAPPED)
        if path and path not in found:
            found[path] = module
    return found


def _traceable(network: nn.Module, name: str, pattern: str, found: dict[str, nn.Module]) -> dict[str, nn.Module]:
    if not found:
        near = get_close_matches(pattern, _modules(network), n=3, cutoff=0.4)
        children = [child for child in _modules(network) if "." not in child]
        raise TraceError(
            f"nothing in {name} fits {pattern!r}. {f'Near it: {near}. ' if near else ''}"
            f"Its parts are: {', '.join(children)}; '*' is one level, '**' any depth."
        )
    compiled = {""} if _is_compiled(network) else set()
    compiled |= {path for path, module in _modules(network).items() if _is_compiled(module)}
    for path in found:
        parts = path.split(".")
        above = {".".join(parts[:i]) for i in range(len(parts))} & compiled
        if above:
            block = ".".join(filter(None, [name, min(above, key=len)]))
            raise TraceError(
                f"{name}.{path} cannot be recorded: {block} was compiled as one piece by torch.compile, and hooks "
                f"inside it never fire. Record {block} itself, compile smaller blocks in place "
                f"(module.compile()), or trace a pipeline that is not compiled."
            )
    return {f"{name}.{path}": module for path, module in found.items()}


def _is_compiled(module: nn.Module) -> bool:
    return WRAPPED in module._modules or getattr(module, "_compiled_call_impl", None) is not None


def _translated(pattern: str) -> str:
    """A glob of module paths as a regular expression."""
    words = {"**": ".*", "*": r"[^.]*", "?": "[^.]"}
    return "".join(words.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*|\?)", pattern))


def _output_hook(name: str, record: Record) -> Callable[..., None]:
    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        value = _first_tensor(output)
        if value is None:
            raise TraceError(f"{name} gives no tensor but {type(output).__name__}; record a part of it.")
        record(name, value[0] if value.ndim > 1 and value.shape[0] == 1 else value)

    return hook


def _first_tensor(output: Any) -> Tensor | None:
    """The first tensor of an output: blocks that also return their skip connections return the main output first."""
    if isinstance(output, Tensor):
        return output
    parts = output.values() if isinstance(output, Mapping) else output if isinstance(output, tuple | list) else ()
    return next((tensor for part in parts if (tensor := _first_tensor(part)) is not None), None)


def _attention_hooks(name: str, module: Any, record: Record, room: Callable[[], int]) -> list[Any]:
    """Catches queries and keys on their way; whichever processor runs, it computes what it always does."""
    caught: dict[str, Tensor] = {}

    def catch(which: str) -> Callable[..., None]:
        return lambda layer, inputs, output: caught.__setitem__(which, output)

    def weigh(layer: nn.Module, inputs: Any, output: Any) -> None:
        if caught.keys() != {"queries", "keys"}:
            raise TraceError(f"{name} uses fused projections; call unfuse_qkv_projections() before tracing it.")
        queries, keys = caught.pop("queries")[0], caught.pop("keys")[0]  # (N, heads * D), (M, heads * D)
        needed = 4 * module.heads * len(queries) * len(keys)
        if needed > room():
            raise TraceError(
                f"{name} has {module.heads} maps of {len(queries)} x {len(keys)}: {needed:.3g} bytes, more than the "
                f"budget has left. Choose a deeper level ('mid_block'), a smaller frame, or a larger budget."
            )
        record(name, attention_map(queries, keys, module.heads, module.scale))

    return [
        module.to_q.register_forward_hook(catch("queries")),
        module.to_k.register_forward_hook(catch("keys")),
        module.register_forward_hook(weigh),
    ]


@torch.no_grad()
def attention_map(queries: Tensor, keys: Tensor, heads: int, scale: float) -> Tensor:
    """(N, heads * D), (M, heads * D) -> (heads, N, M) float32: softmax(Q K^T * scale), each row sums to 1."""
    split = [value.float().unflatten(-1, (heads, -1)).transpose(0, 1) for value in (queries, keys)]
    return (split[0] @ split[1].transpose(1, 2) * scale).softmax(dim=-1)
