"""Each conversion of pixel values: exact, and undone by its opposite."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from workbench import pixels

EVERY = np.arange(256, dtype=np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_value_survives_the_way_to_the_networks_and_back(dtype) -> None:
    white = pixels.FULL_RANGE[np.dtype(dtype)]
    image = np.arange(white + 1, dtype=dtype).reshape(-1, 16, 1).repeat(3, -1)
    there = pixels.unit_to_signed(pixels.image_to_unit(image))
    assert there.min() == -1
    assert there.max() == 1
    assert there.shape == (3, *image.shape[:2])
    back = pixels.unit_to_image(pixels.signed_to_unit(there), dtype)
    assert back.dtype == dtype
    assert (back == image).all()
    assert back.flags.c_contiguous


def test_leading_dimensions_stay_and_the_channels_move() -> None:
    clip = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    unit = pixels.image_to_unit(clip)
    assert unit.shape == (2, 3, 4, 5)
    assert float(unit[1, 2, 3, 4]) == np.float32(clip[1, 3, 4, 2]) / 255
    assert (pixels.unit_to_image(unit) == clip).all()


def test_rounding_is_half_to_even_and_beyond_the_range_is_its_end() -> None:
    unit = torch.tensor([0.5, 1.5, 2.5, -3.0, 300.0]).view(1, 1, -1).expand(3, -1, -1) / 255
    assert pixels.unit_to_image(unit)[0, :, 0].tolist() == [0, 2, 2, 0, 255]
    assert (pixels.rounded(unit)[0, 0] * 255).round().tolist() == [0, 2, 2, 0, 255]


def test_eight_bit_values_survive_sixteen_bit() -> None:
    wide = pixels.float_to_image(EVERY / 255)
    assert wide.dtype == np.uint16
    assert (pixels.eight_bit(wide) == EVERY).all()
    assert pixels.eight_bit(EVERY) is EVERY


def test_a_picture_is_the_inside_of_a_padded_one() -> None:
    signed = torch.linspace(-1.5, 1.5, 3 * 8 * 8).view(3, 8, 8)
    picture = pixels.to_picture(signed, (5, 6))
    assert picture.shape == (3, 5, 6)
    assert picture.min() == 0
    assert picture.max() <= 1
    assert torch.equal(picture, (signed[:, :5, :6] / 2 + 0.5).clamp(0, 1))


def test_flat_pictures_and_flows_keep_their_value_in_every_size() -> None:
    flat = torch.full((1, 3, 8, 8), 0.25)
    assert torch.allclose(pixels.upscale(flat), torch.tensor(0.25))
    assert pixels.upscale(flat).shape[-1] == 32
    assert torch.allclose(pixels.downscale(pixels.upscale(flat)), flat)
    assert torch.equal(pixels.upscale_flow(flat[:, :2]), torch.ones(1, 2, 32, 32))  # a quarter pixel is one


def test_the_ground_floor_is_read_without_torch() -> None:
    code = "import sys, workbench.pixels; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
