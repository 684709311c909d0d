"""Metrics that compare a picture with its reference: no weights, nothing to download.

All take (3, H, W) or (B, 3, H, W), float RGB in [0, 1], and return () or (B,).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import piq
import torch
from torch import Tensor

from workbench.errors import InputError, MetricUnavailable
from workbench.metrics.images import batched, luma, unbatched

Colour = Literal["rgb", "y"]
SSIM_WINDOW = 11
MS_SSIM_MINIMUM = (SSIM_WINDOW - 1) * 2**4 + 1  # five scales
SMALLEST_PYRAMID = 16


def psnr(output: Tensor, reference: Tensor, *, colour: Colour = "rgb", border: int = 0) -> Tensor:
    """Peak signal-to-noise ratio in dB against a peak of 1; higher is better, infinite for equal pictures.

    ``colour``: ``rgb`` takes one mean over the three channels, ``y`` compares BT.601 luma as super-resolution papers
    do. ``border``: pixels left out on every side (the scale, by the field's habit). Agrees with scikit-image.
    """
    x, y = (_in(colour, picture) for picture in batched(output, reference, border=border))
    return unbatched(-10 * (x.double() - y.double()).square().mean((1, 2, 3)).log10(), output)


def ssim(output: Tensor, reference: Tensor, *, colour: Colour = "rgb", border: int = 0) -> Tensor:
    """Structural similarity (Wang et al., 2004), -1..1; higher is better.

    Gaussian window 11, sigma 1.5, at full resolution (many libraries shrink large pictures first, which flatters blur);
    mean over the channels of ``colour``. Agrees with scikit-image's ``gaussian_weights=True`` to 1e-4.
    """
    x, y = (_in(colour, p) for p in batched(output, reference, border=border, minimum=SSIM_WINDOW))
    value = piq.ssim(x, y, SSIM_WINDOW, 1.5, data_range=1.0, reduction="none", downsample=False)
    return unbatched(torch.as_tensor(value), output)


def ms_ssim(output: Tensor, reference: Tensor) -> Tensor:
    """Multi-scale SSIM (Wang et al., 2003), five scales, RGB mean, 0..1; higher is better. From 161 pixels a side."""
    x, y = batched(output, reference, minimum=MS_SSIM_MINIMUM)
    return unbatched(piq.multi_scale_ssim(x, y, data_range=1.0, reduction="none"), output)


def gmsd(output: Tensor, reference: Tensor) -> Tensor:
    """Gradient magnitude similarity deviation (Xue et al., 2014) of luma, 0 and up; lower is better.

    Halves the picture first, as published.
    """
    x, y = batched(output, reference, minimum=SMALLEST_PYRAMID)
    return unbatched(piq.gmsd(x, y, data_range=1.0, reduction="none"), output)


def haarpsi(output: Tensor, reference: Tensor) -> Tensor:
    """Haar wavelet perceptual similarity index (Reisenhofer et al., 2018), YIQ, 0..1; higher is better.

    Halves the picture first, as published.
    """
    x, y = batched(output, reference, minimum=SMALLEST_PYRAMID)
    return unbatched(piq.haarpsi(x, y, data_range=1.0, reduction="none"), output)


def flip(output: Tensor, reference: Tensor) -> Tensor:
    """LDR-FLIP (Andersson et al., 2020), mean over the picture, 0..1; lower is better.

    What an eye sees when the two alternate, sRGB at 67 pixels a degree (flip-evaluator's default).
    Raises MetricUnavailable without that package.
    """
    evaluate = flip_evaluator()
    values = []
    for x, y in zip(*batched(output, reference), strict=True):
        test, truth = (p.permute(1, 2, 0).contiguous().cpu().numpy() for p in (x, y))
        values.append(evaluate(truth, test, "LDR", applyMagma=False)[1])
    return unbatched(torch.tensor(values), output)


def flip_evaluator() -> Callable[..., Any]:
    """The function of NVIDIA's package, or MetricUnavailable."""
    try:
        from flip_evaluator import evaluate
    except ImportError as error:
        raise MetricUnavailable("flip needs the package flip-evaluator: pip install flip-evaluator.") from error
    return evaluate


def _in(colour: str, picture: Tensor) -> Tensor:
    if colour not in ("rgb", "y"):
        raise InputError(f"colour must be rgb or y, got {colour!r}.")
    return luma(picture) if colour == "y" else picture
