"""Stars hold: how often there is one where there is no difference, and what is said of differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal, stats

from workbench.comparison.statistics import (
    BETTER,
    IDENTICAL,
    NOTHING_FOUND,
    NOTHING_THAT_MATTERS,
    TOO_FEW,
    WORSE,
    Difference,
    clip_intervals,
    frame_intervals,
    holm,
    independent_values,
    over_clips,
    over_frames,
    verdict,
)

RUNS = 4000


def series(rho: float, frames: int, seed: int = 0) -> np.ndarray:
    """(RUNS, frames) of AR(1) noise with mean 0 and variance 1, long begun."""
    noise = np.random.default_rng(seed).standard_normal((RUNS, frames + 100))
    return np.asarray(signal.lfilter([math.sqrt(1 - rho**2)], [1, -rho], noise))[:, -frames:]


@pytest.mark.parametrize("rho", [0, 0.5, 0.9])
@pytest.mark.parametrize("frames", [4, 5, 6, 8, 10, 14, 20, 30, 50, 100])
def test_false_stars_are_rare_however_alike_frames_are(rho, frames) -> None:
    low, high, p = frame_intervals(series(rho, frames))
    assert np.mean((low > 0) | (high < 0)) < 0.07
    assert np.mean(p < 0.05) < 0.07


def test_real_differences_get_their_star() -> None:
    low, _, _ = frame_intervals(series(0, 30) + 1.0)
    assert np.mean(low > 0) > 0.95
    low, _, _ = frame_intervals(series(0.5, 100) + 1.0)
    assert np.mean(low > 0) > 0.95


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    low, high, _ = frame_intervals(series(0.5, 100) + 3.0)
    assert 0.95 <= np.mean((low <= 3) & (high >= 3)) < 0.99


def test_frames_are_worth_what_their_autocorrelation_leaves() -> None:
    assert np.median(independent_values(series(0, 400))) == pytest.approx(400 * 0.9, rel=0.1)
    assert np.median(independent_values(series(0.5, 400))) == pytest.approx(400 / 3, rel=0.2)
    assert (independent_values(np.ones((1, 50)) + np.arange(50)) < 5).all()  # a slope is no sample


def test_clips_are_a_plain_t_test() -> None:
    clips = series(0, 6)
    low, high, p = clip_intervals(clips)
    expected: Any = stats.ttest_1samp(clips, 0, axis=1)
    assert p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert (low, high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert math.isnan(over_clips([1.0, 1.1]).low)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=2, max_size=40), st.floats(-10, 10))
def test_an_interval_holds_the_mean_and_moves_with_the_values(values, shift) -> None:
    found, moved = over_frames(values), over_frames([v + shift for v in values])
    assert moved.mean == pytest.approx(found.mean + shift, abs=1e-9)
    if not math.isnan(found.low):
        assert found.low <= found.mean <= found.high
        assert 0 <= found.p <= 1


def test_what_has_no_interval() -> None:
    for values in ([], [1.0], [1.0, 2.0, 1.5], [1.0, math.inf, 2.0, 1.0, 1.0, 2.0]):
        assert math.isnan(over_frames(values).low)
        assert math.isnan(over_frames(values).p)
    assert over_frames([0.0, 0.0]) == Difference(0, 0, 0, 1)


def test_holm_agrees_with_its_paper_and_leaves_out_what_was_not_tested() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == [True, False, False, True]  # .005 < .05 / 4, .01 < .05 / 3, .03 > .05 / 2
    assert holm([math.nan, 0.03, 0.02]) == [False, True, True]
    assert holm([]) == []


def test_many_tests_give_a_false_star_as_seldom_as_one() -> None:
    _, _, p = frame_intervals(series(0, 30).reshape(200, 20, 30))
    assert np.mean([any(holm(row)) for row in p]) < 0.07


def test_words_say_what_is_known() -> None:
    def said(mean: float, sure: float, star: bool, *, higher: bool = True) -> str:
        return verdict(Difference(mean, mean - sure, mean + sure, 0.5), star, 0.05, higher)

    assert said(0.5, 0.1, True) == BETTER
    assert said(0.5, 0.1, True, higher=False) == WORSE
    assert said(-1.3e-6, 1e-7, True) == NOTHING_THAT_MATTERS
    assert said(0.01, 0.02, False) == NOTHING_THAT_MATTERS  # the whole interval is too small
    assert said(0.01, 0.2, False) == NOTHING_FOUND
    assert said(0.5, 0.1, False) == NOTHING_FOUND  # it does not hold among all tests of its table
    assert said(0.5, math.nan, False) == TOO_FEW
    assert said(0, 0, False) == IDENTICAL
