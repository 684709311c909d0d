"""TPM: what the previous frame's features add while decoding."""

from __future__ import annotations

from matplotlib.figure import Figure

from workbench.errors import TraceError
from workbench.trace.trace import Trace
from workbench.views.plots import style

BARS = 2.3  # inches, with the caption


@style.styled
def tpm(trace: Trace, frame: int) -> Figure:
    """Maps of every block's contribution, the balance of its two halves, and how much it adds.

    Needs ``tpm.*`` and ``decoder.*``. Blocks run from coarse to fine.
    """
    blocks = [int(name.split(".")[1]) for name in trace.names if name.endswith(".contribution")]
    blocks = [k for k in blocks if (f"tpm.{k}.contribution", frame) in trace]
    if not blocks:
        raise TraceError(f"frame {frame} holds no TPM contributions; record 'tpm.*', with settings.tpm on.")
    added = {k: style.strength(trace[f"tpm.{k}.contribution", frame]) for k in blocks}  # (y, x)
    alpha = [float(trace[f"tpm.{k}.alpha", frame]) for k in blocks]
    share = [
        float(added[k].square().mean().sqrt() / style.strength(trace[f"decoder.{k}", frame]).square().mean().sqrt())
        for k in blocks
    ]
    height, width = added[blocks[0]].shape
    columns = min(4, max(2, len(blocks)))
    rows = -(-len(blocks) // columns)
    maps = rows * (style.WIDTH / (columns + 0.4) * height / width + 0.2)  # inches
    figure = style.new_figure(
        maps + BARS,
        f"Frame {frame}: where each decoder block takes features of the warped previous output in (one scale), how "
        "alpha weighs the current against the previous half, and how strong the addition is (root mean square, against "
        "the block's output). Texture that must not flicker should be bright, wrongly warped places dark.",
    )
    above, below = style.parts(figure, 2, 1, height_ratios=(maps, BARS))
    panels = style.grid(above, rows, columns, used=len(blocks))
    limits = style.from_zero(added.values())
    for panel, k in zip(panels.flat, blocks, strict=False):
        style.heat(panel, added[k], limits, f"block {k}, {added[k].shape[1]}x{added[k].shape[0]}")
    style.colour_bar(above, panels, "contribution", limits)
    left, right = below.subplots(1, 2)
    names = [str(k) for k in blocks]
    left.bar(names, alpha, color=style.COLOURS[0], label="current: alpha")
    left.bar(names, [1 - a for a in alpha], bottom=alpha, color=style.COLOURS[1], label="previous: 1 - alpha")
    left.axhline(0.5, color="black", linewidth=0.6, linestyle=":")
    left.set(xlabel="block", ylabel="weight", ylim=(min(0, *alpha), max(1, *alpha)))
    left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)
    right.bar(names, [100 * s for s in share], color=style.COLOURS[2])
    right.set(xlabel="block", ylabel="added, % of output", ylim=(0, 110 * max(share) or 1))
    return figure
