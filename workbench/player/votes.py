"""What a blind test's votes amount to: Bradley-Terry scores, with intervals."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from workbench.errors import InputError

SPREAD = 3.0  # of the scores before any vote: keeps one that always won from infinity
CHI_SQUARE = 3.8415  # of one degree of freedom, 95 %


@dataclass(frozen=True)
class Vote:
    """One look at two versions, called by their names."""

    one: str
    other: str
    preferred: str
    """one of the two; empty where no difference was seen"""

    def __post_init__(self) -> None:
        names = (self.one, self.other)
        if not all(isinstance(name, str) and name for name in names) or self.one == self.other:
            raise InputError(f"a vote is on two versions, got {self.one!r} and {self.other!r}.")
        if self.preferred not in (*names, ""):
            raise InputError(f"a vote prefers one of {self.one!r} and {self.other!r}, or neither: {self.preferred!r}.")

    @classmethod
    def from_dict(cls, values: Any) -> Vote:
        if not isinstance(values, dict) or set(values) != {"one", "other", "preferred"}:
            raise InputError("a vote is an object with one, other and preferred.")
        return cls(**values)


@dataclass(frozen=True)
class Score:
    """``score``: log odds around the mean of all, with its 95 % interval; a difference of 1.1 means three of four."""

    name: str
    score: float
    low: float
    high: float
    preferred: int
    """how often"""
    same: int
    """votes that saw no difference"""
    looks: int
    """votes it took part in"""


def scores(votes: Sequence[Vote]) -> list[Score]:
    """The best first. A vote for neither counts as half a vote for each.

    Bradley and Terry (1952), by maximum likelihood under a wide normal prior (of spread 3), so that few votes that
    agree do not give infinity; intervals are those of the profile likelihood. Raises InputError without a vote.
    """
    from scipy.optimize import brentq, minimize

    if not votes:
        raise InputError("there is no vote yet.")
    names = sorted({name for vote in votes for name in (vote.one, vote.other)})
    place = {name: k for k, name in enumerate(names)}
    wins = np.zeros((len(names), len(names)))  # [a, b]: how often a was preferred to b
    for vote in votes:
        one, other = place[vote.one], place[vote.other]
        share = 0.5 if not vote.preferred else float(vote.preferred == vote.one)
        wins[one, other] += share
        wins[other, one] += 1 - share

    def loss(s: np.ndarray) -> tuple[float, np.ndarray]:
        apart = s[:, None] - s[None, :]
        value = float((wins * np.logaddexp(0, -apart)).sum() + (s**2).sum() / (2 * SPREAD**2))
        unsure = wins / (1 + np.exp(apart))  # what each win lacks of being certain
        return value, s / SPREAD**2 - unsure.sum(1) + unsure.sum(0)

    found = minimize(loss, np.zeros(len(names)), jac=True, method="BFGS")
    best = found.x - found.x.mean()

    def too_far(at: float, k: int) -> float:
        """Above 0 where the votes contradict that score ``k`` is ``at``, however the others are."""
        others = len(names) - 1

        def held(free: np.ndarray) -> float:
            return loss(np.insert(free - free.mean() - at / others, k, at))[0]

        least = minimize(held, np.delete(best, k), method="BFGS").fun
        return least - found.fun - CHI_SQUARE / 2

    def end(k: int, way: int) -> float:
        root: Any = brentq(too_far, best[k], best[k] + way * 8 * SPREAD, args=(k,), xtol=1e-3)
        return float(root)

    made = [_score(name, (best[k], end(k, -1), end(k, 1)), votes) for k, name in enumerate(names)]
    return sorted(made, key=lambda score: -score.score)


def _score(name: str, numbers: Sequence[float], votes: Sequence[Vote]) -> Score:
    mine = [vote for vote in votes if name in (vote.one, vote.other)]
    preferred, same = sum(vote.preferred == name for vote in mine), sum(not vote.preferred for vote in mine)
    value, low, high = (round(float(number), 3) for number in numbers)
    return Score(name, value, low, high, preferred, same, len(mine))


def result(votes: Sequence[Vote]) -> dict[str, Any]:
    """Votes and scores as JSON values."""
    return {
        "votes": [asdict(vote) for vote in votes],
        "scores": [asdict(score) for score in scores(votes)] if votes else [],
    }


def votes_csv(votes: Sequence[Vote]) -> str:
    """One line a vote."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["one", "other", "preferred"])
    writer.writerows([vote.one, vote.other, vote.preferred] for vote in votes)
    return text.getvalue()
