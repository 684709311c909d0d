"""VAE slicing as users mean it: large pictures in horizontal strips, the same picture, far less memory.

Only the stage at output resolution is cut: the maps before it are at most a quarter of its size. Convolutions see
a halo of rows around their strip. A temporal module mixes the *whole* picture's 4x4 averages, so each block at
output resolution is run twice: once to collect its averages, once, with the fused map known, to go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.models.autoencoder import POOL, TemporalAutoencoderTiny, TemporalBlock, bounded, pool, run_layers
from workbench.trace.tap import Tap, untapped

STRIP_ROWS = 64  # of the output, a multiple of POOL


def decode_in_strips(
    vae: TemporalAutoencoderTiny, latent: Tensor, memory: Sequence[Tensor] | None, tap: Tap = untapped
) -> Tensor:
    """``vae.decode`` with the output-resolution stage in strips; equal to it within float rounding.

    Taps of whole maps at output resolution (``decoder.k``, ``tpm.k.contribution``) do not fire there.
    """
    layers = list(vae.decoder.layers)
    cut = max(i for i, layer in enumerate(layers) if isinstance(layer, nn.Upsample))
    head, tail = layers[:cut], layers[cut:]
    x = run_layers(head, bounded(latent / vae.scaling_factor), memory, tap)
    first = sum(isinstance(layer, TemporalBlock) for layer in head)
    blocks = [layer for layer in tail if isinstance(layer, TemporalBlock)]
    fused: list[Tensor] = []
    if memory is not None:
        for k, block in enumerate(blocks):
            averages = torch.cat([pool(residual) for residual in _strips(tail, x, fused, stop_at=block)], dim=2)
            fused.append(block.temporal_fusion(averages, memory[first + k], tap, f"tpm.{first + k}"))
    return torch.cat(list(_strips(tail, x, fused)), dim=2) * 2 - 1


def memory_in_strips(vae: TemporalAutoencoderTiny, warped: Tensor) -> list[Tensor]:
    """``vae.temporal_memory`` with the output-resolution stage in strips."""
    layers = list(vae.encoder.layers)
    cut = next(i for i, layer in enumerate(layers) if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2))
    head, halving = layers[:cut], layers[cut]
    pooled: list[list[Tensor]] = []
    halves = []
    for strip in strips(warped.shape[2], _convolutions([*head, halving])):
        y = warped[:, :, strip.outer]
        maps = []
        for layer in head:
            y = layer(y)
            if isinstance(layer, TemporalBlock):
                maps.append(pool(y[:, :, strip.inner]))
        pooled.append(maps)
        halves.append(halving(y)[:, :, strip.inner.start // 2 : strip.inner.stop // 2])
    maps = [torch.cat(parts, dim=2) for parts in zip(*pooled, strict=True)]
    return [*maps, *vae.encoder.features_after(torch.cat(halves, dim=2), cut + 1)][::-1]


@dataclass(frozen=True)
class Strip:
    """Rows of a map: ``outer`` with its halo, within the map; ``inner``: the strip itself, within ``outer``."""

    outer: slice
    inner: slice


def strips(height: int, halo: int, rows: int = STRIP_ROWS) -> Iterator[Strip]:
    """Cuts ``height`` rows; every bound is a multiple of POOL where ``height`` is."""
    halo = -(-halo // POOL) * POOL
    for start in range(0, height, rows):
        stop = min(start + rows, height)
        above = max(0, start - halo)
        yield Strip(slice(above, min(stop + halo, height)), slice(start - above, stop - above))


def _strips(
    tail: list[nn.Module], x: Tensor, fused: list[Tensor], stop_at: TemporalBlock | None = None
) -> Iterator[Tensor]:
    """Runs the last stage strip by strip; with ``stop_at``, only up to that block's branch, before fusion."""
    for strip in strips(2 * x.shape[2], _convolutions(tail)):
        y = x[:, :, strip.outer.start // 2 : strip.outer.stop // 2]
        block = 0
        for layer in tail:
            if not isinstance(layer, TemporalBlock):
                y = layer(y)
                continue
            residual = layer.conv(y)
            if layer is stop_at:
                y = residual
                break
            if block < len(fused):
                residual = residual + _contribution(layer, fused[block], strip, residual.shape[-1])
            y = layer.fuse(residual + layer.skip(y))
            block += 1
        yield y[:, :, strip.inner]


def _contribution(block: TemporalBlock, fused: Tensor, strip: Strip, width: int) -> Tensor:
    """The rows ``strip.outer`` of ``block.contribution``: one pooled row more on each side makes them exact."""
    top, bottom = strip.outer.start // POOL, strip.outer.stop // POOL
    above, below = min(top, 1), min(fused.shape[2] - bottom, 1)
    rows = fused[:, :, top - above : bottom + below]
    grown = block.contribution(rows, (rows.shape[2] * POOL, width))
    return grown[:, :, above * POOL : grown.shape[2] - below * POOL]


def _convolutions(layers: Sequence[nn.Module]) -> int:
    """How many rows of halo a chain of 3x3 convolutions needs."""
    return sum(3 if isinstance(layer, TemporalBlock) else int(isinstance(layer, nn.Conv2d)) for layer in layers)
