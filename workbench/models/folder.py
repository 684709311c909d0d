"""A model folder: where it came from, and how its files are read. Every failure names the file and the way out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from workbench.errors import ModelError

COMPONENTS = ("unet", "controlnet", "vae")
REPLACING = ".replacing"  # there while the files of a folder are being replaced (see ``save``)
LFS_POINTER = b"version https://git-lfs"
PICKLES = (".bin", ".pt", ".pth", ".ckpt")


@dataclass(frozen=True)
class ModelFolder:
    """A model on disk."""

    path: Path
    name: str
    """what the person asked for: ``embedded``, a hub id, or the folder"""
    commit: str | None = None
    """of a hub model"""
    fetch: Callable[[Iterable[str]], None] = lambda patterns: None
    """brings more files of the same model, given globs; a person's own folder has no more"""

    @property
    def remedy(self) -> str:
        """What to do when files are lacking."""
        if self.commit is None:
            return "Copy the whole model folder, or save it again."
        return "If its download was cut off, or you are offline, run again with a network: what is there is kept."


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file."""
    check_fetched(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is not readable JSON ({error}); copy or download it again.") from error
    if not isinstance(values, dict):
        raise ModelError(f"{path} must hold a JSON object, got a {type(values).__name__}; copy or download it again.")
    return values


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of one safetensors file, on the CPU."""
    check_whole(path)
    return load_file(path)


def check_whole(path: Path) -> None:
    """Raises ModelError when a safetensors file is not one, or is cut short; reads its header only."""
    check_fetched(path)
    try:
        with safe_open(path, "pt"):
            pass
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} is corrupt or cut short ({error}); copy or download it again.") from error


def check_fetched(path: Path) -> None:
    """Raises ModelError for a file that git has checked out as a mere pointer to large file storage (LFS)."""
    if path.is_file() and path.stat().st_size < 1024 and path.read_bytes().startswith(LFS_POINTER):
        raise ModelError(f"{path} is a Git LFS pointer, not the file itself; run 'git lfs pull' in its folder.")


def fingerprint(folder: Path) -> str:
    """SHA-256 over all weights of a model folder and its ``workbench.json``: what its numbers depend on."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.safetensors")):
        digest.update(file.relative_to(folder).as_posix().encode())
        digest.update(file.read_bytes())
    digest.update(json.dumps(read_json(folder / "workbench.json"), sort_keys=True).encode())
    return digest.hexdigest()


def check_names(path: Path, lacking: Collection[str], strange: Collection[str]) -> None:
    """Raises ModelError unless the weights in ``path`` are just those that their config.json asks for."""
    if lacking or strange:
        counts = [_count(lacking, "missing"), _count(strange, "unknown")]
        raise ModelError(
            f"the weights in {path} are not those of its config.json: {', '.join(filter(None, counts))}. "
            f"Copy or download both again."
        )


def _count(names: Collection[str], what: str) -> str:
    shown = ", ".join(sorted(names)[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} {what} ({shown})" if names else ""


def weights_variant(folder: Path, stem: str) -> str | None:
    """Which safetensors weights a component's folder has: plain (``""``), ``"fp16"``, or none (None)."""
    for variant, infix in (("", ""), ("fp16", ".fp16")):
        index = f"{stem}.safetensors.index{infix}.json"
        if (folder / f"{stem}{infix}.safetensors").is_file() or (folder / index).is_file():
            return variant
    return None


def no_weights(folder: Path, stem: str) -> str:
    """Why a component's folder has no weights to load."""
    pickles = sorted(file.name for file in folder.glob("*") if file.suffix in PICKLES)
    if not pickles:
        return f"{folder / stem}.safetensors"
    return (
        f"{folder / stem}.safetensors (there is only {', '.join(pickles)}: pickles can run any code and are never "
        f"loaded; convert them to safetensors, or find a copy of the model that has them)"
    )
