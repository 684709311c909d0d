"""Films of a comparison: each layout shows what it says, labelled; videos, GIF and WebP hold every frame."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from workbench.cli.compare import film_columns
from workbench.comparison import Comparison, compare
from workbench.comparison.film import side, split, sweep, write_film
from workbench.errors import OutputError, SettingsError
from workbench.video import open_clip

WIDE = np.full((2160, 7680, 3), 90, np.uint8)
DARK, LIGHT = (np.full((96, 128, 3), value, np.uint8) for value in (40, 200))
NAMES = ("bicubic", "upscaled")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    rng = np.random.default_rng(0)
    clip = list(rng.integers(0, 256, (4, 24, 32, 3), dtype=np.uint8))
    folder = tmp_path_factory.mktemp("compared")
    return compare(None, clip, against=("lanczos", "bicubic"), metrics=["piqe"], resume=folder)


def test_layouts_show_each_picture_where_they_say() -> None:
    low = slice(60, None)  # below the labels
    halves = split((DARK, LIGHT), NAMES, 0.0)[low]
    assert (halves[:, :62] == 40).all()
    assert (halves[:, 66:] == 200).all()
    full = sweep((WIDE, WIDE), NAMES, 0.0)
    assert full.shape == (1080, 3840, 3), "no wider than players can show"
    early, late = (sweep((DARK, LIGHT), NAMES, seconds)[low] for seconds in (1.0, 3.0))
    assert (early[:, :100] == 40).all()
    assert (late[:, 40:] == 200).all()
    both = side((DARK, LIGHT), NAMES, 0.0)
    assert both.shape == (96, 256, 3)
    assert (both[low, :126] == 40).all()
    assert (split((DARK, DARK, LIGHT), ("a", "b", "c"), 0.0)[low, :84:84] == 40).all()
    assert (both[:30] != np.concatenate([DARK, LIGHT], 1)[:30]).any(), "names stand at the top"


def test_a_label_stays_within_its_strip() -> None:
    black = np.zeros((360, 640, 3), np.uint8)
    shown = split([black] * 4, ("a", "a-rather-long-name-of-one", "b", "c"), 0.0)
    assert (shown[:40, 152:159] == 0).all(), "before the edge"
    assert (shown[:40, 162:] != 0).any()
    long = split([black] * 4, ("a", "a-rather-long-name-of-one-that-goes-on", "b", "c"), 0.0)
    assert (long[:40, 322:] == shown[:40, 322:]).all(), "the next strip is as it was"


def test_many_pictures_stand_in_rows() -> None:
    whole = side((DARK, LIGHT, DARK, LIGHT, DARK), ("a", "b", "c", "d", "e"), 0.0)
    assert whole.shape == (2 * 96, 3 * 128, 3)
    assert (whole[96 + 60 :, 2:126] == 200).all(), "the fourth begins the second row"
    assert (whole[96 + 2 :, 2 * 128 + 2 :] == 0).all(), "no sixth"


def test_a_gif_of_a_fast_clip_leaves_frames_out_and_keeps_its_speed(tmp_path: Path) -> None:
    clip = open_clip(np.random.default_rng(0).integers(0, 256, (8, 24, 32, 3), dtype=np.uint8), fps=50)
    result = compare(None, clip, against=("lanczos", "bicubic"), metrics=["piqe"])
    film = Image.open(result.film(tmp_path / "film.gif"))
    assert (film.n_frames, film.info["duration"]) == (2, 80)  # type: ignore[attr-defined]


def test_names_that_hold_commas_are_told_apart() -> None:
    known = ["steps=1, tpm=on", "steps=1, tpm=off", "bicubic"]
    assert film_columns("bicubic,steps=1, tpm=off,steps=1,tpm=on", known) == ["bicubic", known[1], known[0]]
    assert film_columns(None, known) == []
    assert film_columns("dlss", known) == ["dlss"]


@pytest.mark.parametrize("name", ["film.mp4", "film.gif", "film.webp"])
def test_a_film_holds_every_frame(result: Comparison, tmp_path: Path, name: str) -> None:
    path = result.film(tmp_path / name)
    if name.endswith("mp4"):
        clip = open_clip(path)
        assert (clip.size, len(clip)) == ((128, 96), 4)
    else:
        assert [frame.shape for frame in iio.imiter(path)] == [(96, 128, 3)] * 4


def test_what_cannot_be_filmed_is_refused(result: Comparison, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="a layout must be one of sweep, split, side"):
        result.film(tmp_path / "film.mp4", layout="spiral")
    with pytest.raises(SettingsError, match="no column 'dlss'; there are lanczos, bicubic"):
        result.film(tmp_path / "film.mp4", columns=("bicubic", "dlss"))
    with pytest.raises(SettingsError, match="a sweep shows two columns, got 1"):
        result.film(tmp_path / "film.mp4", columns=("bicubic",))
    with pytest.raises(OutputError, match=r"a film is \.mp4, \.mkv, \.gif, \.webp"):
        result.film(tmp_path / "film.txt")
    assert write_film(result, result.pictures(), tmp_path / "three.mkv", layout="side").is_file()
