"""The package's own models: each loads by its name, is better than bicubic, and does what its card says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch.nn.functional as F

from tests.model_folders import CPU
from workbench.errors import ModelError
from workbench.models.hub import SHIPPED, models_in_reach
from workbench.models.load import load_models
from workbench.pipeline.settings import Settings
from workbench.train.evaluate import HeldOut, bicubic, damaged, measure, open_clips, run

SAMPLE = Path(__file__).parents[2] / "samples" / "forest-1280x720.mp4"
FRAMES, SIDE = 4, 192


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> HeldOut:
    folder = tmp_path_factory.mktemp("clips")
    (folder / SAMPLE.name).symlink_to(SAMPLE)
    [clip] = open_clips(folder, FRAMES, SIDE)
    return clip


def quality(name: str, clip: HeldOut) -> float:
    return measure(run(load_models(name, device=CPU), clip, Settings()), clip)["psnr"]


@pytest.mark.parametrize("name", SHIPPED)
def test_each_has_a_name_and_no_revisions(name: str) -> None:
    assert load_models(name, device=CPU).source == name
    assert models_in_reach()[name] == str(SHIPPED[name])
    assert (SHIPPED[name] / "README.md").is_file()
    with pytest.raises(ModelError, match="leave it out"):
        load_models(name, revision="main", device=CPU)


@pytest.mark.parametrize(("damage", "gain"), [("clean", 1.5), ("h264 crf 28", 0.1)])
def test_each_is_better_than_bicubic(damage: str, gain: float, clip: HeldOut) -> None:
    given = damaged(clip, damage)
    plain = measure(bicubic(given), given)["psnr"]
    assert all(quality(name, given) > plain + gain for name in SHIPPED)


def test_its_controlnet_alone_steadies(clip: HeldOut) -> None:
    models = load_models(device=CPU)
    assert models.properties.blend == 0
    on, off = (measure(run(models, clip, Settings(artg=artg)), clip)["flicker"] for artg in (1, 0))
    assert on < 0.9 * off


def test_seeds_change_its_picture_a_little_and_mostly_where_texture_is(clip: HeldOut) -> None:
    models = load_models(device=CPU)
    one, two = (run(models, clip, Settings(seed=seed)) for seed in (0, 1))
    difference = 255 * (one - two).abs().mean(1)
    texture = (one - F.avg_pool2d(one, 9, 1, 4, count_include_pad=False)).abs().mean(1)
    textured = float(difference[texture > texture.quantile(0.9)].mean())
    assert 0.2 < textured < 3
    assert float(difference[texture < texture.quantile(0.3)].mean()) < 0.5 * textured


@pytest.mark.parametrize("gone", ["embedded-compressed", "embeded"])
def test_a_name_that_is_not_there_is_told_which_are(gone: str) -> None:
    with pytest.raises(ModelError, match=f"no model folder '{gone}'.*a model of the package: {', '.join(SHIPPED)}"):
        load_models(gone, device=CPU)
