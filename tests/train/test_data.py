"""Training material: what batches hold, in which range, alike for one seed, and clear words on what cannot be used."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training import RECIPE, write_photos
from workbench.errors import TrainingError
from workbench.flow.warp import warp
from workbench.train.data import draw, to_lr
from workbench.train.pool import Pool
from workbench.train.recipe import Material, Stage

STAGE = Stage(name="clips", iterations=1, batch=2, patch=16, frames=3)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    folder = tmp_path_factory.mktemp("material")
    return Pool([write_photos(folder / "photos")], folder / "cache")


@pytest.fixture(scope="module")
def clips(pool: Pool) -> Pool:
    """One clip: a window that moves over a photo."""
    photo = pool.photos[0]
    moving = copy.copy(pool)
    moving.photos, moving.clips = [], [np.stack([photo[2 * k : 2 * k + 100, k : k + 100] for k in range(5)])]
    return moving


@settings(max_examples=5, deadline=None)
@given(iteration=st.integers(0, 10**6), seed=st.integers(0, 100))
def test_a_batch_depends_on_seed_and_iteration_only(pool: Pool, iteration: int, seed: int) -> None:
    draw(pool, RECIPE.data, STAGE, seed + 1, iteration)
    first, second = (draw(pool, RECIPE.data, STAGE, seed, iteration) for _ in range(2))
    other = draw(pool, RECIPE.data, STAGE, seed, iteration + 1)
    assert all(torch.equal(getattr(first, n), getattr(second, n)) for n in ("hr", "lr", "flow", "motion"))
    assert not torch.equal(first.hr, other.hr)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_known_flow_fetches_each_pixel_from_where_it_was(pool: Pool, seed: int) -> None:
    """Whatever the camera and the flips did."""
    batch = draw(pool, Material(photos=1, still=0, noise=0, dis=0), STAGE, seed, 0)
    fetched = warp(batch.hr[:, 0], batch.flow[:, 0])
    inside = (..., slice(16, -16), slice(16, -16))
    assert (fetched - batch.hr[:, 1])[inside].abs().mean() < 0.01


def test_before_an_object_flow_fetches_all_but_what_it_uncovers(pool: Pool) -> None:
    material = Material(photos=1, still=1, noise=0, dis=0, objects=1)
    shares = []  # of pixels that are wrong after the warp, and without it
    for seed in range(20):
        batch = draw(pool, material, STAGE, seed, 0)
        fetched = warp(batch.hr[:, 0], batch.flow[:, 0])
        misses = [(p - batch.hr[:, 1])[..., 16:-16, 16:-16].abs().mean(1) for p in (fetched, batch.hr[:, 0])]
        shares.append([float((miss > 0.1).float().mean()) for miss in misses])
        assert shares[-1][0] <= shares[-1][1] + 0.01
    wrong, unmoved = np.mean(shares, axis=0)
    assert wrong < 0.6 * unmoved


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_flat_clips_are_one_colour_that_does_not_move(pool: Pool, seed: int) -> None:
    batch = draw(pool, Material(flat=1, noise=0), STAGE, seed, 0)
    assert torch.equal(batch.hr, batch.hr[..., :1, :1].expand_as(batch.hr))
    assert torch.equal(batch.hr[:, 0], batch.hr[:, 1])
    assert not batch.motion.any()


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_losses_judge_by_the_known_motion_where_the_model_is_given_an_estimate(pool: Pool, seed: int) -> None:
    material = Material(photos=1, still=0, dis=0)
    known, estimated = (draw(pool, replace(material, dis=dis), STAGE, seed, 0) for dis in (0.0, 1.0))
    assert torch.equal(known.motion, known.flow)
    assert torch.equal(known.motion, estimated.motion)
    assert not torch.equal(estimated.flow, estimated.motion)


def test_the_motion_of_a_clip_is_estimated_without_its_noise(clips: Pool) -> None:
    material = Material(photos=0, noise=1, sigma=20)
    clean, noisy = draw(clips, replace(material, sigma=0), STAGE, 0, 0), draw(clips, material, STAGE, 0, 0)
    assert torch.equal(clean.motion, clean.flow)
    assert torch.equal(clean.motion, noisy.motion)
    assert not torch.equal(noisy.flow, noisy.motion)


def test_noise_is_in_the_low_resolution_frames_only(pool: Pool) -> None:
    material = Material(photos=1, noise=1, sigma=5)
    clean, noisy = draw(pool, replace(material, sigma=0), STAGE, 0, 0), draw(pool, material, STAGE, 0, 0)
    assert torch.equal(clean.hr, noisy.hr)
    assert 0 < (clean.lr - noisy.lr).std() < 5 * 2 / 255
    assert (clean.lr - to_lr(clean.hr.flatten(0, 1)).unflatten(0, clean.hr.shape[:2])).abs().max() <= 1.01 / 255


def test_low_resolution_frames_are_8_bit(pool: Pool) -> None:
    levels = (draw(pool, RECIPE.data, STAGE, 0, 0).lr + 1) * 127.5
    assert (levels - levels.round()).abs().max() < 1e-3


def test_the_cache_is_used_again(pool: Pool, tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "photos", count=1)
    first = Pool([folder], tmp_path / "cache")
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").rglob("*.npy")}
    Pool([folder], tmp_path / "cache")
    assert len(first.photos) == len(times) > 0
    assert times == {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").rglob("*.npy")}


def test_folders_without_material_and_too_small_material_are_errors(tmp_path: Path, pool: Pool) -> None:
    with pytest.raises(TrainingError, match="no photos"):
        Pool([tmp_path], tmp_path / "cache")
    with pytest.raises(TrainingError, match="half as large as"):
        draw(pool, RECIPE.data, replace(STAGE, patch=400), 0, 0)
