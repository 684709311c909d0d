"""The loss of one batch in one stage, whichever it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from workbench.models.models import Models
from workbench.train import rollout
from workbench.train.data import Batch
from workbench.train.latents import ResidualCode, coding, diffusion, embedding, regression
from workbench.train.published import Critic, denoising, fusing
from workbench.train.recipe import Recipe, Stage
from workbench.train.rollout import Choices
from workbench.train.sampling import Draws, sampled

Part = TypeVar("Part", bound=nn.Module)


def chosen(stage: Stage, shape: tuple[int, ...], seed: int, iteration: int, device: torch.device) -> Choices | Draws:
    """What chance decides in an iteration; ``shape``: of one noise."""
    if stage.lesson.regresses:
        return Choices.draw(stage, shape, seed, iteration).to(device)
    return Draws.draw(stage, shape, seed, iteration, device)


class Objective(nn.Module):
    """The loss as one module, so that accelerate can wrap it for any number of devices.

    ``code`` and ``critic`` are there where the recipe has a stage that needs them.
    """

    def __init__(self, models: Models, recipe: Recipe) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(models.networks)
        if any("code" in stage.lesson.parts for stage in recipe.stages):
            self.code = _seeded(recipe.seed, lambda: ResidualCode(models.vae))
        self.critic = None
        if any(stage.adversarial for stage in recipe.stages):
            self.critic = _seeded(recipe.seed, Critic)
        self.models, self.weights = models, recipe.losses

    def forward(
        self, batch: Batch, stage: Stage, random: Choices | Draws, k: int = 0, past: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The loss; where a stage takes frames in turn, that of frame ``k`` after ``past``, and the frame it made."""
        if isinstance(random, Draws) and stage.lesson.in_turn:
            loss, made = sampled(self.models, batch, stage, self.weights, random, k, past)
            if stage.diffusion:  # without it, what the true past taught ARTG is forgotten
                loss = loss + stage.diffusion * self._diffusion(batch.frames(max(k - 1, 0), 2), stage, random, k)
            return loss, made
        return self._single(batch, stage, random), None

    def _single(self, batch: Batch, stage: Stage, random: Choices | Draws) -> Tensor:
        if isinstance(random, Choices):
            return rollout.objective(self.models, batch, stage, self.weights, random)
        if stage.trains == "decoder":
            return regression(self.models, batch, self.weights)
        if stage.trains in ("denoiser", "guidance"):
            return denoising(self.models, self.critic, batch, stage, random.noise[0])
        if stage.trains == "fusion":
            return fusing(self.models, self.critic, batch, stage, self.weights)
        if stage.trains == "diffusion":
            return self._diffusion(batch, stage, random, 0)
        code = cast(ResidualCode, self.code)
        if stage.trains == "code":
            return coding(self.models, code, batch, stage, self.weights, random)
        return embedding(self.models, code, batch, stage, random)

    def _diffusion(self, pair: Batch, stage: Stage, random: Draws, k: int) -> Tensor:
        code = cast(ResidualCode, self.code)
        return diffusion(self.models, code, pair, stage, random, k)


def _seeded(seed: int, make: Callable[[], Part]) -> Part:
    """A part whose weights are the same in every run."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()
