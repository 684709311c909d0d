"""Chains of damage: read and written, worse with strength, the same however they are read, like the program's own."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from skimage import data

from workbench.cli.main import main
from workbench.comparison import evaluate
from workbench.comparison.strengths import by_strength
from workbench.degrade import DAMAGES, compressed, damaged, degraded, parse, realesrgan
from workbench.degrade import chain as chains
from workbench.errors import SettingsError
from workbench.video import Clip, open_clip
from workbench.views.plots import strengths


def moving(frames: int = 3, height: int = 256, width: int = 272) -> Clip:
    """A photograph that moves by (3, 2) pixels a frame."""
    photo = data.astronaut()
    places = [(20 + 2 * k, 60 + 3 * k) for k in range(frames)]
    return open_clip(np.stack([photo[y : y + height, x : x + width] for y, x in places]))


def images(clip: Clip) -> np.ndarray:
    return np.stack([frame.image for frame in clip])


@pytest.mark.parametrize("text", ["matlab", "bicubic+noise:3+h264:28", "realesrgan", "jpeg:30+blur:1.5"])
def test_a_chain_is_read_and_written(text) -> None:
    assert str(parse(text)) == text


def test_a_strength_left_out_is_the_usual_one() -> None:
    assert str(parse("bicubic+h264")) == "bicubic+h264:28"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nearest", "one of bicubic, matlab, area, bd, realesrgan"),
        ("noise:3+bicubic", r"\(first\)"),
        ("h264:99", "h264 takes 0 to 51"),
        ("noise:much", "must be a number"),
        ("", "one of"),
    ],
)
def test_a_chain_that_cannot_be_read_says_what_would_be_right(text, said) -> None:
    with pytest.raises(SettingsError, match=said):
        parse(text)


@pytest.mark.parametrize("name", DAMAGES)
def test_more_is_worse(name) -> None:
    clip, kind = moving(), DAMAGES[name]
    small = images(degraded(clip, "bicubic")).astype(float)
    low, high = (kind.usual, kind.high) if kind.rising else (kind.usual, kind.low)
    errors = [np.abs(images(degraded(clip, f"bicubic+{name}:{s:g}")) - small).mean() for s in (low, high)]
    assert 0 < errors[0] < errors[1]
    assert kind.low <= kind.usual <= kind.high
    assert kind.stands_for


def test_steps_are_taken_in_their_order() -> None:
    clip = moving(width=256)  # x264's own code for processors differs from run to run on 68 pixels, which no 16 divides
    small = images(degraded(clip, "bicubic"))
    both = images(degraded(clip, "bicubic+blur:2+jpeg:30"))
    assert np.array_equal(both, images(damaged(open_clip(small), "blur:2+jpeg:30")))
    assert not np.array_equal(both, images(degraded(clip, "bicubic+jpeg:30+blur:2")))
    assert np.array_equal(images(degraded(clip, "bicubic+h264:30")), compressed(small, "h264", 30))


@pytest.mark.parametrize("chain", ["bicubic+noise:5+h264:28", "realesrgan", "noise:5"])
def test_a_frame_is_the_same_however_it_is_read(chain, monkeypatch) -> None:
    monkeypatch.setattr(chains, "GROUP", 3)
    clip = degraded(moving(7), chain, seed=4)
    whole = images(clip)
    assert (len(clip), clip.size, whole.shape) == (7, (68, 64), (7, 64, 68, 3))
    assert np.array_equal(clip[5].image, whole[5])
    assert np.array_equal(images(clip[1:6:2]), whole[1:6:2])
    assert not np.array_equal(whole, images(degraded(moving(7), chain, seed=5)))


def test_noise_is_new_in_every_frame_and_its_strength_is_its_deviation() -> None:
    grey = open_clip(np.full((2, 64, 64, 3), 128, np.uint8))
    first, second = images(damaged(grey, "noise:6")).astype(float) - 128
    assert first.std() == pytest.approx(6, rel=0.05)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05


def test_a_clip_at_its_own_size_is_not_made_small() -> None:
    assert damaged(moving(), "jpeg:50").size == moving().size
    with pytest.raises(SettingsError, match="leave it out"):
        damaged(moving(), "bicubic+jpeg:50")


def test_the_random_chain_shows_the_same_in_the_same_place() -> None:
    picture = data.astronaut()[:256, 100:356]
    small = np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.BICUBIC)).astype(float)
    alike = []
    for seed in range(12):
        found = realesrgan(picture, seed=seed)
        assert (found.shape, found.dtype) == ((64, 64, 3), np.uint8)
        alike.append(np.corrcoef(found.ravel(), small.ravel())[0, 1])
    assert min(alike) > 0.6
    assert len({round(value, 6) for value in alike}) == 12


def write(folder, count: int = 3) -> None:
    for k in range(count):
        (folder / str(k)).mkdir(parents=True)
        image = data.astronaut()[40 * k : 40 * k + 128, 100:228]
        Image.fromarray(image).save(folder / str(k) / "0.png")


def test_where_an_upscaler_stops_being_better_is_found(tmp_path) -> None:
    write(tmp_path / "set")
    found = by_strength(
        None, tmp_path / "set", degradation="bicubic+jpeg", strengths=(95, 5, 40), metrics=("psnr",),
        against=("bicubic", "lanczos"),
    )  # fmt: skip
    assert list(found.evaluations) == [95, 40, 5]  # in the order of damage
    assert found.means("bicubic", "psnr") == sorted(found.means("bicubic", "psnr"), reverse=True)
    alone = evaluate(None, tmp_path / "set", degradation="bicubic+jpeg:40", metrics=("psnr",), against=("bicubic",))
    assert alone.mean("bicubic", "psnr") == found.evaluations[40].mean("bicubic", "psnr")
    assert found.verdicts("lanczos", "psnr")[0] in ("better", "no difference found", "no difference that matters")
    assert "lanczos is " in str(found)
    assert json.loads(found.to_json())["strengths"].keys() == {"95", "40", "5"}
    lines = strengths(found).axes[0].get_lines()
    assert [line.get_label() for line in lines] == ["bicubic", "lanczos"]
    assert not np.asarray(lines[0].get_ydata()).any(), "over bicubic"
    with pytest.raises(SettingsError, match="ends in one of"):
        by_strength(None, tmp_path / "set", degradation="bicubic", strengths=(1,))


def test_the_commands_take_chains(tmp_path, capsys) -> None:
    write(tmp_path / "set", 1)
    words = ["eval", str(tmp_path / "set"), "--no-pipeline", "--metrics", "psnr"]
    options = ["--degradation", "bicubic+jpeg", "--strengths", "90,20", "--figure", str(tmp_path / "a.png")]
    assert main([*words, *options]) == 0
    assert "by strength of jpeg (quality)" in capsys.readouterr().out
    assert (tmp_path / "a.png").stat().st_size > 5000
    assert main([*words, "--degradation", "list"]) == 0
    assert "DVDs and television" in capsys.readouterr().out
    assert main(["compare", str(tmp_path / "set" / "0"), "--no-pipeline", "--degradation", "area+noise:4"]) == 0
    assert "PSNR" in capsys.readouterr().out
    assert main([*words, "--degradation", "worse"]) == 2
