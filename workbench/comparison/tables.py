"""Numbers and tables as text."""

from __future__ import annotations

import numpy as np


def aligned(rows: list[list[str]], *, left: int = 1) -> str:
    """A table for the terminal: the first ``left`` cells of each row to the left, a rule below the first row."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "  ".join(c.ljust(w) if k < left else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    return "\n".join([lines[0], "─" * len(lines[0]), *lines[1:]])


def significant(value: float, *, sign: bool = False) -> str:
    """Four figures, never in exponents where a person would not write them."""
    if np.isnan(value):
        return "–"
    if not np.isfinite(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    if abs(value) < 1e-3:
        return f"{value:{'+' if sign else ''}.2e}"
    digits = max(0, 3 - int(np.floor(np.log10(abs(value))))) if abs(value) >= 1 else 4
    return f"{value:{'+' if sign else ''}.{min(digits, 4)}f}"
