"""Figures of a run, drawn from a ``Trace`` (live or loaded), outputs, or plain values; no model is needed.

Each function returns a matplotlib Figure that fits a two-column page, with a caption that says what to look for.
Panels of one kind share one scale, colour maps are perceptually uniform and safe for colour-blind readers.
"""

from workbench.views.plots.ablation import ablation
from workbench.views.plots.bench import bench, devices
from workbench.views.plots.features import attention, features
from workbench.views.plots.guidance import artg, blend, fit, residual
from workbench.views.plots.motion import flow
from workbench.views.plots.pictures import difference, frames
from workbench.views.plots.series import compare, curves, timeline
from workbench.views.plots.steps import denoising, x0
from workbench.views.plots.strengths import strengths
from workbench.views.plots.temporal import tpm

__all__ = [
    "ablation",
    "artg",
    "attention",
    "bench",
    "blend",
    "compare",
    "curves",
    "denoising",
    "devices",
    "difference",
    "features",
    "fit",
    "flow",
    "frames",
    "residual",
    "strengths",
    "timeline",
    "tpm",
    "x0",
]
