"""Measuring a model in training: the clips, the damage, the measures and the bars that it is held to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from samples.make_crops import busiest, side_by_side
from tests.tiny import tiny_models
from tests.training import write_photos
from workbench.models.models import Models
from workbench.train.bars import REAL, Bar, Measured, contents, modules, real_input, run_with_own_features
from workbench.train.evaluate import BORDER, DAMAGES, HeldOut, bicubic, damaged, measure, pan, to_range
from workbench.train.pool import Pool


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> HeldOut:
    folder = tmp_path_factory.mktemp("material")
    pool = Pool([write_photos(folder / "photos", count=1)], folder / "cache")
    return pan("pan", to_range(pool.photos[0][None])[0], frames=3, side=64)


@pytest.fixture(scope="module")
def models() -> Models:
    return tiny_models()


def test_the_motion_of_a_pan_is_the_one_it_is_measured_along(clip: HeldOut) -> None:
    truth = (clip.hr + 1) / 2
    inside = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    fetched = clip.motion[0].fetch(truth[0])
    assert (fetched - truth[1])[inside].abs().mean() < 0.3 * (truth[0] - truth[1])[inside].abs().mean()


def test_the_truth_measures_as_perfect_and_bicubic_does_not(clip: HeldOut) -> None:
    perfect = measure((clip.hr + 1) / 2, clip)
    assert perfect["psnr"] > 100
    assert perfect["ssim"] == pytest.approx(1, abs=1e-4)
    assert perfect["haarpsi"] == pytest.approx(1, abs=1e-4)
    assert measure(bicubic(clip), clip)["psnr"] < 60


def test_back_projection_improves_the_baseline(clip: HeldOut) -> None:
    assert measure(bicubic(clip, 2), clip)["psnr"] > measure(bicubic(clip), clip)["psnr"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_in_the_input_alone(clip: HeldOut, damage: str) -> None:
    small = replace(clip, lr=clip.lr.repeat(1, 1, 4, 4))  # some codecs take no frames as small as these
    hurt = damaged(small, damage)
    assert hurt.lr.shape == small.lr.shape
    assert torch.equal(hurt.hr, clip.hr)
    assert torch.equal(hurt.lr, small.lr) == (damage == "clean")


def test_the_control_replaces_the_memory_of_the_temporal_modules(clip: HeldOut, models: Models) -> None:
    own, normal = run_with_own_features(models, clip), Measured(models)
    assert own.shape == clip.hr.shape
    names = [row.what for row in modules(normal, [clip])]
    assert sum("control" in name for name in names) == 2
    assert measure(own, clip)["psnr"] != normal(clip)["psnr"]


def test_real_input_is_measured_for_every_damage_and_on_average(clip: HeldOut, models: Models) -> None:
    rows = list(real_input(Measured(models), {damage: [replace(clip, name=damage)] for damage in REAL}))
    assert [row.where for row in rows if row.where.startswith("average")] == [
        f"average, {damage}" for damage in REAL for _ in range(2)
    ]
    assert all(row.value == other.value for row, other in zip(rows[::4], rows[2::4], strict=True))


def test_a_row_knows_whether_its_bar_was_reached() -> None:
    assert Bar("gain", "clip", 1.2, 1.0).reached
    assert not Bar("flicker", "clip", 1.2, 1.0, at_least=False).reached
    assert Bar("seconds", "clip", 1.2).reached is None
    assert str(Bar("gain", "clip", 0.5, 1.0)) == "| gain | clip | 0.5 | >= 1 | missed |"


def test_difficult_contents_are_what_they_say() -> None:
    made = contents(side=32)
    assert made["flat"].std((2, 3)).max() == 0
    assert made["dark"].max() < -0.9
    assert made["text"].max() == 1


def test_crops_show_the_place_with_most_detail() -> None:
    picture = torch.zeros(3, 160, 160)
    picture[:, 100:150:2, 90:140] = 1
    top, left = busiest(picture)
    assert top <= 100
    assert top + 80 >= 150
    assert left <= 90
    assert left + 80 >= 140
    sheet = side_by_side([picture] * 3, ["a", "b", "c"])
    assert sheet.width >= 3 * 240


def test_crops_are_written_for_every_clip(tmp_path: Path, clip: HeldOut) -> None:
    import av

    from samples.make_crops import main
    from workbench.models.save import save_models

    (tmp_path / "clips").mkdir()
    with av.open(str(tmp_path / "clips" / "moving.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 96, "bgr0"
        frames = torch.nn.functional.pad(clip.hr, (16, 16, 16, 16), mode="replicate")
        for picture in ((frames + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")))
        container.mux(stream.encode(None))
    folder = save_models(tiny_models(), tmp_path / "model")
    main([str(tmp_path / "clips"), str(tmp_path / "pictures"), "--model", str(folder), "--frames", "2"])
    assert [p.name for p in (tmp_path / "pictures").iterdir()] == ["moving.png"]
