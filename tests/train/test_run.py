"""A training run: stages, checkpoints, going on after a stop or a kill, and time limits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import workbench.train
from tests.training import RECIPE, write_photos, write_recipe
from workbench.cli import main
from workbench.errors import TrainingError
from workbench.models.load import load_models
from workbench.train.recipe import TRAINS, load_recipe
from workbench.train.run import train

TESTS = Path(__file__).parents[1]
CHILD = "import sys; from tests.training import RECIPE; from workbench.train.run import train; train(RECIPE, [sys.argv[1]], sys.argv[2], device='cpu')"  # noqa: E501


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("material"))


@pytest.fixture(scope="module")
def whole(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The out folder of a run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    train(RECIPE, [photos], out, device="cpu")
    return out


def same(a: object, b: object) -> bool:
    """Bit for bit, through dicts and lists."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    return a == b


def state(out: Path) -> dict[str, object]:
    content = torch.load(out / "checkpoint.pt", weights_only=True)
    return {k: v for k, v in content.items() if k != "seconds"}


def losses(out: Path) -> list[tuple[int, float]]:
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [(e["iteration"], e["loss"]) for e in entries if "loss" in e]


def test_training_changes_every_network_and_writes_a_model(whole: Path) -> None:
    first, last = (load_models(whole / "model", device=torch.device("cpu")) for _ in range(2))
    assert first.properties.flow == "dis"
    assert same(first.unet.state_dict(), last.unet.state_dict())
    content = state(whole)
    assert content["iteration"] == RECIPE.iterations
    moments = content["optimizer"]["state"]  # type: ignore[index]
    assert len(moments) > 0.9 * len(content["average"])  # type: ignore[arg-type]
    assert (whole / "curve.png").stat().st_size > 1000


def test_a_run_that_was_killed_goes_on_to_the_same_weights(photos: Path, whole: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(TESTS.parent), "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(photos), str(tmp_path)], env=environment, stderr=subprocess.DEVNULL
    )
    while not (tmp_path / "checkpoint.pt").exists() and child.poll() is None:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    iteration = state(tmp_path)["iteration"]
    assert isinstance(iteration, int)
    assert iteration < RECIPE.iterations, "the child was not killed half-way"
    train(RECIPE, [photos], tmp_path, device="cpu")
    assert same(state(tmp_path), state(whole))


def test_a_run_stopped_in_the_later_stage_goes_on_to_the_same_weights(
    photos: Path, whole: Path, tmp_path: Path
) -> None:
    train(RECIPE, [photos], tmp_path, device="cpu", stop_after=4)
    assert state(tmp_path)["iteration"] == 4
    train(RECIPE, [photos], tmp_path, device="cpu")
    assert same(state(tmp_path), state(whole))


def test_the_command_stops_where_it_is_told_and_the_same_command_goes_on(
    photos: Path, whole: Path, tmp_path: Path
) -> None:
    recipe, out = write_recipe(tmp_path / "recipe.toml"), tmp_path / "run"
    command = ["train", str(recipe), "--data", str(photos), "--out", str(out), "--device", "cpu"]
    assert main([*command, "--stop-after", "3"]) == 0
    assert state(out)["iteration"] == 3
    assert load_models(out / "model", device=torch.device("cpu")).properties.flow == "dis"
    assert main(command) == 0
    assert same(state(out), state(whole))


def test_there_is_no_iteration_before_the_first_to_stop_after(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="1 to 6, got 0"):
        train(RECIPE, [photos], tmp_path, device="cpu", stop_after=0)


def test_the_log_forgets_what_came_after_the_checkpoint(photos: Path, tmp_path: Path) -> None:
    train(RECIPE, [photos], tmp_path, device="cpu", stop_after=2)
    kept = losses(tmp_path)
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"iteration": 5, "loss": 0.1}\n{"iteration": 5, "lo')
    train(RECIPE, [photos], tmp_path, device="cpu", stop_after=3)
    assert losses(tmp_path)[: len(kept)] == kept
    assert [k for k, _ in losses(tmp_path)] == [2, 3]


def test_a_checkpoint_of_another_recipe_and_a_torn_one_are_errors(photos: Path, tmp_path: Path) -> None:
    train(RECIPE, [photos], tmp_path, device="cpu", stop_after=1)
    with pytest.raises(TrainingError, match="another recipe"):
        train(replace(RECIPE, seed=1), [photos], tmp_path, device="cpu")
    content = (tmp_path / "checkpoint.pt").read_bytes()
    (tmp_path / "checkpoint.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(TrainingError, match="no whole checkpoint"):
        train(RECIPE, [photos], tmp_path, device="cpu")


def test_a_warm_start_begins_from_a_model_folder(photos: Path, whole: Path, tmp_path: Path) -> None:
    frozen = replace(RECIPE, stages=(replace(RECIPE.stages[0], iterations=1, learning_rate=(0.0, 0.0)),))
    train(frozen, [photos], tmp_path, device="cpu", warm_start=whole / "model")
    before, after = (load_models(f / "model", device=torch.device("cpu")) for f in (whole, tmp_path))
    assert same(before.unet.state_dict(), after.unet.state_dict())
    assert same(before.conditioning.state_dict(), after.conditioning.state_dict())


def test_the_published_width_recipe_starts_steps_and_resumes_at_reduced_size(photos: Path, tmp_path: Path) -> None:
    recipe = load_recipe(Path(workbench.train.__file__).parent / "configs" / "published_width.toml")
    narrow = replace(
        recipe.model,
        unet=recipe.model.unet
        | {
            "block_out_channels": [8, 16, 16, 16],
            "layers_per_block": 1,
            "cross_attention_dim": 8,
            "attention_head_dim": 4,
            "norm_num_groups": 4,
        },
        vae=recipe.model.vae | {"encoder_block_out_channels": [4, 6, 8], "decoder_block_out_channels": [8, 6, 4]},
        controlnet={"conditioning_embedding_out_channels": [4, 4, 8]},
        prompt={"tokens": 3, "width": 8},
    )
    stages = tuple(
        replace(stage, iterations=1, batch=1, patch=16, frames=min(stage.frames, 2)) for stage in recipe.stages
    )
    small = replace(recipe, model=narrow, stages=stages, checkpoint_every=1)
    train(small, [photos], tmp_path, device="cpu", stop_after=2)
    assert state(tmp_path)["iteration"] == 2
    folder = train(small, [photos], tmp_path, device="cpu")
    assert state(tmp_path)["iteration"] == 3
    assert load_models(folder, device=torch.device("cpu")).properties.warp == "published"


@pytest.mark.parametrize(
    ("trains", "moving"),
    [
        ("artg", ("networks.controlnet.", "networks.conditioning.")),
        ("tpm", ("networks.vae.encoder.", "networks.vae.decoder.")),
    ],
)
def test_a_stage_leaves_what_it_does_not_train(
    whole: Path, photos: Path, tmp_path: Path, trains: str, moving: tuple[str, ...]
) -> None:
    stage = replace(RECIPE.stages[1], trains=trains, iterations=2)
    recipe = replace(RECIPE, stages=(replace(RECIPE.stages[0], iterations=1), replace(stage, iterations=1), stage))
    train(recipe, [photos], tmp_path, device="cpu", warm_start=whole / "model", stop_after=2)
    before = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["weights"]
    train(recipe, [photos], tmp_path, device="cpu")
    after = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["weights"]
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith(moving) for name in changed)
    if trains == "tpm":
        assert all("temporal_processor" in name or "alpha" in name for name in changed if "decoder" in name)


def test_a_stage_that_trains_nothing_known_is_an_error() -> None:
    with pytest.raises(TrainingError, match=f"trains must be one of {', '.join(TRAINS)}, got 'unet'"):
        replace(RECIPE.stages[0], trains="unet")
