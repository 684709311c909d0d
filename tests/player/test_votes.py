"""Blind tests' scores: what they must be where it is known, and intervals that hold what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from workbench.errors import InputError
from workbench.player.votes import Vote, result, scores, votes_csv


def votes(wins: dict[tuple[str, str], int]) -> list[Vote]:
    """``wins``: (preferred, other) -> how often."""
    return [Vote(one, other, one) for (one, other), count in wins.items() for _ in range(count)]


def test_two_versions_differ_by_the_log_odds_of_their_votes() -> None:
    best, worst = scores(votes({("a", "b"): 300, ("b", "a"): 100}))
    assert (best.name, worst.name) == ("a", "b")
    assert best.score - worst.score == pytest.approx(math.log(3), abs=0.01)
    assert best.low < best.score < best.high
    assert worst.high < best.low
    assert (best.preferred, best.same, best.looks) == (300, 0, 400)


def test_no_difference_pulls_together_and_one_sided_votes_stay_finite() -> None:
    even = scores([Vote("a", "b", "")] * 20)
    assert even[0].score == pytest.approx(0, abs=1e-3)
    assert even[0].low < 0 < even[0].high
    certain, _ = scores(votes({("a", "b"): 8}))
    assert 0 < certain.low < certain.high < 10
    mixed, _ = scores(votes({("a", "b"): 8}) + [Vote("a", "b", "")] * 8)
    assert mixed.score < certain.score


def test_a_third_version_is_placed_through_the_others() -> None:
    found = scores(votes({("a", "b"): 30, ("b", "a"): 10, ("b", "c"): 30, ("c", "b"): 10}))
    assert [score.name for score in found] == ["a", "b", "c"]
    assert sum(score.score for score in found) == pytest.approx(0, abs=0.01)


def test_intervals_cover_the_truth() -> None:
    rng = np.random.default_rng(3)
    truth, chance = 0.4, 1 / (1 + math.exp(-0.8))  # of a, around the mean; of a over b
    covered = 0
    for _ in range(40):
        won = int(rng.binomial(24, chance))
        mine = next(score for score in scores(votes({("a", "b"): won, ("b", "a"): 24 - won})) if score.name == "a")
        covered += mine.low <= truth <= mine.high
    assert covered >= 34


def test_votes_that_are_none_are_refused_and_votes_are_kept_in_a_table() -> None:
    for wrong in ({}, {"one": "a", "other": "a", "preferred": ""}, {"one": "a", "other": "b", "preferred": "c"}):
        with pytest.raises(InputError):
            Vote.from_dict(wrong)
    with pytest.raises(InputError, match="no vote yet"):
        scores([])
    assert result([])["scores"] == []
    assert votes_csv([Vote("a", "b", "")]) == "one,other,preferred\na,b,\n"
