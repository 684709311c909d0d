"""The published three-stage recipe starts, steps and resumes at reduced size, and its losses say what they should."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.train.test_run import same, state
from tests.training import RECIPE, write_photos
from workbench.models.load import load_models
from workbench.train import published
from workbench.train.published import Critic, likeness, velocity
from workbench.train.recipe import Recipe, load_recipe, shipped
from workbench.train.run import train


class Perceptual(nn.Module):
    """In LPIPS's place, whose weights are downloaded: the distance of random features."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3).requires_grad_(False)

    def forward(self, one: Tensor, two: Tensor) -> Tensor:
        return (self.features(one) - self.features(two)).square().mean((1, 2, 3))


@pytest.fixture(autouse=True)
def lpips(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = Perceptual()
    monkeypatch.setattr(published, "network", lambda name: {"lpips": network}[name])


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("material"))


def small(recipe: Recipe) -> Recipe:
    unet = {"block_out_channels": [8, 16, 16, 16], "layers_per_block": 1, "cross_attention_dim": 8}
    narrow = replace(
        recipe.model,
        unet=recipe.model.unet | unet | {"attention_head_dim": 4, "norm_num_groups": 4},
        vae=recipe.model.vae | {"encoder_block_out_channels": [4, 6, 8], "decoder_block_out_channels": [8, 6, 4]},
        controlnet={"conditioning_embedding_out_channels": [4, 4, 8]},
        prompt={"tokens": 3, "width": 8},
        properties=recipe.model.properties | {"flow": "dis"},
    )
    stages = tuple(replace(s, iterations=1, batch=1, patch=16, scenes=0.0) for s in recipe.stages)
    return replace(recipe, model=narrow, stages=stages, warmup=1, checkpoint_every=1, scenes=RECIPE.scenes)


def test_the_published_recipe_starts_steps_and_resumes_and_each_stage_trains_its_own(
    photos: Path, tmp_path: Path
) -> None:
    recipe = small(load_recipe(shipped("published")))
    train(recipe, [photos], tmp_path / "whole", device="cpu")
    weights = []
    for k in range(1, recipe.iterations + 1):
        train(recipe, [photos], tmp_path / "cut", device="cpu", stop_after=k)
        weights.append(torch.load(tmp_path / "cut" / "checkpoint.pt", weights_only=True)["weights"])
    assert same(state(tmp_path / "cut"), state(tmp_path / "whole"))
    assert load_models(tmp_path / "cut" / "model", device=torch.device("cpu")).properties.warp == "published"
    changed = [{n for n in a if not torch.equal(a[n], b[n])} for a, b in itertools.pairwise(weights)]
    parts = {"denoiser": "unet.", "fusion": "vae.decoder.", "guidance": ("controlnet.", "conditioning.")}
    for stage, names in zip(recipe.stages[1:], changed, strict=True):
        learnt = {n.removeprefix("networks.") for n in names if not n.startswith("critic.")}
        assert learnt
        assert all(n.startswith(parts[stage.trains]) for n in learnt)
        assert (len(learnt) < len(names)) == (stage.adversarial > 0), "a critic learns where it is asked"


def test_the_error_of_v_is_that_of_x0_in_its_units() -> None:
    latent, state, guess = torch.randn(3, 2, 4, 8, 8).unbind()
    kept = torch.tensor(0.3)

    def v(x0: Tensor) -> Tensor:
        noise = (state - kept.sqrt() * x0) / (1 - kept).sqrt()
        return kept.sqrt() * noise - (1 - kept).sqrt() * x0

    wanted = (v(guess) - v(latent)).square().mean()
    assert torch.allclose(velocity([guess], latent, kept[None]), wanted, rtol=1e-4)


def test_a_picture_is_drawn_to_what_the_critic_takes_for_real_and_the_critic_is_not_bent_to_it() -> None:
    stage = replace(load_recipe(shipped("published")).stages[1], lpips=0.0, adversarial=1.0)
    critic = Critic()
    made, truth = (torch.rand(1, 3, 16, 16) for _ in range(2))
    made.requires_grad_(True)
    likeness(made, truth, stage, critic).backward()
    (wanted,) = torch.autograd.grad(-critic(made).mean(), made)
    assert torch.allclose(made.grad, wanted, atol=1e-6)  # type: ignore[arg-type]
    learnt = [p.grad.clone() for p in critic.parameters() if p.grad is not None]
    critic.zero_grad()
    (torch.relu(1 - critic(truth)).mean() + torch.relu(1 + critic(made.detach())).mean()).backward()
    assert all(torch.allclose(a, p.grad, atol=1e-6) for a, p in zip(learnt, critic.parameters(), strict=True))  # type: ignore[arg-type]
