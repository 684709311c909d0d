"""Decoding and reading in strips gives the same picture and memory as doing it whole."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.models.autoencoder import TemporalAutoencoderTiny
from workbench.models.slicing import decode_in_strips, memory_in_strips, strips
from workbench.pipeline.live import LiveBytes
from workbench.pipeline.shapes import shapes_only, without_data


@pytest.fixture(scope="module", params=["zeros", "replicate"])
def vae(request) -> TemporalAutoencoderTiny:
    torch.manual_seed(0)
    vae = TemporalAutoencoderTiny(
        decoder_padding_mode=request.param,
        encoder_block_out_channels=(6, 8, 10),
        decoder_block_out_channels=(10, 8, 6),
        num_encoder_blocks=(2, 1, 2),
        num_decoder_blocks=(2, 1, 2),
    )
    return vae.eval().requires_grad_(False)


@pytest.mark.parametrize("size", [(16, 16), (20, 36), (48, 16), (68, 24)])
@pytest.mark.parametrize("temporal", [False, True])
def test_strips_decode_the_same_picture(vae, size, temporal):
    h, w = size
    latent, warped = torch.randn(1, 4, h, w), torch.rand(1, 3, 4 * h, 4 * w) * 2 - 1
    memory = vae.temporal_memory(warped) if temporal else None
    whole = vae.decode(latent, memory)
    assert torch.allclose(decode_in_strips(vae, latent, memory), whole, atol=1e-5)


@pytest.mark.parametrize("size", [(16, 16), (20, 36), (68, 24)])
def test_strips_read_the_same_memory(vae, size):
    h, w = size
    warped = torch.rand(1, 3, 4 * h, 4 * w) * 2 - 1
    for sliced, whole in zip(memory_in_strips(vae, warped), vae.temporal_memory(warped), strict=True):
        assert torch.allclose(sliced, whole, atol=1e-5)


def test_temporal_modules_matter_in_this_test(vae):
    latent, warped = torch.randn(1, 4, 20, 16), torch.rand(1, 3, 80, 64) * 2 - 1
    assert not torch.allclose(vae.decode(latent), vae.decode(latent, vae.temporal_memory(warped)), atol=1e-3)


@given(quarters=st.integers(1, 200), halo=st.integers(0, 40), rows=st.sampled_from([4, 16, 64]))
@settings(deadline=None)
def test_strips_cover_every_row_once_on_pooling_bounds(quarters, halo, rows):
    height = 4 * quarters
    covered = []
    for strip in strips(height, halo, rows):
        start, stop = strip.outer.start + strip.inner.start, strip.outer.start + strip.inner.stop
        covered.extend(range(start, stop))
        assert strip.outer.start % 4 == strip.inner.start % 4 == 0
        assert start - strip.outer.start >= min(halo, start)
        assert strip.outer.stop - stop >= min(halo, height - stop)
    assert covered == list(range(height))


def live_peak(run) -> int:
    """Bytes of tensors alive at once at 1280x720 and the published width, counted without computing anything."""
    live = LiveBytes()
    vae = without_data(TemporalAutoencoderTiny().eval().requires_grad_(False))
    with torch.no_grad(), shapes_only():
        latent, warped = torch.empty(1, 4, 180, 320), torch.empty(1, 3, 720, 1280)
        memory = vae.temporal_memory(warped)
        with live:
            run(vae, latent, warped, memory)
    return live.peak


@pytest.mark.parametrize("temporal", [False, True])
def test_strips_need_less_than_40_percent_of_the_decoders_memory(temporal):
    whole = live_peak(lambda vae, latent, _, memory: vae.decode(latent, memory if temporal else None))
    sliced = live_peak(lambda vae, latent, _, memory: decode_in_strips(vae, latent, memory if temporal else None))
    assert sliced < 0.4 * whole


def test_strips_need_less_than_40_percent_to_read_memory():
    whole = live_peak(lambda vae, _, warped, __: vae.temporal_memory(warped))
    assert live_peak(lambda vae, _, warped, __: memory_in_strips(vae, warped)) < 0.4 * whole
