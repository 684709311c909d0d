"""Every metric under its name, with what it needs and how to read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any

from workbench.errors import MetricUnavailable, SettingsError, did_you_mean
from workbench.metrics import cvvdp, fidelity, learned, temporal
from workbench.metrics.piqe import piqe
from workbench.metrics.vmaf import ffmpeg_with_vmaf, vmaf, vmaf_neg, xpsnr

PICTURE = ("output", "reference")
ALONE = ("output",)
MOVING = ("output", "previous", "motion")
MOVING_PICTURE = ("output", "previous", "reference", "previous_reference")
SEQUENCE = ("outputs", "references")
TIMED_SEQUENCE = (*SEQUENCE, "fps")


@dataclass(frozen=True)
class Metric:
    """One metric."""

    name: str
    label: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    """names of what the function takes, in order"""
    higher_is_better: bool
    unit: str
    """of its values; empty where they have none"""
    matters: float
    """the smallest difference worth speaking of: no eye tells two clips apart by less, however sure it is"""
    source: str
    """who defined it, and whose code computes it"""
    require: Callable[[], object] = lambda: None
    """raises MetricUnavailable where it cannot be had"""
    pool: Callable[[Sequence[float]], float] = fmean
    """a clip's value from its frames'"""

    @property
    def needs_reference(self) -> bool:
        return any("reference" in argument for argument in self.arguments)

    @property
    def scope(self) -> str:
        """``frame``, ``pair`` (this frame and the previous one) or ``sequence`` (all frames, read lazily)."""
        if "outputs" in self.arguments:
            return "sequence"
        return "pair" if "previous" in self.arguments else "frame"

    @property
    def unavailable(self) -> str | None:
        """Why it cannot be had here, or None."""
        try:
            self.require()
        except MetricUnavailable as error:
            return str(error)
        return None

    def __call__(self, **known: Any) -> Any:
        """Computes it from named values, ignoring those it does not take: a float, or a list of them for a sequence."""
        value = self.function(*(known[name] for name in self.arguments))
        return value if self.scope == "sequence" else float(value)


def _weights(name: str) -> Callable[[], object]:
    return partial(learned.network, name)


# fmt: off
_ALL = (
    # likeness to the original
    Metric("psnr", "PSNR", fidelity.psnr, PICTURE, True, "dB", 0.05, "mean squared error over RGB"),
    Metric("psnr_y", "PSNR-Y", partial(fidelity.psnr, colour="y"), PICTURE, True, "dB", 0.05,
        "the same of BT.601 luma"),
    Metric("ssim", "SSIM", fidelity.ssim, PICTURE, True, "", 0.001, "Wang et al. 2004, RGB, full resolution; piq"),
    Metric("ssim_y", "SSIM-Y", partial(fidelity.ssim, colour="y"), PICTURE, True, "", 0.001, "the same of BT.601 luma"),
    Metric("ms_ssim", "MS-SSIM", fidelity.ms_ssim, PICTURE, True, "", 0.001, "Wang et al. 2003; piq"),
    Metric("gmsd", "GMSD", fidelity.gmsd, PICTURE, False, "", 0.001, "Xue et al. 2014; piq"),
    Metric("haarpsi", "HaarPSI", fidelity.haarpsi, PICTURE, True, "", 0.002, "Reisenhofer et al. 2018; piq"),
    Metric("flip", "FLIP", fidelity.flip, PICTURE, False, "", 0.002,
        "Andersson et al. 2020; flip-evaluator", fidelity.flip_evaluator),
    Metric("lpips", "LPIPS", learned.lpips, PICTURE, False, "", 0.005,
        "Zhang et al. 2018, AlexNet; lpips", _weights("lpips")),
    Metric("dists", "DISTS", learned.dists, PICTURE, False, "", 0.005, "Ding et al. 2020; piq", _weights("dists")),
    # of a picture alone
    Metric("piqe", "PIQE", piqe, ALONE, False, "", 0.5, "Venkatanath et al. 2015"),
    Metric("musiq", "MUSIQ", learned.musiq, ALONE, True, "", 0.5, "Ke et al. 2021; pyiqa", _weights("musiq")),
    Metric("niqe", "NIQE", learned.niqe, ALONE, False, "", 0.05, "Mittal et al. 2013; pyiqa", _weights("niqe")),
    # of motion
    Metric("flicker", "Flicker", temporal.flicker, MOVING, False, "/255", 0.02,
        "mean change along DIS flow of the input"),
    Metric("warping_error", "Warping error", temporal.warping_error, MOVING, False, "", 1e-05,
        "Lai et al. 2018, DIS flow"),
    Metric("tof_farneback", "tOF (TecoGAN)", temporal.tof_farneback, MOVING_PICTURE, False, "px", 0.01,
        "Chu et al. 2020"),
    Metric("tof_raft", "tOF (StableVSR)", temporal.tof_raft, MOVING_PICTURE, False, "px x10", 0.05,
        "Rota et al. 2024; torchvision's RAFT", temporal.raft),
    Metric("tlpips", "tLPIPS x100", temporal.tlpips, MOVING_PICTURE, False, "", 0.05,
        "Chu et al. 2020 (tLP); lpips", _weights("lpips")),
    Metric("tlpips_x1000", "tLPIPS x1000", temporal.tlpips_x1000, MOVING_PICTURE, False, "", 0.5,
        "Rota et al. 2024; lpips", _weights("lpips")),
    # of a whole clip
    Metric("vmaf", "VMAF", vmaf, SEQUENCE, True, "", 0.5, "Netflix v0.6.1; libvmaf", ffmpeg_with_vmaf),
    Metric("xpsnr", "XPSNR", xpsnr, SEQUENCE, True, "dB", 0.05, "Helmrich et al. 2020, luma; ffmpeg", ffmpeg_with_vmaf),
    Metric("cvvdp", "ColorVideoVDP", cvvdp.cvvdp, TIMED_SEQUENCE, True, "JOD", 0.05,
        f"Mantiuk et al. 2024, display {cvvdp.DISPLAY}; cvvdp", cvvdp.require, cvvdp.pooled),
    Metric("vmaf_neg", "VMAF-NEG", vmaf_neg, SEQUENCE, True, "", 0.5, "Netflix v0.6.1neg; libvmaf", ffmpeg_with_vmaf),
)
# fmt: on


class Metrics(dict[str, Metric]):
    """The metrics by name; ``cvvdp:DISPLAY`` is cvvdp on another display than the usual one."""

    def __missing__(self, name: str) -> Metric:
        metric, _, display = name.partition(":")
        if metric != "cvvdp" or not display:
            raise KeyError(name)
        source = f"Mantiuk et al. 2024, display {display}; cvvdp"
        function = partial(cvvdp.cvvdp, display=display)
        return replace(self["cvvdp"], name=name, label=f"ColorVideoVDP {display}", function=function, source=source)


METRICS: dict[str, Metric] = Metrics({metric.name: metric for metric in _ALL})


def choose(names: Iterable[str]) -> list[Metric]:
    """Metrics by name; raises SettingsError for an unknown one and MetricUnavailable for one that cannot be had."""
    chosen = []
    for name in names:
        _check_name(name)
        METRICS[name].require()
        chosen.append(METRICS[name])
    return chosen


def _check_name(name: str) -> None:
    metric, _, display = name.partition(":")
    if metric not in METRICS or (display and metric != "cvvdp"):
        hint = did_you_mean(metric, METRICS)
        known = ", ".join(METRICS)
        raise SettingsError(f"there is no metric {name!r}.{hint} The metrics are: {known}, and cvvdp:DISPLAY.")
    if display and display not in cvvdp.displays():
        raise SettingsError(f"cvvdp's display must be one of {', '.join(cvvdp.displays())}, got {display!r}.")
