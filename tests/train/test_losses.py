"""The training losses: zero where they should be, and pulling the picture the way that their names say."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.training import ARCHITECTURE, write_photos
from workbench.pixels import upscale
from workbench.train import losses
from workbench.train.build import build
from workbench.train.data import Batch, draw
from workbench.train.pool import Pool
from workbench.train.recipe import Losses, Material, Stage
from workbench.train.rollout import Choices, objective

STAGE = Stage(name="rollouts", iterations=1, batch=1, patch=16, frames=2)


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    folder = tmp_path_factory.mktemp("material")
    return draw(Pool([write_photos(folder / "photos")], folder / "cache"), Material(photos=1), STAGE, 0, 0)


def test_a_still_truth_costs_nothing_and_a_flickering_picture_does() -> None:
    truth = torch.rand(1, 2, 3, 16, 16)[:, :1].expand(-1, 2, -1, -1, -1)
    still = torch.zeros(1, 1, 2, 16, 16)
    assert losses.temporal(truth, truth, still, Losses()) < 1e-6
    flickering = truth + torch.tensor([0.1, -0.1]).view(1, 2, 1, 1, 1)
    wanted = 0.2 * (Losses().difference + Losses().warping)
    assert losses.temporal(flickering, truth, still, Losses()) == pytest.approx(wanted, rel=1e-3)


def test_the_past_is_not_smoothed_for_the_sake_of_the_present() -> None:
    pictures = torch.rand(1, 3, 3, 16, 16, requires_grad=True)
    losses.temporal(pictures, torch.zeros(1, 3, 3, 16, 16), torch.zeros(1, 2, 2, 16, 16), Losses()).backward()
    assert pictures.grad is not None
    assert pictures.grad[:, 0].abs().max() == 0
    assert pictures.grad[:, 1:].abs().amin((0, 2, 3, 4)).max() > 0


@torch.no_grad()
def test_a_frame_that_knows_nothing_of_its_past_is_not_asked_to_agree_with_it(batch: Batch) -> None:
    models = build(ARCHITECTURE, seed=0)
    steady, free = Losses(difference=3.0, warping=3.0), Losses(difference=0.0, warping=0.0)
    choices = Choices.draw(replace(STAGE, dropout=0.0), (1, 2, 4, 16, 16), 0, 0)
    for artg in (True, False):
        chosen = replace(choices, artg=artg)
        with_, without = (float(objective(models, batch, STAGE, weights, chosen)) for weights in (steady, free))
        assert (with_ > without) if artg else (with_ == without)


@torch.no_grad()
def test_a_stage_weighs_its_temporal_losses(batch: Batch) -> None:
    models = build(ARCHITECTURE, seed=0)
    choices = replace(Choices.draw(STAGE, (1, 2, 4, 16, 16), 0, 0), artg=True)
    none, half, whole = (
        float(objective(models, batch, replace(STAGE, temporal=temporal), Losses(), choices))
        for temporal in (0.0, 0.5, 1.0)
    )
    assert none < half < whole
    assert half - none == pytest.approx(whole - half, rel=1e-2)


def test_a_sample_counts_by_what_it_can_gain() -> None:
    """The error of a soft clip is a tenth of a textured one's, and a part of it as large counts as much."""
    lr = upscale(torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)))
    missed = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    missed[0] *= missed[1].abs().mean() / missed[0].abs().mean()
    truth = upscale(lr) + missed * torch.tensor([0.1, 1.0]).view(2, 1, 1, 1)
    soft, textured = losses.shares(lr, truth).flatten().tolist()
    assert soft + textured == pytest.approx(2)
    assert 8 < soft / textured < 10
