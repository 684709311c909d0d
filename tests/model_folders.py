"""Model folders for tests: copies of the golden model, and a hub cache of one's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"
MODEL = GOLDEN / "model"
WEIGHTS = "diffusion_pytorch_model.safetensors"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
CPU = torch.device("cpu")


def copy_model(target: Path, source: Path = MODEL) -> Path:
    """A copy that a test may damage."""
    shutil.copytree(source, target)
    return target


def use_hf_home(monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    """Sends the hub's cache, and what is kept beside it, to ``home``."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HOME", str(home))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(home / "hub"))
    return home


def put_in_cache(home: Path, hub_id: str, folder: Path, *, revision: str = "main") -> Path:
    """Lays a folder out as the hub's cache does (blobs, a snapshot of links to them, a ref); returns the snapshot."""
    repo = home / "hub" / f"models--{hub_id.replace('/', '--')}"
    snapshot = repo / "snapshots" / COMMIT
    for i, file in enumerate(sorted(path for path in folder.rglob("*") if path.is_file())):
        blob, link = repo / "blobs" / f"{i:040x}", snapshot / file.relative_to(folder)
        for parent in (blob.parent, link.parent):
            parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, blob)
        link.symlink_to(blob)
    (repo / "refs").mkdir(exist_ok=True)
    (repo / "refs" / revision).write_text(COMMIT)
    return snapshot


def edit_json(path: Path, **changes: Any) -> None:
    """Changes values of a JSON file; None as a value is written as null."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_tensors(path: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    """Rewrites a safetensors file."""
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    path.unlink()
    save_file(change(tensors), path, metadata={"format": "pt"})


def weights(models: Any) -> dict[str, Tensor]:
    """Every tensor of every network, under unique names."""
    return {f"{part}.{name}": t for part, net in models.networks.items() for name, t in net.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
