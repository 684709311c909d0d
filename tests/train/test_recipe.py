"""Recipes: what a file may say, and one clear sentence on what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

import workbench.train
from tests.training import RECIPE
from workbench.cli.main import main
from workbench.cli.train import RECIPES
from workbench.errors import TrainingError
from workbench.train.recipe import load_recipe

CONFIGS = Path(workbench.train.__file__).parent / "configs"
MINIMAL = """
[model.unet]
[model.vae]
[model.controlnet]
[model.scheduler]
[model.prompt]
[[stages]]
name = "one"
iterations = 5
"""


def load(tmp_path: Path, text: str) -> object:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return load_recipe(path)


@pytest.mark.parametrize("name", RECIPES)
def test_shipped_recipes_load(name: str) -> None:
    recipe = load_recipe(CONFIGS / f"{name}.toml")
    assert max(stage.frames for stage in recipe.stages) > 1
    assert recipe.stages[-1].steps == 4


def test_the_command_names_every_shipped_recipe() -> None:
    assert list(RECIPES) == sorted(file.stem for file in CONFIGS.iterdir() if file.suffix == ".toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "iteration = 3", r"no entry 'iteration'. Did you mean 'iterations'"),
        (MINIMAL + "batch = 'many'", r"stage 1: batch must be a whole number of at least 0, got 'many'"),
        (MINIMAL + "temporal = -1", r"temporal must be a number of at least 0, got -1"),
        (MINIMAL + "learning_rate = 1e-3", r"learning_rate must be two numbers"),
        (MINIMAL + "frames = true", r"frames must be a whole number"),
        (MINIMAL.replace('name = "one"', ""), r"stage 1: name must be given"),
        (MINIMAL.replace("[model.vae]", ""), r"\[model\]: vae must be given"),
        (MINIMAL.split("[[stages]]")[0], r"needs at least one \[\[stages\]\]"),
        ("sead = 1\n" + MINIMAL, r"Did you mean 'seed'"),
        ("seed = ", r"is not TOML"),
    ],
)
def test_a_mistake_is_named_with_the_way_out(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        load(tmp_path, text)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot be read"):
        load_recipe(tmp_path / "none.toml")


def test_the_command_names_the_recipes_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "regresor", "--data", ".", "--out", "nowhere"]) == 2
    said = capsys.readouterr().err
    assert "no recipe 'regresor'. Did you mean 'regressor'?" in said
    assert ", ".join(RECIPES) in said


def test_every_iteration_belongs_to_one_stage() -> None:
    places = [RECIPE.stage_at(k) for k in range(RECIPE.iterations)]
    assert places == [(s, k) for s, stage in enumerate(RECIPE.stages) for k in range(stage.iterations)]
    with pytest.raises(TrainingError):
        RECIPE.stage_at(RECIPE.iterations)


def test_a_share_of_a_recipe_keeps_its_proportions() -> None:
    recipe = load_recipe(CONFIGS / "embedded.toml")
    small = recipe.scaled(1 / 20)
    assert [s.iterations for s in small.stages] == [round(s.iterations / 20) for s in recipe.stages]
    assert small.scenes.scenes == round(recipe.scenes.scenes / 20)
    assert small.model == recipe.model
