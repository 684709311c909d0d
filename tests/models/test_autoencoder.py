"""What the autoencoder does at the picture's edge, and configurations it cannot be built from."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from workbench.errors import ModelError
from workbench.models.autoencoder import CroppedConv2d, RepeatedUpsample, TemporalAutoencoderTiny

SMALL: dict[str, Any] = {"encoder_block_out_channels": (4, 6, 8), "decoder_block_out_channels": (8, 6, 4)}


@torch.no_grad()
@pytest.mark.parametrize(("padding_mode", "flat"), [("replicate", True), ("zeros", False)])
def test_flat_stays_flat_to_the_edge_where_the_edge_is_repeated(padding_mode: Any, flat: bool) -> None:
    torch.manual_seed(0)
    vae = TemporalAutoencoderTiny(**SMALL, decoder_padding_mode=padding_mode)
    picture = vae.decode(torch.randn(1, 4, 1, 1).expand(1, 4, 8, 12))
    assert ((picture - picture[..., 16:17, 24:25]).abs().max() < 1e-5) == flat


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"decoder_padding_mode": "mirror"}, "zeros or replicate, got 'mirror'"),
        ({"upsampling_scaling_factor": 3}, "must be 2, got 3"),
        ({"encoder_block_out_channels": (4, 8)}, "needs three stages"),
        ({"act_fn": "tanh"}, "must be one of"),
    ],
)
def test_a_configuration_that_cannot_be_built_says_why(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        TemporalAutoencoderTiny(**(SMALL | config))


@torch.no_grad()
def test_an_enlargement_with_repeated_edge_is_that_of_plain_layers() -> None:
    torch.manual_seed(0)
    enlarging = CroppedConv2d(3, 5, 3)
    plain = torch.nn.Conv2d(3, 5, 3, padding=1, padding_mode="replicate")
    plain.load_state_dict(enlarging.state_dict())
    x = torch.randn(2, 3, 5, 7)
    wanted = plain(torch.nn.Upsample(scale_factor=2)(x))
    assert torch.allclose(enlarging(RepeatedUpsample(scale_factor=2)(x)), wanted, atol=1e-6)
