"""Metrics of single pictures: agreement with a second implementation, identity, symmetry, range, monotonicity."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, signal
from skimage import data
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from workbench import metrics
from workbench.errors import InputError

WITH_REFERENCE = ["psnr", "psnr_y", "ssim", "ssim_y", "ms_ssim", "gmsd", "haarpsi", "flip"]
BEST = {"psnr": math.inf, "psnr_y": math.inf, "ssim": 1, "ssim_y": 1, "ms_ssim": 1, "gmsd": 0, "haarpsi": 1, "flip": 0}
GREYS = ("astronaut", "coffee", "chelsea", "camera")
# pyiqa 0.1.16's piqe of the grey pictures below, clean and with noise
PIQE_CLEAN = (27.85043, 30.19943, 35.70592, 36.97411)
PIQE_NOISY = (68.39422, 69.40343, 69.22017, 69.44167)


def photo(size: int = 176) -> Tensor:
    """(3, size, size), a face."""
    return torch.from_numpy(data.astronaut()[:size, 140 : 140 + size].copy()).permute(2, 0, 1) / 255


def noisy(picture: Tensor, sigma: float, seed: int = 0) -> Tensor:
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed))
    return (picture + sigma * noise).clamp(0, 1)


def blurred(picture: Tensor, sigma: float) -> Tensor:
    return gaussian_blur(picture, [15, 15], [sigma, sigma])


def as_numpy(picture: Tensor) -> np.ndarray:
    return picture.permute(1, 2, 0).double().numpy()


def skimage_ssim(x: np.ndarray, y: np.ndarray) -> float:
    value: Any = structural_similarity(
        x,
        y,
        channel_axis=2 if x.ndim == 3 else None,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
    )
    return float(value)


@pytest.mark.parametrize("distort", [lambda p: noisy(p, 0.1), lambda p: blurred(p, 2.0), lambda p: p * 0.8])
@pytest.mark.parametrize("border", [0, 4])
def test_psnr_and_ssim_agree_with_scikit_image_on_real_pictures(distort, border) -> None:
    reference = photo()
    output = distort(reference)
    cut = slice(border, 176 - border)
    x, y = (as_numpy(p)[cut, cut] for p in (output, reference))
    x_luma, y_luma = (rgb2ycbcr(p)[..., 0] / 255 for p in (x, y))
    assert float(metrics.psnr(output, reference, border=border)) == pytest.approx(
        peak_signal_noise_ratio(y, x, data_range=1.0), abs=1e-4
    )
    assert float(metrics.ssim(output, reference, border=border)) == pytest.approx(skimage_ssim(x, y), abs=1e-4)
    assert float(metrics.psnr(output, reference, colour="y", border=border)) == pytest.approx(
        peak_signal_noise_ratio(y_luma, x_luma, data_range=1.0), abs=1e-4
    )
    assert float(metrics.ssim(output, reference, colour="y", border=border)) == pytest.approx(
        skimage_ssim(x_luma, y_luma), abs=1e-4
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), height=st.integers(11, 40), width=st.integers(11, 40))
def test_psnr_and_ssim_agree_with_scikit_image_on_random_pictures(seed, height, width) -> None:
    x, y = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    a, b = as_numpy(x), as_numpy(y)
    assert float(metrics.psnr(x, y)) == pytest.approx(peak_signal_noise_ratio(b, a, data_range=1.0), abs=1e-4)
    assert float(metrics.ssim(x, y)) == pytest.approx(skimage_ssim(a, b), abs=1e-4)


def numpy_gmsd(x: np.ndarray, y: np.ndarray) -> float:
    """From the paper's equations: Prewitt gradients of halved luma in 0..255, T = 170."""
    gradients = []
    for picture in (x, y):
        luma = 255 * picture @ [0.299, 0.587, 0.114]
        half = luma.reshape(luma.shape[0] // 2, 2, luma.shape[1] // 2, 2).mean((1, 3))
        kernel = np.array([[1, 0, -1]] * 3) / 3
        edges = [ndimage.convolve(half, k, mode="constant") for k in (kernel, kernel.T)]
        gradients.append(np.hypot(*edges))
    a, b = gradients
    return float(((2 * a * b + 170) / (a**2 + b**2 + 170)).std())


def numpy_haarpsi(x: np.ndarray, y: np.ndarray) -> float:
    """From the paper's equations: C = 30, alpha = 4.2, three Haar scales of halved YIQ in 0..255."""
    yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])

    def filtered(plane: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        return np.abs(signal.convolve2d(plane, kernel, mode="same"))

    def likeness(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (2 * a * b + 30) / (a**2 + b**2 + 30)

    planes = []
    for picture in (x, y):
        colours = np.moveaxis(255 * picture @ yiq.T, 2, 0)
        planes.append(colours.reshape(3, colours.shape[1] // 2, 2, colours.shape[2] // 2, 2).mean((2, 4)))
    similarities, weights = [], []
    for turned in (False, True):
        bands = []
        for scale in (1, 2, 3):
            kernel = 2.0**-scale * np.ones((2**scale, 2**scale))
            kernel[: 2 ** (scale - 1)] *= -1
            bands.append([filtered(p[0], kernel.T if turned else kernel) for p in planes])
        similarities.append((likeness(*bands[0]) + likeness(*bands[1])) / 2)
        weights.append(np.maximum(*bands[2]))
    mean = np.ones((2, 2)) / 4
    chroma = [likeness(*[filtered(p[k], mean) for p in planes]) for k in (1, 2)]
    similarities.append((chroma[0] + chroma[1]) / 2)
    weights.append((weights[0] + weights[1]) / 2)
    raised = 1 / (1 + np.exp(-4.2 * np.array(similarities)))
    pooled = (raised * weights).sum() / np.sum(weights)
    return float((np.log(pooled / (1 - pooled)) / 4.2) ** 2)


@pytest.mark.parametrize("distort", [lambda p: noisy(p, 0.1), lambda p: blurred(p, 2.0), lambda p: p * 0.8])
@pytest.mark.parametrize(("name", "second"), [("gmsd", numpy_gmsd), ("haarpsi", numpy_haarpsi)])
def test_gmsd_and_haarpsi_agree_with_their_papers_equations(name, second, distort) -> None:
    reference = photo()
    expected = second(as_numpy(distort(reference)), as_numpy(reference))
    assert metrics.METRICS[name](output=distort(reference), reference=reference) == pytest.approx(expected, abs=2e-3)


def test_ms_ssim_agrees_with_torchmetrics() -> None:
    """Its 1.9.0's multiscale_structural_similarity_index_measure(output, reference, data_range=1.0), which pads."""
    grid = torch.linspace(0, 20, 192)
    waves = torch.stack([(grid[:, None] * k).sin() * (grid * (k + 1)).cos() for k in (1, 2, 3)]) / 2 + 0.5
    assert float(metrics.ms_ssim(waves * 0.9, waves)) == pytest.approx(0.99419, abs=4e-3)
    assert float(metrics.ms_ssim(blurred(waves, 3.0), waves)) == pytest.approx(0.82184, abs=4e-3)


@pytest.mark.parametrize(("picture", "clean", "noise"), list(zip(GREYS, PIQE_CLEAN, PIQE_NOISY, strict=True)))
def test_piqe_agrees_with_pyiqa(picture, clean, noise) -> None:
    image = getattr(data, picture)()
    image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    image = image[:256, :384].copy()
    image[0, 0] = 255  # pyiqa divides by the brightest value, which must not matter here
    grey = torch.from_numpy(image)[None].double() / 255
    shake = torch.randn(1, *grey.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)[0]
    rough = ((grey + 0.1 * shake).clamp(0, 1) * 255).round() / 255
    rough[:, 0, 0] = 1
    assert float(metrics.piqe(grey.expand(3, -1, -1))) == pytest.approx(clean, abs=2e-3)
    assert float(metrics.piqe(rough.expand(3, -1, -1))) == pytest.approx(noise, abs=2e-3)


@pytest.mark.parametrize("name", WITH_REFERENCE)
def test_equal_pictures_get_the_best_value(name) -> None:
    assert metrics.METRICS[name](output=photo(), reference=photo()) == pytest.approx(BEST[name], abs=1e-5)


@pytest.mark.parametrize("name", [n for n in WITH_REFERENCE if n != "flip"])
def test_symmetric(name) -> None:
    x, y = photo(), noisy(photo(), 0.1)
    metric = metrics.METRICS[name]
    assert metric(output=x, reference=y) == pytest.approx(metric(output=y, reference=x), abs=1e-5)


@pytest.mark.parametrize("name", WITH_REFERENCE)
@pytest.mark.parametrize("worsen", [noisy, blurred])
def test_monotone_under_noise_and_blur(name, worsen) -> None:
    metric, reference = metrics.METRICS[name], photo()
    strengths = (0.03, 0.08, 0.2) if worsen is noisy else (0.7, 1.5, 3.0)
    values = [metric(output=worsen(reference, s), reference=reference) for s in strengths]
    assert values == sorted(values, reverse=metric.higher_is_better)
    assert len(set(values)) == 3


def test_piqe_sees_noise_and_blocks() -> None:
    blocks = photo().unfold(1, 8, 8).unfold(2, 8, 8).mean((3, 4))
    mosaic = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)
    values = [float(metrics.piqe(picture)) for picture in (photo(), noisy(photo(), 0.1), noisy(photo(), 0.3), mosaic)]
    assert values[0] < values[1] < values[2]
    assert values[0] < values[3]


@pytest.mark.parametrize("name", [*WITH_REFERENCE[2:], "piqe"])
def test_range_on_unrelated_pictures(name) -> None:
    x, y = torch.rand(2, 3, 176, 176, generator=torch.Generator().manual_seed(1))
    value = metrics.METRICS[name](output=x, reference=y)
    assert (-1 if "ssim" in name else 0) <= value <= (100 if name == "piqe" else 1)


@pytest.mark.parametrize("name", [*WITH_REFERENCE, "piqe"])
def test_a_batch_is_its_pictures_one_by_one(name) -> None:
    metric = metrics.METRICS[name]
    outputs = torch.stack([noisy(photo(), 0.05), blurred(photo(), 2.0)])
    references = torch.stack([photo(), photo()])
    known = {"output": outputs, "reference": references}
    batch = metric.function(*(known[a] for a in metric.arguments))
    single = [metric(output=o, reference=r) for o, r in zip(outputs, references, strict=True)]
    assert batch.shape == (2,)
    assert batch.tolist() == pytest.approx(single, rel=1e-4)


def test_ssim_is_not_measured_on_a_shrunk_picture() -> None:
    """Libraries that shrink large pictures first call a heavy blur good; at full resolution it is not."""
    large = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1) / 255
    output = blurred(large, 3.0)
    assert float(metrics.ssim(output, large)) == pytest.approx(
        skimage_ssim(as_numpy(output), as_numpy(large)), abs=1e-4
    )


def test_unusable_pictures_are_refused() -> None:
    good = torch.rand(3, 32, 32)
    with pytest.raises(InputError, match="one shape"):
        metrics.psnr(good, torch.rand(3, 32, 30))
    with pytest.raises(InputError, match="divide 8-bit"):
        metrics.psnr((good * 255).byte(), good)
    with pytest.raises(InputError, match=r"\(3, H, W\)"):
        metrics.psnr(good[0], good[0])
    with pytest.raises(InputError, match="161 pixels"):
        metrics.ms_ssim(good, good)
    with pytest.raises(InputError, match="11 pixels a side are needed inside a border of 12"):
        metrics.ssim(good, good, border=12)
    with pytest.raises(InputError, match="rgb or y"):
        metrics.psnr(good, good, colour="hsv")  # type: ignore[arg-type]
