"""The embedded recipe's parts: a base that grows, the code of what it lacks, its diffusion, sampled rollouts."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.train.test_run import same, state
from tests.training import RECIPE, write_photos
from workbench.errors import TrainingError
from workbench.models.autoencoder import TemporalAutoencoderTiny
from workbench.models.load import load_models
from workbench.models.models import Models
from workbench.pipeline.settings import Settings
from workbench.pipeline.stream import decode, denoise, guide
from workbench.train import losses
from workbench.train.build import PASSING, bilinear, build
from workbench.train.data import Batch, draw
from workbench.train.grow import GAIN, OFFSET, grow
from workbench.train.latents import ResidualCode, start_detail
from workbench.train.objective import Objective
from workbench.train.pool import Pool
from workbench.train.recipe import Material, Recipe, Stage, load_recipe, shipped
from workbench.train.run import train, trained
from workbench.train.sampling import TIMESTEPS, Draws, drawn_timesteps

DETAIL = 5
SHAPE = (2, 2, 3 + DETAIL, 16, 16)


def small(recipe: Recipe) -> Recipe:
    """The shipped recipe, narrow and short: each kind of stage once, in two iterations."""
    unet, vae = recipe.model.unet, recipe.model.vae
    narrow = replace(
        recipe.model,
        unet=unet | {"in_channels": 6 + DETAIL, "out_channels": 3 + DETAIL, "block_out_channels": [8, 8, 8]},
        vae=vae
        | {
            "latent_channels": 3 + DETAIL,
            "encoder_block_out_channels": [12],
            "decoder_block_out_channels": [12],
            "decoder_base_out_channels": [24, 32],
            "num_decoder_base_blocks": [2, 1],
        },
        controlnet=recipe.model.controlnet | {"conditioning_embedding_out_channels": [8]},
    )
    stages = tuple(
        replace(s, iterations=2, batch=2, patch=16, frames=min(s.frames, 3), scenes=0.0)
        for k, s in enumerate(recipe.stages)
        if s.trains not in {before.trains for before in recipe.stages[:k]}
    )
    return replace(recipe, model=narrow, stages=stages, warmup=2, checkpoint_every=1, scenes=RECIPE.scenes)


GENERATIVE = small(load_recipe(shipped("embedded")))
OWN = next(stage for stage in GENERATIVE.stages if stage.trains == "samples")
SAMPLES = replace(OWN, frames=2, dropout=0.0, tpm_dropout=0.0)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("material"))


@pytest.fixture(scope="module")
def batch(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Batch:
    pool = Pool([photos], tmp_path_factory.mktemp("cache"))
    return draw(pool, Material(photos=1), replace(SAMPLES, trains="samples"), 0, 0)


@pytest.fixture
def models() -> Models:
    return build(GENERATIVE.model, seed=0)


def loss(
    models: Models, batch: Batch, stage: Stage, code: ResidualCode | None = None, guided: bool = True
) -> torch.Tensor:
    objective = Objective(models, GENERATIVE)
    objective.code = code or objective.code
    objective.code.eval()
    for name, parameter in objective.named_parameters():
        parameter.requires_grad_(trained(name, stage))
    draws = replace(Draws.draw(stage, SHAPE, 0, 0, torch.device("cpu")), steps=(2, 2), artg=(guided, guided))
    past = None
    if stage.trains == "samples":
        past = objective(batch, stage, draws)[1]
    return objective(batch, stage, draws, 1, past)[0]


@torch.no_grad()
@pytest.mark.parametrize("guided", [False, True])
def test_the_untrained_chain_enlarges_smoothly(models: Models, guided: bool) -> None:
    """Anchored: noise, UNet and decoder start near bilinear interpolation; the latent's colours are the LR frame."""
    coarse = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1
    lr = F.interpolate(coarse, size=(24, 24), mode="bicubic").clamp(-1, 1)
    enlarged = F.interpolate(lr, scale_factor=4, mode="bilinear", align_corners=False)
    noise = torch.randn(2, 3 + DETAIL, 24, 24)
    guidance = guide(models, enlarged, torch.zeros(2, 2, 96, 96), lr, Settings(tpm=False)) if guided else None
    latent = denoise(models, lr, noise, 2, guidance)
    assert torch.allclose(latent[:, :3], lr, atol=1e-6)
    assert (decode(models, latent, lr, guidance) - enlarged)[..., 8:-8, 8:-8].std() < 0.1 * enlarged.std()


def test_bilinear_kernels_enlarge_as_torch_does() -> None:
    picture = F.pad(torch.rand(1, 1, 6, 7), (1, 1, 1, 1), mode="replicate")
    cells = F.pixel_shuffle(F.conv2d(picture, bilinear(4)[:, None]), 4)
    wanted = F.interpolate(picture[..., 1:-1, 1:-1], scale_factor=4, mode="bilinear", align_corners=False)
    assert torch.allclose(cells, wanted, atol=1e-6)


@torch.no_grad()
def test_a_decoder_grown_onto_the_small_grid_is_the_same_function_away_from_the_edge() -> None:
    staged = TemporalAutoencoderTiny(
        encoder_block_out_channels=[4, 4, 8],
        decoder_block_out_channels=[8, 3, 4],
        num_encoder_blocks=[0, 1, 1],
        num_decoder_blocks=[1, 1, 0],
        decoder_padding_mode="replicate",
    ).decoder
    target = TemporalAutoencoderTiny(
        encoder_block_out_channels=[8],
        decoder_block_out_channels=[8],
        num_encoder_blocks=[1],
        num_decoder_blocks=[1],
        latent_channels=6,
        decoder_padding_mode="replicate",
        resampling="shuffle",
        decoder_base_out_channels=[8, 12],
        num_decoder_base_blocks=[1, 1],
    ).decoder
    grow(target, staged)
    colours = torch.rand(1, 3, 24, 24) - 0.5
    seen = 3 * torch.atanh((GAIN * 3 * torch.tanh(colours / 3) + OFFSET) / 3)  # both bound what they are given
    wanted = staged(torch.cat([seen, torch.zeros(1, 1, 24, 24)], 1))
    made = target.base(colours, colours).picture
    inside = (..., slice(40, -40), slice(40, -40))
    assert torch.allclose(made[inside], wanted[inside], atol=1e-5)
    with pytest.raises(TrainingError, match="decoder grows out of"):
        grow(staged, target)


@torch.no_grad()
def test_the_code_begins_as_what_the_base_lacks_most(models: Models, batch: Batch) -> None:
    code = ResidualCode(models.vae)
    code.start(models.vae, [batch])
    lacks = batch.hr[:, 0] - models.vae.base(batch.lr[:, 0]).picture
    coded = code.linear(4 * F.pixel_unshuffle(lacks, 4)).permute(1, 0, 2, 3).flatten(1)
    assert torch.allclose(coded @ coded.T / coded.shape[1], torch.eye(DETAIL), atol=0.05)
    start_detail(models.vae, code, [batch])
    detail = code(batch.hr[:, 0], models.vae.base(batch.lr[:, 0]).picture)
    decoded = models.vae.decode(torch.cat([batch.lr[:, 0], detail], 1))
    assert (batch.hr[:, 0] - decoded).square().mean() < 0.5 * lacks.square().mean()


def test_diffusion_is_guided_by_the_past_in_some_of_the_samples(models: Models, batch: Batch) -> None:
    stage = replace(SAMPLES, trains="diffusion", guided=0.5)
    with torch.no_grad():
        models.unet.conv_out.weight.normal_(std=0.1)
    code = ResidualCode(models.vae)
    one = loss(models, batch, stage, code)
    one.backward()
    for network in (models.unet, models.controlnet, models.conditioning):
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())
    assert all(p.grad is None for p in (*models.vae.parameters(), *code.parameters()))
    other = replace(batch, hr=torch.stack([batch.hr[:, 0].flip(-1), batch.hr[:, 1]], 1))
    assert float(loss(models, other, stage, code).detach()) != float(one.detach())


def test_the_embedding_alone_learns_to_read_the_code_in_the_past(models: Models, batch: Batch) -> None:
    loss(models, batch, replace(SAMPLES, trains="embedding"), ResidualCode(models.vae)).backward()
    for name, network in models.networks.items():
        assert any(p.grad is not None for p in network.parameters()) == (name == "conditioning")


@torch.no_grad()
def test_what_the_embedding_holds_is_passed_on_to_the_unet(models: Models) -> None:
    """Before any training, and only that: the frame's noise does not come through those channels."""
    prompt = models.prompt
    embedding = torch.randn(1, 8, 16, 16)
    sent = [
        models.controlnet(noise, 999, encoder_hidden_states=prompt, controlnet_cond=embedding, return_dict=False)[0][0]
        for noise in torch.randn(2, 1, 6 + DETAIL, 16, 16)
    ]
    for skip in sent:
        assert torch.allclose(skip[:, :DETAIL], PASSING * embedding[:, :DETAIL], atol=1e-5)


def test_timesteps_are_drawn_as_often_as_they_are_told() -> None:
    drawn = drawn_timesteps(np.random.default_rng(0), (10_000,))
    total = sum(often for _, often in TIMESTEPS)
    for step, often in TIMESTEPS:
        assert np.mean(drawn == step) == pytest.approx(often / total, abs=0.02)


def test_the_energy_score_is_least_for_samples_spread_as_the_truth_is() -> None:
    """A proper scoring rule, on average over truths: a sharp guess and too wide a spread both cost more."""
    generator = torch.Generator().manual_seed(0)

    def score(spread: float) -> float:
        one, two, truth = (s * torch.randn(64, 3, 16, 16, generator=generator) for s in (spread, spread, 1.0))
        return float(losses.energy_score(one, two, truth))

    assert score(1.0) < min(score(0.3), score(2.0))


@torch.no_grad()
@pytest.mark.parametrize("term", ["consistency", "energy", "temporal", "diffusion"])
def test_a_stage_weighs_its_losses(models: Models, batch: Batch, term: str) -> None:
    models.unet.conv_out.weight.normal_(std=0.1)
    bare = replace(SAMPLES, consistency=0.0, energy=0.0, temporal=0.0, diffusion=0.0)
    code = ResidualCode(models.vae)
    some, more, most = (loss(models, batch, replace(bare, **{term: w}), code) for w in (0.5, 1.0, 1.5))
    assert float(more) != float(some)
    assert float(more - some) == pytest.approx(float(most - more), rel=1e-2)


@torch.no_grad()
def test_a_frame_that_is_not_guided_is_not_asked_to_agree_with_its_past(models: Models, batch: Batch) -> None:
    for guided in (True, False):
        steady, free = (
            float(loss(models, batch, replace(SAMPLES, temporal=w, diffusion=0.0), guided=guided)) for w in (3.0, 0.0)
        )
        assert (steady > free) if guided else (steady == free)


def test_a_run_cut_in_every_stage_ends_at_the_same_weights_and_leaves_what_it_does_not_train(
    photos: Path, tmp_path: Path
) -> None:
    train(GENERATIVE, [photos], tmp_path / "whole", device="cpu")
    weights = []
    for k in range(1, GENERATIVE.iterations + 1, 2):
        train(GENERATIVE, [photos], tmp_path / "cut", device="cpu", stop_after=k)
        weights.append(torch.load(tmp_path / "cut" / "checkpoint.pt", weights_only=True)["weights"])
    folder = train(GENERATIVE, [photos], tmp_path / "cut", device="cpu")
    weights.append(torch.load(tmp_path / "cut" / "checkpoint.pt", weights_only=True)["weights"])
    assert same(state(tmp_path / "cut"), state(tmp_path / "whole"))
    assert load_models(folder, device=torch.device("cpu")).properties.colours == "lr"
    changed = [{n for n in a if not torch.equal(a[n], b[n])} for a, b in itertools.pairwise(weights)]
    assert all(n.startswith(("networks.vae.decoder.", "code.")) for n in changed[0])  # decoder and code
    base = ("networks.vae.decoder.trunk.", "networks.vae.decoder.enlarge.")
    later = set.union(*changed[1:])  # the code is of what the base lacks: that stays
    assert not any(n.startswith(base) for n in later)
    assert any(n.startswith("networks.vae.encoder.") for n in set.union(*changed))  # by samples, for TPM
    memory = re.compile(r"networks\.vae\.(encoder\.|decoder\..*(temporal_processor|alpha))").match
    assert changed[-1]
    assert all(map(memory, changed[-1]))


def test_a_run_goes_on_with_other_stages_to_come_but_not_with_others_behind_it(photos: Path, tmp_path: Path) -> None:
    train(GENERATIVE, [photos], tmp_path, device="cpu", stop_after=1)
    longer = replace(GENERATIVE, stages=(*GENERATIVE.stages, SAMPLES))
    train(longer, [photos], tmp_path, device="cpu", stop_after=2)
    first, *rest = GENERATIVE.stages
    with pytest.raises(TrainingError, match="another recipe"):
        train(replace(GENERATIVE, stages=(replace(first, batch=1), *rest)), [photos], tmp_path, device="cpu")


def test_a_decoder_too_narrow_for_the_detail_is_refused() -> None:
    narrow = replace(GENERATIVE.model, vae=GENERATIVE.model.vae | {"decoder_block_out_channels": [8]})
    with pytest.raises(TrainingError, match="at least 10"):
        build(narrow, seed=0)


def test_diffusion_needs_two_frames() -> None:
    with pytest.raises(TrainingError, match="frames of at least 2"):
        replace(SAMPLES, trains="diffusion", frames=1)
