"""What may be said of all the differences of a table, together."""

from __future__ import annotations

import numpy as np

from workbench.comparison.statistics import TOO_FEW, Difference, holm, verdict
from workbench.comparison.tables import aligned, significant
from workbench.metrics import METRICS

STARS = (
    "In brackets: difference to the first row; * where it holds (95 %, all tests of the table together) and is large "
    "enough to matter."
)

Judged = dict[tuple[str, str], tuple[Difference, str]]
"""By column and metric: the difference to the first column, and what may be said of it."""


def judged(
    tests: dict[tuple[str, str], Difference], too_few: str = TOO_FEW
) -> dict[tuple[str, str], tuple[Difference, str]]:
    """Differences by column and metric -> each with its verdict, all of them together (``statistics.holm``)."""
    stars = dict(zip(tests, holm([test.p for test in tests.values()]), strict=True))
    said = {}
    for (column, name), test in tests.items():
        metric = METRICS[name]
        words = verdict(test, stars[column, name], metric.matters, metric.higher_is_better, too_few)
        said[column, name] = (test, words)
    return said


def detailed(pairs: Judged, first: str) -> list[str]:
    """Lines for the terminal, with a heading."""
    if not pairs:
        return []
    rows = [[f"against {first}", "", "difference", "95 % interval", ""]]
    for (column, name), (found, said) in pairs.items():
        interval = f"{significant(found.low, sign=True)} … {significant(found.high, sign=True)}"
        shown = "–" if np.isnan(found.low) else interval
        rows.append([column, METRICS[name].label, significant(found.mean, sign=True), shown, said])
    return ["", aligned(rows, left=2)]
