"""The back-projection that a decoder learns: its kernels are those of pixels.py, its strength is the decoder's."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import ModelError
from workbench.models.autoencoder import TemporalAutoencoderTiny
from workbench.models.correction import Correction
from workbench.pixels import SCALE, downscale, upscale

BASED: dict[str, Any] = {
    "resampling": "shuffle",
    "decoder_padding_mode": "replicate",
    "encoder_block_out_channels": [8],
    "decoder_block_out_channels": [8],
    "num_encoder_blocks": [1],
    "num_decoder_blocks": [1],
    "latent_channels": 5,
    "decoder_base_out_channels": [8],
    "num_decoder_base_blocks": [1],
}


def correction(strength: float) -> Correction:
    """Of about that strength everywhere."""
    made = Correction(4, "replicate")
    with torch.no_grad():
        made.strength.bias.fill_(torch.logit(torch.tensor(strength)))  # type: ignore[union-attr]
    return made


@torch.no_grad()
@settings(deadline=None)
@given(st.integers(5, 12), st.integers(5, 12), st.integers(0, 99))
def test_its_kernels_are_the_ways_between_the_two_sizes(height: int, width: int, seed: int) -> None:
    made, random = correction(0.5), torch.Generator().manual_seed(seed)
    picture = torch.rand(2, 3, SCALE * height, SCALE * width, generator=random)
    lr = torch.rand(2, 3, height, width, generator=random)
    inside = (..., slice(2, -2), slice(2, -2))  # at the edge a border is repeated, and antialiasing leaves it out
    assert torch.allclose(made.downscaled(picture)[inside], downscale(picture)[inside], atol=1e-5)
    assert torch.allclose(F.pixel_shuffle(made.enlarge(lr), SCALE), upscale(lr), atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("strength", [1e-6, 0.5, 1 - 1e-6])
def test_the_picture_goes_as_far_towards_the_lr_frame_as_the_strength_says(strength: float) -> None:
    random = torch.Generator().manual_seed(0)
    picture, lr = upscale(torch.rand(1, 3, 8, 9, generator=random)), torch.rand(1, 3, 8, 9, generator=random)
    made = correction(strength)
    moved = made(picture, torch.zeros(1, 4, 8, 9), lr) - picture
    assert torch.allclose(moved, strength * upscale(lr - made.downscaled(picture)), atol=1e-5)


@torch.no_grad()
def test_a_base_that_is_corrected_is_nearer_to_the_lr_frame() -> None:
    torch.manual_seed(0)
    vae = TemporalAutoencoderTiny(**BASED, decoder_base_corrected=True)
    lr = F.interpolate(torch.rand(1, 3, 4, 4), size=(16, 16), mode="bicubic") * 2 - 1
    corrected = vae.base(lr).picture
    vae.decoder.correct = None
    plain = vae.base(lr).picture
    assert (downscale(corrected) - lr).abs().mean() < 0.8 * (downscale(plain) - lr).abs().mean()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_model_loaded_in_half_precision_has_the_same_kernels(dtype: torch.dtype, tmp_path: Path) -> None:
    TemporalAutoencoderTiny(**BASED, decoder_base_corrected=True).save_pretrained(tmp_path)
    loaded = TemporalAutoencoderTiny.from_pretrained(tmp_path, torch_dtype=dtype).decoder.correct
    assert loaded is not None
    assert torch.allclose(loaded.smaller.float(), correction(0.5).smaller, atol=1e-3)
    assert torch.get_default_dtype() == torch.float32


def test_there_is_nothing_to_correct_without_a_base() -> None:
    without: dict[str, Any] = BASED | {"decoder_base_out_channels": [], "num_decoder_base_blocks": []}
    with pytest.raises(ModelError, match="decoder_base_out_channels"):
        TemporalAutoencoderTiny(**without, decoder_base_corrected=True)
