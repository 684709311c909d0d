"""The learning curve, drawn from a run's log."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path


def draw_curve(log: Path, figure: Path) -> None:
    """PSNR-Y over bicubic on each held-out clip, and the loss, against core-seconds; writes a PNG."""
    from matplotlib.figure import Figure

    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    fig = Figure(figsize=(8, 3.2), layout="constrained")
    gain, loss = fig.subplots(1, 2)
    curves: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for entry in entries:
        if "clip" in entry:
            curves[entry["clip"]].append((entry["core_seconds"], entry["model"]["psnr"] - entry["bicubic"]["psnr"]))
    for name, points in curves.items():
        gain.plot(*zip(*points, strict=True), marker=".", label=name)
    gain.axhline(0, color="0.6", linewidth=0.8)
    gain.set(xlabel="core-seconds", ylabel="PSNR-Y over bicubic (dB)")
    if curves:
        gain.legend(fontsize=7)
    points = [(entry["core_seconds"], entry["loss"]) for entry in entries if "loss" in entry]
    if points:
        loss.plot(*zip(*points, strict=True), linewidth=0.8)
    loss.set(xlabel="core-seconds", ylabel="training loss", yscale="log")
    fig.savefig(figure, dpi=110)
