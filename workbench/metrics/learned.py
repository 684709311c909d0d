"""Metrics whose weights are downloaded by the package that brings them; each says plainly when it cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import MetricUnavailable
from workbench.metrics.images import batched, unbatched

LPIPS_MINIMUM = 64  # AlexNet's pooling leaves nothing of smaller pictures
DISTS_MINIMUM = 16


@torch.no_grad()
def lpips(output: Tensor, reference: Tensor) -> Tensor:
    """Learned perceptual patch similarity (Zhang et al., 2018), AlexNet, version 0.1; 0 and up, lower is better.

    (3, H, W) or (B, 3, H, W), float RGB in [0, 1] -> () or (B,). The authors' ``lpips`` package; AlexNet's weights are
    torchvision's. Raises MetricUnavailable without them.
    """
    x, y = batched(output, reference, minimum=LPIPS_MINIMUM)
    return unbatched(network("lpips")(2 * x - 1, 2 * y - 1), output)


@torch.no_grad()
def dists(output: Tensor, reference: Tensor) -> Tensor:
    """Deep image structure and texture similarity (Ding et al., 2020), 0..1; lower is better.

    (3, H, W) or (B, 3, H, W), float RGB in [0, 1] -> () or (B,); shrunk to 256 pixels on the short side, as published.
    piq's implementation and weights. Raises MetricUnavailable without them.
    """
    x, y = batched(output, reference, minimum=DISTS_MINIMUM)
    return unbatched(network("dists")(x, y), output)


@torch.no_grad()
def musiq(output: Tensor) -> Tensor:
    """Multi-scale image quality transformer (Ke et al., 2021), 0..100; higher is better; no reference.

    (3, H, W) or (B, 3, H, W), float RGB in [0, 1] -> () or (B,). pyiqa's weights (KonIQ). Raises MetricUnavailable.
    """
    (x,) = batched(output)
    return unbatched(network("musiq")(x), output)


@torch.no_grad()
def niqe(output: Tensor) -> Tensor:
    """Natural image quality evaluator (Mittal et al., 2013) of Y, 0 and up; lower is better; no reference.

    (3, H, W) or (B, 3, H, W), float RGB in [0, 1] -> () or (B,). pyiqa's statistics. Raises MetricUnavailable.
    """
    (x,) = batched(output)
    return unbatched(network("niqe")(x), output)


@cache
def network(name: str) -> nn.Module:
    """The network behind a metric, loaded once; raises MetricUnavailable with what is missing and what to do."""
    package, build = _SOURCES[name]
    try:
        return build().eval().requires_grad_(False)
    except ImportError as error:
        raise MetricUnavailable(f"{name} needs the package {package}: pip install {package} ({error}).") from error
    except (OSError, RuntimeError, EOFError) as error:
        raise MetricUnavailable(
            f"the weights of {name} could not be loaded by {package} ({error}). Connect once so that they are cached."
        ) from error


def _lpips() -> nn.Module:
    from lpips import LPIPS  # type: ignore[import-not-found]

    return LPIPS(net="alex", verbose=False)


def _dists() -> nn.Module:
    from piq import DISTS

    return DISTS(reduction="none")


def _pyiqa(name: str) -> Callable[[], Any]:
    def build() -> Any:
        import pyiqa  # type: ignore[import-not-found]

        return pyiqa.create_metric(name, device="cpu")

    return build


_SOURCES: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "lpips": ("lpips", _lpips),
    "dists": ("piq", _dists),
    "musiq": ("pyiqa", _pyiqa("musiq")),
    "niqe": ("pyiqa", _pyiqa("niqe")),
}
