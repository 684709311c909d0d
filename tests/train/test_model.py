"""The shipped model, held to what any model worth shipping does, with slack for other machines' arithmetic."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import workbench
from workbench.errors import TrainingError
from workbench.models.load import load_models
from workbench.models.models import Models
from workbench.pipeline.settings import Settings
from workbench.train.evaluate import HeldOut, bicubic, damaged, make_clip, measure, pan, read_frames, run
from workbench.train.reproduce import PUBLISHED, compare, final_gains

FOLDER = Path(workbench.__file__).parent / "data" / "model"
SAMPLE = Path(__file__).parents[2] / "samples" / "forest-1280x720.mp4"


@pytest.fixture(scope="module")
def models() -> Models:
    return load_models(device=torch.device("cpu"))


@pytest.fixture(scope="module")
def clip() -> HeldOut:
    """The middle of a film scene that was not trained on."""
    return make_clip("forest", read_frames(SAMPLE, 0, 4)[..., 264:456, 544:736].contiguous())


def test_it_beats_bicubic_and_back_projection_on_a_clip_it_never_saw(models: Models, clip: HeldOut) -> None:
    ours, plain, projected = (
        measure(run(models, clip, Settings()), clip),
        measure(bicubic(clip), clip),
        measure(bicubic(clip, 2), clip),
    )
    assert ours["psnr"] > plain["psnr"] + 0.5
    assert ours["psnr"] > projected["psnr"]
    assert ours["ssim"] > plain["ssim"]
    assert ours["haarpsi"] > plain["haarpsi"]


def test_it_beats_bicubic_on_a_compressed_clip(models: Models, clip: HeldOut) -> None:
    real = make_clip("forest", read_frames(SAMPLE, 0, 4)[..., 200:520, 480:800].contiguous())
    for damage in ("h264 crf 23", "h264 crf 28"):
        hurt = damaged(real, damage)
        ours, plain = measure(run(models, hurt, Settings()), hurt), measure(bicubic(hurt), hurt)
        assert ours["psnr"] > plain["psnr"]
        assert ours["haarpsi"] > plain["haarpsi"] - 0.005


def test_guidance_steadies_a_pan(models: Models, clip: HeldOut) -> None:
    moving = pan("pan", clip.hr[0], frames=4, side=128)
    on, off = (measure(run(models, moving, Settings(artg=artg)), moving) for artg in (True, False))
    assert on["flicker"] < off["flicker"]


@pytest.mark.parametrize("colour", [(0.57, -0.3, -0.7), (-1, -1, 1), (1, -1, 1), (1, 1, 1), (-1, -1, -1)])
def test_a_flat_frame_stays_flat_to_its_corners(models: Models, colour: tuple[float, ...]) -> None:
    flat = torch.tensor(colour, dtype=torch.float32).view(1, 3, 1, 1).expand(3, 3, 96, 96)
    still = make_clip("flat", flat.contiguous(), motion=[])
    error = run(models, still, Settings()) - bicubic(still)
    assert error.abs().max() <= 3 / 255


def test_it_is_small_and_needs_no_download() -> None:
    weights = sum(f.stat().st_size for f in FOLDER.rglob("*.safetensors"))
    assert weights < 10e6
    assert (FOLDER / "README.md").is_file()


def test_a_run_ends_at_the_last_gains_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    gains = [("cup", 31.0), ("box", 29.5), ("cup", 33.0)]
    lines = [{"iteration": 1, "loss": 0.1}]
    lines += [{"clip": clip, "model": {"psnr": psnr}, "bicubic": {"psnr": 29.0}} for clip, psnr in gains]  # type: ignore[misc]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert final_gains(log) == {"cup": 4.0, "box": 0.5}


def test_what_the_regressors_short_run_reached_is_published_beside_its_recipe() -> None:
    short = json.loads(PUBLISHED.read_text(encoding="utf-8"))["one_twentieth"]
    clean = [name for name in short if ", " not in name]
    assert len(clean) == 3
    assert all(short[name] > 0.5 for name in clean)
    assert len(compare(short, short)) == len(short)
    with pytest.raises(TrainingError, match="did not reach"):
        compare({name: gain - 0.3 for name, gain in short.items()}, short)
    with pytest.raises(TrainingError, match="published clips are"):
        compare({}, short)
