"""How good, how steady: one function per metric, and ``METRICS`` to list them.

Pictures are float RGB in [0, 1], (3, H, W) or (B, 3, H, W). The output comes first, its reference second.
All raise InputError for what they cannot judge: other ranges, integers, NaN, unequal or unsuitable sizes.
"""

from workbench.metrics.cvvdp import cvvdp_heat_map, display_of
from workbench.metrics.fidelity import flip, gmsd, haarpsi, ms_ssim, psnr, ssim
from workbench.metrics.images import luma
from workbench.metrics.learned import dists, lpips, musiq, niqe
from workbench.metrics.motion import Correspondence, estimate_motion, visible_pixels
from workbench.metrics.piqe import piqe
from workbench.metrics.registry import METRICS, Metric, choose
from workbench.metrics.temporal import flicker, tlpips, tlpips_x1000, tof_farneback, tof_raft, warping_error
from workbench.metrics.vmaf import vmaf, vmaf_neg, xpsnr

__all__ = [
    "METRICS",
    "Correspondence",
    "Metric",
    "choose",
    "cvvdp_heat_map",
    "display_of",
    "dists",
    "estimate_motion",
    "flicker",
    "flip",
    "gmsd",
    "haarpsi",
    "lpips",
    "luma",
    "ms_ssim",
    "musiq",
    "niqe",
    "piqe",
    "psnr",
    "ssim",
    "tlpips",
    "tlpips_x1000",
    "tof_farneback",
    "tof_raft",
    "visible_pixels",
    "vmaf",
    "vmaf_neg",
    "warping_error",
    "xpsnr",
]
