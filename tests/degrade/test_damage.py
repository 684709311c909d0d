"""Codecs and damage: what goes in comes out, of the same shape, worse by as much as was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.degrade import CODECS, blurred, compressed, jpeg, noisy
from workbench.errors import InputError, SettingsError


def moving(frames: int = 6, height: int = 64, width: int = 96) -> np.ndarray:
    """Waves of light that pass: (T, h, w, 3) uint8."""
    y, x = np.mgrid[:height, :width]
    shown = [
        np.stack([np.sin((x + 2 * t) / (3 + c)) * np.cos(y / (4 + c)) for c in range(3)], -1) for t in range(frames)
    ]
    return np.rint(127.5 + 100 * np.stack(shown)).astype(np.uint8)


def error(a: np.ndarray, b: np.ndarray) -> float:
    """Root mean square, in 8-bit levels."""
    return float(np.sqrt(np.square(a.astype(np.float32) - b).mean()))


@pytest.mark.parametrize("name", CODECS)
def test_a_codec_gives_every_frame_back_in_order_and_a_lower_number_is_better(name: str) -> None:
    frames = moving()
    best, worst = (compressed(frames, name, quality) for quality in (CODECS[name].best, CODECS[name].worst))
    assert best.shape == worst.shape == frames.shape
    assert best.dtype == np.uint8
    assert error(best, frames) < 12  # 4:2:0 takes some of so much colour
    assert error(worst, frames) > 1.3 * error(best, frames)
    nearest = [min(range(len(frames)), key=lambda k, frame=frame: error(frame, frames[k])) for frame in best]
    assert nearest == list(range(len(frames)))


@pytest.mark.parametrize("name", CODECS)
def test_a_codec_is_deterministic_and_takes_odd_sizes(name: str) -> None:
    frames = moving(4, 65, 97)
    first, second = (compressed(frames, name, 20, group=2, b_frames=1, fast=True) for _ in range(2))
    assert first.shape == frames.shape
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", CODECS)
def test_a_codec_keeps_grey_grey(name: str) -> None:
    grey = np.full((3, 64, 64, 3), 128, np.uint8)
    assert np.abs(compressed(grey, name, CODECS[name].best).astype(int) - 128).max() <= 2


def test_what_a_codec_cannot_take_is_said() -> None:
    with pytest.raises(SettingsError, match="h264, h265"):
        compressed(moving(1), "h266")
    with pytest.raises(InputError, match="uint8"):
        compressed(moving(1).astype(np.float32))
    with pytest.raises(InputError, match="64 pixels a side"):
        compressed(moving(1, 32, 32), "av1")


def test_noise_has_the_deviation_asked_for_and_repeats_with_its_seed() -> None:
    grey = np.full((2, 64, 64, 3), 128, np.uint8)
    for grain in (0.0, 1.0):
        one, two = (noisy(grey, 5, np.random.default_rng(3), grain=grain) for _ in range(2))
        np.testing.assert_array_equal(one, two)
        assert 4.7 < error(one, grey) < 5.3
    assert np.ptp(noisy(grey, 5, np.random.default_rng(3), grain=1), axis=-1).max() <= 1


def test_jpeg_and_blur_take_what_they_are_told_to() -> None:
    frames = moving(2)
    assert error(jpeg(frames, 95), frames) < error(jpeg(frames, 20), frames)
    assert error(blurred(frames, 0.5), frames) < error(blurred(frames, 2), frames)
    np.testing.assert_array_equal(blurred(frames, 0), frames)
    np.testing.assert_array_equal(noisy(frames, 0, np.random.default_rng(0)), frames)
    with pytest.raises(SettingsError, match=r"1\.\.100"):
        jpeg(frames, 0)
    with pytest.raises(SettingsError, match="at least 0"):
        blurred(frames, -1)
