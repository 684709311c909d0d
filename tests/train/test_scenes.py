"""Scenes: what the camera saw, what reaches the upscaler, and the batches cut from them."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training import write_photos
from workbench.errors import TrainingError
from workbench.flow.warp import warp
from workbench.train.data import Batch, draw
from workbench.train.pool import Pool
from workbench.train.recipe import Material, SceneMaterial, Stage
from workbench.train.scenes import Scene, Scenes, draw_scene

MATERIAL = SceneMaterial(scenes=3, frames=3, side=40, photos=1, still=0, objects=0, flat=0, dis=0)
STAGE = Stage(name="windows", iterations=1, batch=2, patch=16, frames=3, scenes=1.0)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    folder = tmp_path_factory.mktemp("material")
    return Pool([write_photos(folder / "photos")], folder / "cache")


@pytest.fixture(scope="module")
def scenes(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    made = Scenes(tmp_path_factory.mktemp("scenes"), MATERIAL.scenes)
    made.prepare(pool, MATERIAL, seed=0)
    return made


def equal(one: Scene, two: Scene) -> bool:
    return all(torch.equal(getattr(one, name), getattr(two, name)) for name in ("hr", "lr", "flow", "motion"))


def test_a_scene_depends_on_seed_and_number_only(pool: Pool) -> None:
    first = draw_scene(pool, MATERIAL, 0, 7)
    other = draw_scene(pool, MATERIAL, 1, 7)
    assert equal(first, draw_scene(pool, MATERIAL, 0, 7))
    assert not torch.equal(first.hr, other.hr)


@settings(max_examples=10, deadline=None)
@given(iteration=st.integers(0, 10**6))
def test_motion_fetches_each_pixel_from_where_it_was(pool: Pool, scenes: Scenes, iteration: int) -> None:
    """Whatever the camera and the turns did."""
    batch = draw(pool, Material(), STAGE, 0, iteration, scenes)
    fetched = warp(batch.hr[:, 0], batch.motion[:, 0])
    inside = (..., slice(16, -16), slice(16, -16))
    assert (fetched - batch.hr[:, 1])[inside].abs().mean() < 0.02


def test_a_batch_depends_on_seed_and_iteration_only_and_mixes_as_told(pool: Pool, scenes: Scenes) -> None:
    stage = replace(STAGE, batch=4, scenes=0.5)
    first, second, other = (draw(pool, Material(), stage, 0, k, scenes) for k in (3, 3, 4))
    assert torch.equal(first.hr, second.hr)
    assert torch.equal(first.lr, second.lr)
    assert not torch.equal(first.hr, other.hr)
    windows = draw(pool, Material(), replace(stage, batch=2, scenes=1.0), 0, 3, scenes)
    patches = draw(pool, Material(), replace(stage, batch=2, scenes=0.0), 0, 3)
    assert torch.equal(first.hr, torch.cat([windows.hr, patches.hr]))
    assert torch.equal(first.flow, torch.cat([windows.flow, patches.flow]))


def test_scenes_that_are_held_in_memory_give_the_same_batches(pool: Pool, scenes: Scenes) -> None:
    held = Scenes(scenes.folder, len(scenes))
    held.hold(torch.device("cpu"))
    for iteration in range(4):
        one, two = (draw(pool, Material(), STAGE, 0, iteration, where) for where in (scenes, held))
        assert all(torch.equal(getattr(one, f.name), getattr(two, f.name)) for f in fields(Batch))


@pytest.mark.parametrize("damage", ["blur", "noise", "jpeg", "codec"])
def test_damage_is_in_the_low_resolution_frames_only(pool: Pool, damage: str) -> None:
    none = dict.fromkeys(("clean", "blur", "noise", "jpeg", "codec"), 0.0)
    clean = draw_scene(pool, replace(MATERIAL, **none | {"clean": 1.0}), 0, 5)
    damaged = draw_scene(pool, replace(MATERIAL, **none | {damage: 1.0}), 0, 5)
    assert torch.equal(clean.hr, damaged.hr)
    assert 0 < (clean.lr.float() - damaged.lr.float()).abs().mean() < 20


def test_a_run_that_was_cut_makes_the_scenes_that_are_missing_and_no_others(pool: Pool, tmp_path: Path) -> None:
    scenes = Scenes(tmp_path, MATERIAL.scenes)
    scenes.prepare(pool, MATERIAL, 0, workers=2)
    times = [scenes.path(k).stat().st_mtime_ns for k in range(len(scenes))]
    lost = scenes.path(1).read_bytes()
    scenes.path(1).unlink()
    scenes.prepare(pool, MATERIAL, 0)
    assert scenes.path(1).read_bytes() == lost
    assert [scenes.path(k).stat().st_mtime_ns for k in (0, 2)] == [times[0], times[2]]
    with pytest.raises(TrainingError, match="another recipe"):
        scenes.prepare(pool, replace(MATERIAL, pan=1.0), 0)


def test_what_cannot_be_cut_is_an_error(pool: Pool, scenes: Scenes) -> None:
    with pytest.raises(TrainingError, match="half as large as a clip"):
        draw_scene(pool, replace(MATERIAL, side=400), 0, 0)
    with pytest.raises(TrainingError, match="the scenes have 3 of 40x40"):
        draw(pool, Material(), replace(STAGE, patch=48), 0, 0, scenes)
    with pytest.raises(TrainingError, match="give it some"):
        draw(pool, Material(), STAGE, 0, 0)
