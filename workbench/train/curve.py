"""The learning curve, drawn from a run's log."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from statistics import mean


def draw_curve(log: Path, figure: Path) -> None:
    """PSNR-Y over bicubic on the held-out clips by damage, and the loss, against core-seconds; writes a PNG."""
    from matplotlib.figure import Figure

    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    fig = Figure(figsize=(8, 3.2), layout="constrained")
    gain, loss = fig.subplots(1, 2)
    curves: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        if "clip" in entry:
            damage = entry["clip"].partition(", ")[2] or "clean"
            curves[damage][entry["core_seconds"]].append(entry["model"]["psnr"] - entry["bicubic"]["psnr"])
    for damage, points in curves.items():
        gain.plot(list(points), [mean(gains) for gains in points.values()], marker=".", label=damage)
    gain.axhline(0, color="0.6", linewidth=0.8)
    gain.set(xlabel="core-seconds", ylabel="PSNR-Y over bicubic, average (dB)")
    if curves:
        gain.legend(fontsize=7)
    points = [(entry["core_seconds"], entry["loss"]) for entry in entries if "loss" in entry]
    if points:
        loss.plot(*zip(*points, strict=True), linewidth=0.8)
    loss.set(xlabel="core-seconds", ylabel="training loss", yscale="log")
    fig.savefig(figure, dpi=110)
