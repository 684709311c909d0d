"""Real networks at tiny size, shared by all tests."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest
import torch

from tests.tiny import tiny_models
from workbench.pipeline.pipeline import Pipeline

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_pipe() -> Pipeline:
    """A random model in which every path is visible, with DIS flow on the input grid."""
    return Pipeline(tiny_models())


@pytest.fixture(scope="session")
def moving_frames() -> list[np.ndarray]:
    """Six (24, 32, 3) uint8 frames of a smooth pattern that moves by (1, 2) pixels a frame."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.random((1, 3, 12, 14), dtype=np.float32))
    field = torch.nn.functional.interpolate(coarse, size=(48, 56), mode="bicubic").clamp(0, 1)
    still = (field[0].permute(1, 2, 0) * 255).byte().numpy()
    return [np.ascontiguousarray(still[i : i + 24, 2 * i : 2 * i + 32]) for i in range(6)]
