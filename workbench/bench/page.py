"""The memory estimate's record as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workbench.bench.accuracy import FOUR_K, Checked
from workbench.devices import readable

LIMIT = 0.15


def memory_page(rows: Sequence[Checked], growth: Mapping[int, int]) -> str:
    """Markdown. ``growth``: bytes by number of frames."""
    inside = [abs(row.ratio - 1) <= LIMIT for row in rows]
    table = ["| model | frames | settings | estimated | measured | estimated / measured |", "|---|---|---|---|---|---|"]
    for row in rows:
        h, w = row.configuration.size
        cells = [row.configuration.model, f"{w}x{h} to {4 * w}x{4 * h}", str(row.configuration)]
        table.append(
            f"| {' | '.join(cells)} | {readable(row.estimated)} | {readable(row.measured)} | {row.ratio:.2f} |"
        )
    few, many = growth
    lines = [
        "# Memory: estimated and measured",
        "",
        "Made by `workbench bench --memory --page docs/memory.md`. An estimate runs the loop for one frame's shapes",
        "only: nothing is computed or allocated. `--dry-run`, the app, `--vae-slicing auto` and the refusal of what",
        "cannot fit all use it. Here each configuration then ran two frames in a fresh process on the CPU, and the",
        "growth of its peak resident memory over that with the model loaded was read. Weights count in neither.",
        "The peak does not depend on the number of steps (one timestep is as large as many), so most rows take one.",
        "",
        "Memory depends on a model's shapes, not on what it has learnt: the published width is measured with random",
        "weights, and with DIS flow.",
        "",
        *table,
        "",
        f"{sum(inside)} of {len(rows)} are within {LIMIT:.0%}; the ratios go from {min(r.ratio for r in rows):.2f} to "
        f"{max(r.ratio for r in rows):.2f}.",
        "",
        "VAE slicing makes the same picture within 1e-5; at the published width and 1280x720 output the decoder alone",
        "then needs less than 40 % of what it needs whole (`tests/models/test_slicing.py` holds both). An autoencoder",
        "that works at the LR frame's size (`shuffle`), as the embedded model's, is always run whole.",
        "",
        f"A longer clip needs no more: {many} frames took {growth[many] / growth[few]:.2f} times what {few} took.",
    ]
    for row in rows:
        if row.configuration == FOUR_K:
            h, w = FOUR_K.size
            lines += [
                "",
                "## A 4K frame on the CPU",
                "",
                f"{w}x{h} to {4 * w}x{4 * h}, the embedded model, {FOUR_K.settings.steps} steps"
                f", two frames. The estimate: {readable(row.estimated)} beside the weights. Measured: "
                f"{readable(row.measured)}; the whole process, Python and libraries included, peaked at "
                f"{readable(row.process)} of resident memory.",
            ]
    return "\n".join(lines) + "\n"
