"""Models of the hub: only what is needed is fetched, the cache serves without a network, failures say what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import filter_repo_objects

from tests.model_folders import COMMIT, CPU, MODEL, WEIGHTS, copy_model, put_in_cache, same, use_hf_home, weights
from tests.tiny import tiny_models
from workbench.errors import ModelError
from workbench.models.load import load_models
from workbench.models.save import save_models

ID = "owner/a-model"
TEXT_ENCODER = "text_encoder/model.safetensors"


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path) -> Path:
    return use_hf_home(monkeypatch, tmp_path / "hf")


@pytest.fixture
def remote(monkeypatch, tmp_path) -> Remote:
    return Remote(monkeypatch, copy_model(tmp_path / "remote"), tmp_path / "snapshots" / COMMIT)


class Remote:
    """Stands in for the hub: ``snapshot_download`` copies the files that the patterns allow, and remembers them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, snapshot: Path) -> None:
        self.folder, self.snapshot = folder, snapshot
        self.fetched: list[str] = []
        self.revisions: list[str | None] = []
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.download)

    def download(self, repo_id: str, *, revision: str | None, allow_patterns: list[str], local_files_only: bool) -> str:
        assert repo_id == ID
        self.revisions.append(revision)
        there = [path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()]
        for name in filter_repo_objects(there, allow_patterns=allow_patterns):
            if not (self.snapshot / name).exists():
                (self.snapshot / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.folder / name, self.snapshot / name)
                self.fetched.append(name)
        return str(self.snapshot)


def error(source: object, **more) -> str:
    with pytest.raises(ModelError) as caught:
        load_models(source, device=CPU, **more)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_model_in_the_cache_loads_without_a_network(home):
    put_in_cache(home, ID, MODEL)
    models = load_models(ID, device=CPU)
    folder = load_models(MODEL, device=CPU)
    assert same(weights(models), weights(folder))
    assert torch.equal(models.prompt, folder.prompt)
    assert (models.source, models.revision) == (ID, COMMIT)


def test_revisions_are_found_by_name_and_by_commit(home):
    put_in_cache(home, ID, MODEL, revision="v1")
    for revision in ("v1", COMMIT):
        assert load_models(ID, device=CPU, revision=revision).revision == COMMIT
    assert "not (wholly) in the cache" in error(ID)


def test_once_the_prompt_is_known_the_text_encoder_is_not_needed(home):
    snapshot = put_in_cache(home, ID, MODEL)
    first = load_models(ID, device=CPU).prompt
    (snapshot / TEXT_ENCODER).unlink()
    assert torch.equal(load_models(ID, device=CPU).prompt, first)


def test_a_download_cut_off_says_what_is_lacking_and_to_run_again(home):
    snapshot = put_in_cache(home, ID, MODEL)
    (snapshot / "scheduler" / "scheduler_config.json").unlink()
    message = error(ID)
    assert str(Path("scheduler") / "scheduler_config.json") in message
    assert "run again with a network" in message


def test_a_folder_goes_before_a_hub_id_of_the_same_spelling(home, tmp_path, monkeypatch):
    save_models(tiny_models(), tmp_path / ID)
    monkeypatch.chdir(tmp_path)
    assert load_models(ID, device=CPU).revision is None


def test_only_what_is_needed_is_fetched(remote):
    for extra in ("model.ckpt", "unet/diffusion_pytorch_model.bin", "unet/extra.safetensors", "README.md", "a/b.json"):
        (remote.folder / extra).parent.mkdir(exist_ok=True)
        (remote.folder / extra).write_bytes(b"large")
    shutil.copy(remote.folder / "unet" / WEIGHTS, remote.folder / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    models = load_models(ID, device=CPU, revision="v1")
    assert models.revision == COMMIT
    assert remote.revisions == ["v1", COMMIT]
    assert set(remote.fetched) == {path.relative_to(MODEL).as_posix() for path in MODEL.rglob("*") if path.is_file()}
    assert remote.fetched[-1] == TEXT_ENCODER
    remote.fetched.clear()
    shutil.rmtree(remote.snapshot)
    load_models(ID, device=CPU)
    assert TEXT_ENCODER not in remote.fetched, "the embeddings are kept"


def test_a_model_with_embeddings_never_fetches_its_text_encoder(remote):
    save_models(load_models(MODEL, device=CPU), remote.folder)
    load_models(ID, device=CPU)
    assert TEXT_ENCODER not in remote.fetched
    assert "prompt_embeds.safetensors" in remote.fetched


def test_fp16_names_are_fetched_where_there_are_no_others(remote):
    fp16 = "unet/diffusion_pytorch_model.fp16.safetensors"
    (remote.folder / "unet" / WEIGHTS).rename(remote.folder / fp16)
    load_models(ID, device=CPU)
    assert fp16 in remote.fetched


def test_components_given_from_elsewhere_are_not_fetched(remote):
    load_models(ID, device=CPU, unet=MODEL / "unet")
    assert f"unet/{WEIGHTS}" not in remote.fetched
    assert f"vae/{WEIGHTS}" in remote.fetched


def test_a_model_of_pickles_is_refused(remote):
    (remote.folder / "vae" / WEIGHTS).rename(remote.folder / "vae" / "diffusion_pytorch_model.bin")
    message = error(ID)
    assert str(Path("vae") / WEIGHTS) in message
    assert not any(name.endswith(".bin") for name in remote.fetched)


def answer(status: int) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("GET", "https://hub"))


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (RepositoryNotFoundError("404", response=answer(404)), "check the spelling"),
        (GatedRepoError("403", response=answer(403)), "accept its terms"),
        (RevisionNotFoundError("404", response=answer(404)), "no revision 'v9'"),
        (LocalEntryNotFoundError("offline"), "Go online"),
        (HFValidationError("bad"), "no valid hub id"),
        (httpx.ConnectError("no route"), "ConnectError: no route"),
        (OSError(28, "No space left on device"), "No space left"),
    ],
)
def test_failures_of_the_hub_say_what_to_do(monkeypatch, failure, words):
    def download(*args: object, **more: object) -> str:
        raise failure

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    message = error(ID, revision="v9")
    assert words in message
    assert ID in message


def test_an_unknown_id_without_a_network_says_so():
    message = error("nobody/nothing")
    assert "nobody/nothing" in message
    assert "HF_HUB_OFFLINE" in message
