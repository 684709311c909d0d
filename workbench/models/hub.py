"""From what a person names (nothing, a model of the package, a folder, a hub id) to a model folder on disk."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from workbench.errors import ModelError
from workbench.models.folder import COMPONENTS, REPLACING, ModelFolder, weights_variant

DATA = Path(__file__).parent.parent / "data"
EMBEDDED = DATA / "model"
SHIPPED = {"embedded": EMBEDDED}
"""The package's own models by name."""
WEIGHTS = "diffusion_pytorch_model"
CONFIGS = (
    "model_index.json",
    "workbench.json",
    "prompt_embeds.safetensors",
    "scheduler/scheduler_config.json",
    "tokenizer/*.json",
    "text_encoder/config.json",
)
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
WINDOWS_PATH = re.compile(r"[A-Za-z]:[\\/]|.*\\")


def locate(
    source: str | os.PathLike[str] | None, revision: str | None = None, *, components: Iterable[str] = COMPONENTS
) -> ModelFolder:
    """The folder of a model of the package (None: ``embedded``), a local folder, or a hub id's, which is downloaded.

    ``revision``: branch, tag or commit of a hub model. ``components``: those whose weights are wanted.
    A folder that exists goes before a hub id of the same spelling, a name of ``SHIPPED`` before a folder.
    """
    name = "embedded" if source is None else str(source)
    if name in SHIPPED:
        return _shipped(name, revision)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _local(folder, str(folder), revision)
    if folder.exists():
        raise ModelError(f"{folder} is a file; name the folder of a model (the one with unet/, controlnet/, vae/).")
    if isinstance(source, str) and HUB_ID.fullmatch(source):
        return _from_hub(source, revision, components)
    hint = ""
    if os.name != "nt" and WINDOWS_PATH.match(str(source)):
        hint = " It looks like a Windows path, and this machine is none: write its path here, with '/'."
    raise ModelError(
        f"there is no model folder {str(source)!r}.{hint} "
        f"Give a folder that exists, a hub id of the form owner/name, or a model of the package: {', '.join(SHIPPED)}."
    )


def _shipped(name: str, revision: str | None) -> ModelFolder:
    folder = SHIPPED[name]
    if not folder.is_dir():
        raise ModelError(
            f"the model {name} is not part of this installation ({folder} is missing); "
            f"install the package again, or name a model folder or a hub id."
        )
    return _local(folder, name, revision)


def _local(folder: Path, name: str, revision: str | None) -> ModelFolder:
    if revision is not None:
        raise ModelError(f"revision={revision!r} belongs to a hub id, and {folder} is a folder; leave it out.")
    if (folder / REPLACING).exists():
        raise ModelError(f"{folder} was being written when the program ended, and is incomplete; save it again.")
    return ModelFolder(folder, name)


def _from_hub(hub_id: str, revision: str | None, components: Iterable[str]) -> ModelFolder:
    """What of a hub model is needed; the text encoder's weights only come when its embeddings are asked for."""
    plain = [f"{name}/{pattern}" for name in components for pattern in ("config.json", *_weights(""))]
    folder = _download(hub_id, revision, [*CONFIGS, *plain])
    fetch = partial(_more, hub_id, folder.name)
    bare = [name for name in components if weights_variant(folder / name, WEIGHTS) is None]
    if bare:
        fetch([f"{name}/{pattern}" for name in bare for pattern in _weights(".fp16")])
    return ModelFolder(folder, hub_id, folder.name, fetch)


def _weights(variant: str) -> list[str]:
    """Names that diffusers gives to the safetensors of a component: one file, or shards and their index."""
    return [
        f"{WEIGHTS}{variant}.safetensors",
        f"{WEIGHTS}{variant}-?????-of-?????.safetensors",
        f"{WEIGHTS}.safetensors.index{variant}.json",
    ]


def _more(hub_id: str, commit: str, patterns: Iterable[str]) -> None:
    _download(hub_id, commit, patterns)


def _download(hub_id: str, revision: str | None, patterns: Iterable[str]) -> Path:
    """Files of one snapshot, resumed where a download broke off; the cache's own when there is no network."""
    try:
        return Path(
            huggingface_hub.snapshot_download(
                hub_id,
                revision=revision,
                allow_patterns=list(patterns),
                local_files_only=huggingface_hub.constants.HF_HUB_OFFLINE,
            )
        )
    except GatedRepoError as error:
        raise ModelError(
            f"{hub_id} on the hub is gated: accept its terms on its page, then log in with 'hf auth login'."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"there is no folder {hub_id!r} here, and no model of that id that you may see on the hub; "
            f"check the spelling, or log in with 'hf auth login' if it is private."
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(f"{hub_id} on the hub has no revision {revision!r}; name a branch, tag or commit.") from error
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"there is no folder {hub_id!r} here, and the hub model of that id is not (wholly) in the cache "
            f"{huggingface_hub.constants.HF_HUB_CACHE} and the hub cannot be reached. "
            f"Go online (and unset HF_HUB_OFFLINE), or set HF_ENDPOINT to a mirror, or use the embedded model."
        ) from error
    except HFValidationError as error:
        raise ModelError(f"{hub_id!r} is no folder, and no valid hub id (owner/name) either.") from error
    except Exception as error:  # whatever else a network, proxy, mirror or disk can do
        raise ModelError(
            f"downloading {hub_id} failed ({type(error).__name__}: {error}); run again to resume it."
        ) from error


def models_in_reach() -> dict[str, str]:
    """Models that load without a network: the package's own, and those in the hub's cache."""
    found = {name: str(folder) for name, folder in SHIPPED.items() if folder.is_dir()}
    try:
        cached = huggingface_hub.scan_cache_dir().repos
    except huggingface_hub.errors.CacheNotFound:
        return found
    return found | {repo.repo_id: str(repo.repo_path) for repo in cached if repo.repo_type == "model"}
