"""Metrics of moving pictures: still is zero, exact motion is near zero, occlusions do not count, shaking does."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from torch import Tensor

from workbench import metrics
from workbench.flow.warp import warp
from workbench.metrics import Correspondence
from workbench.pixels import unit_to_image


def photo(top: int = 0, left: int = 0, size: int = 128) -> Tensor:
    return (
        torch.from_numpy(data.astronaut()[top : top + size, left + 140 : left + 140 + size].copy()).permute(2, 0, 1)
        / 255
    )


def shrunk(picture: Tensor) -> Tensor:
    return F.interpolate(picture[None], scale_factor=0.25, mode="bicubic", antialias=True)[0].clamp(0, 1)


def constant_flow(x: float, y: float, size: int = 128) -> Tensor:
    return torch.tensor([x, y])[:, None, None].expand(2, size, size).contiguous()


def test_a_still_clip_flickers_by_exactly_nothing() -> None:
    picture = photo()
    motion = metrics.estimate_motion(shrunk(picture), shrunk(picture))
    assert motion.visible.all()
    assert float(metrics.flicker(picture, picture, motion)) == 0
    assert float(metrics.warping_error(picture, picture, motion)) == 0


@settings(max_examples=15, deadline=None)
@given(x=st.integers(-9, 9), y=st.integers(-9, 9))
def test_exact_motion_by_whole_pixels_leaves_nothing(x, y) -> None:
    previous, current = photo(20, 20), photo(20 + y, 20 + x)
    motion = Correspondence.given(constant_flow(x, y))
    assert motion.visible.sum() == (128 - abs(x)) * (128 - abs(y))
    assert float(metrics.flicker(current, previous, motion)) < 1e-2
    assert float(metrics.warping_error(current, previous, motion)) < 1e-8


def test_exact_motion_by_parts_of_pixels_leaves_nothing() -> None:
    previous, flow = photo(), constant_flow(2.25, -1.5)
    current = warp(previous[None], flow[None])[0]
    motion = Correspondence.given(flow)
    assert float(metrics.flicker(current, previous, motion)) < 1e-2


def test_estimated_motion_explains_most_of_a_pan() -> None:
    previous, current = photo(20, 20), photo(22, 28)
    unmoved = Correspondence.given(torch.zeros(2, 128, 128))
    estimated = metrics.estimate_motion(shrunk(current), shrunk(previous))
    assert estimated.visible.float().mean() > 0.5
    assert metrics.flicker(current, previous, estimated) < 0.25 * metrics.flicker(current, previous, unmoved)
    assert metrics.warping_error(current, previous, estimated) < 0.1 * metrics.warping_error(current, previous, unmoved)


def test_flicker_measures_a_change_of_brightness_in_levels() -> None:
    motion = Correspondence.given(torch.zeros(2, 128, 128))
    dark = photo() * 0.5
    assert float(metrics.flicker(dark + 10 / 255, dark, motion)) == pytest.approx(10, abs=1e-3)
    assert float(metrics.warping_error(dark + 10 / 255, dark, motion)) == pytest.approx((10 / 255) ** 2, rel=1e-3)


def test_flicker_grows_with_independent_noise() -> None:
    motion = Correspondence.given(torch.zeros(2, 128, 128))
    first, second = torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    pairs = [[(photo() + s * noise).clamp(0, 1) for noise in (first, second)] for s in (0, 0.02, 0.05, 0.1)]
    values = [float(metrics.flicker(one, two, motion)) for one, two in pairs]
    assert values == sorted(values)
    assert values[0] == 0


def test_pixels_that_were_hidden_do_not_count() -> None:
    previous = photo()
    current = previous.clone()
    current[:, :, :40] = 0  # uncovered: the previous frame shows something else there
    visible = torch.ones(1, 128, 128, dtype=torch.bool)
    visible[:, :, :40] = False
    motion = Correspondence.given(torch.zeros(2, 128, 128), visible)
    assert float(metrics.flicker(current, previous, motion)) == 0
    assert float(metrics.warping_error(current, previous, motion)) == 0
    nothing = Correspondence.given(torch.zeros(2, 128, 128), torch.zeros(1, 128, 128, dtype=torch.bool))
    assert math.isnan(float(metrics.flicker(current, previous, nothing)))
    assert float(metrics.warping_error(current, previous, nothing)) == 0  # as published


def test_warping_error_is_the_published_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    current, previous = torch.rand(2, 3, 24, 32, generator=generator)
    visible = torch.rand(1, 24, 32, generator=generator) > 0.3
    motion = Correspondence.given(torch.zeros(2, 24, 32), visible)
    mask = np.repeat(visible.numpy().astype(np.float64), 3, axis=0)
    difference = (previous.numpy() - current.numpy()) * mask
    assert float(metrics.warping_error(current, previous, motion)) == pytest.approx(
        np.sum(np.square(difference)) / np.sum(mask), rel=1e-5
    )


def test_disagreeing_flows_motion_boundaries_and_the_outside_are_occluded() -> None:
    still = torch.zeros(2, 24, 24)
    assert metrics.visible_pixels(still, still).all()
    moved = constant_flow(3.0, 0.0, 24)
    visible = metrics.visible_pixels(moved, -moved)
    assert visible[..., :21].all()
    assert not visible[..., 21:].any()  # they come from outside
    assert not metrics.visible_pixels(moved, moved).any()  # there and not back again
    edge = torch.zeros(2, 24, 24)
    edge[0, :, 12:] = 0.6
    assert not metrics.visible_pixels(edge, -edge)[..., 11].any()


def test_tof_of_tecogan_is_zero_for_equal_motion_and_grows_with_shaking() -> None:
    frames = [photo(20, 20), photo(20, 23)]
    still = metrics.tof_farneback(frames[1], frames[0], frames[1], frames[0])
    shaken = [metrics.tof_farneback(photo(20 + d, 23), frames[0], frames[1], frames[0]) for d in (1, 2, 4)]
    assert float(still) == 0
    assert [float(s) for s in shaken] == sorted(float(s) for s in shaken)
    assert float(shaken[0]) > 0


def test_tof_of_tecogan_agrees_with_its_formula() -> None:
    now, before, true_now, true_before = photo(20, 24), photo(20, 20), photo(21, 24), photo(20, 20)

    def flow(a: Tensor, b: Tensor) -> np.ndarray:
        one, two = (cv2.cvtColor(unit_to_image(picture), cv2.COLOR_RGB2GRAY) for picture in (a, b))
        return cv2.calcOpticalFlowFarneback(one, two, None, 0.5, 3, 15, 3, 5, 1.2, 0)  # pyright: ignore[reportCallIssue, reportArgumentType]

    difference = np.absolute(flow(true_before, true_now) - flow(before, now))
    expected = np.sqrt(np.sum(difference * difference, axis=-1)).mean()
    assert float(metrics.tof_farneback(now, before, true_now, true_before)) == pytest.approx(expected, rel=1e-6)
