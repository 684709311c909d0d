"""VAE slicing as users mean it: large pictures in horizontal strips, the same picture, far less memory.

Convolutions see a halo of rows around their strip. A temporal module mixes the *whole* picture's 4x4 averages, so all
strips of a block are computed up to its branch before any of them goes on. At half resolution the branch is kept;
at output resolution it is computed twice, so that no map there is ever whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.models.autoencoder import POOL, Base, TemporalAutoencoderTiny, TemporalBlock, bounded, pool, run_layers
from workbench.trace.tap import Tap, untapped

STRIP_ROWS = 32  # a multiple of POOL


def decode_in_strips(
    vae: TemporalAutoencoderTiny,
    latent: Tensor,
    memory: Sequence[Tensor] | None,
    tap: Tap = untapped,
    base: Base | None = None,
) -> Tensor:
    """``vae.decode`` in strips; equal to it within float rounding.

    Taps of whole maps at output resolution (``decoder.k``, ``tpm.k.contribution``) do not fire. A ``shuffle``
    autoencoder has no such maps and is run as it is.
    """
    if vae.config["resampling"] == "shuffle":
        return vae.decode(latent, memory, tap, base)
    layers = list(vae.decoder.layers)
    half, full = (i for i, layer in enumerate(layers) if isinstance(layer, nn.Upsample))
    x = run_layers(layers[:half], bounded(latent / vae.scaling_factor), memory, tap)
    x = _assemble(_enlarged(layers[half : half + 2], x, []), 2 * x.shape[2])
    k = sum(isinstance(layer, TemporalBlock) for layer in layers[:half])
    for block in layers[half + 2 : full]:
        x = tap(f"decoder.{k}", _block(block, x, None if memory is None else memory[k], tap, f"tpm.{k}"))
        k += 1
    fused: list[Tensor] = []
    if memory is not None:
        for block, previous in zip(_temporal(layers[full:]), memory[k:], strict=True):
            branches = _enlarged(layers[full:], x, fused, stop_at=block)
            averages = torch.cat([pool(branch) for branch in branches], dim=2)
            fused.append(block.temporal_fusion(averages, previous, tap, f"tpm.{k + len(fused)}"))
    return _assemble((strip * 2 - 1 for strip in _enlarged(layers[full:], x, fused)), 2 * x.shape[2])


def memory_in_strips(vae: TemporalAutoencoderTiny, warped: Tensor) -> list[Tensor]:
    """``vae.temporal_memory`` in strips; equal to it within float rounding."""
    if vae.config["resampling"] == "shuffle":
        return vae.temporal_memory(warped)
    layers = list(vae.encoder.layers)
    cut = next(i for i, layer in enumerate(layers) if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2))
    parts: list[list[Tensor]] = []
    x = _assemble(_halved(layers[: cut + 1], warped, parts), warped.shape[2] // 2)
    maps = [torch.cat(rows, dim=2) for rows in zip(*parts, strict=True)]
    for layer in layers[cut + 1 : -1]:  # the last layer makes latents
        x = _block(layer, x) if isinstance(layer, TemporalBlock) else layer(x)
        if isinstance(layer, TemporalBlock):
            maps.append(pool(x))
    return maps[::-1]


@dataclass(frozen=True)
class Strip:
    """Rows of a map."""

    outer: slice
    """of the map: the strip with its halo"""
    inner: slice
    """of ``outer``: the strip itself"""


def strips(height: int, halo: int, rows: int = STRIP_ROWS) -> Iterator[Strip]:
    """Cuts ``height`` rows; every bound is a multiple of POOL where ``height`` is. All ``outer`` are equally high,
    the first and last too, so that the next strip's maps fit where freed ones were.
    """
    halo = -(-halo // POOL) * POOL
    size = min(height, rows + 2 * halo)
    for start in range(0, height, rows):
        stop = min(start + rows, height)
        above = min(max(0, start - halo), height - size)
        yield Strip(slice(above, above + size), slice(start - above, stop - above))


def _assemble(parts: Iterable[Tensor], height: int) -> Tensor:
    """Strips, written into one map as they come."""
    whole: Tensor | None = None
    top = 0
    for part in parts:
        if whole is None:
            layout = torch.channels_last if part.stride(1) == 1 else torch.contiguous_format
            shape = (*part.shape[:2], height, part.shape[3])
            whole = torch.empty(shape, dtype=part.dtype, device=part.device, memory_format=layout)
        whole[:, :, top : top + part.shape[2]] = part
        top += part.shape[2]
    assert whole is not None
    return whole


def _block(
    block: nn.Module, x: Tensor, previous: Tensor | None = None, tap: Tap = untapped, name: str = "tpm"
) -> Tensor:
    """A temporal block on a whole map, strip by strip; beside the map only its branch is held whole, and becomes the
    result."""
    assert isinstance(block, TemporalBlock)
    height, width = x.shape[2:]
    halo = _convolutions([block])
    branch = _assemble((block.conv(x[:, :, s.outer])[:, :, s.inner] for s in strips(height, halo)), height)
    fused = None if previous is None else block.temporal_fusion(pool(branch), previous, tap, name)
    for top in range(0, height, STRIP_ROWS):
        rows = slice(top, min(top + STRIP_ROWS, height))
        residual = branch[:, :, rows]
        if fused is not None:
            residual = residual + _contribution(block, fused, rows, width)
        branch[:, :, rows] = block.fuse(residual + block.skip(x[:, :, rows]))
    return branch


def _halved(layers: list[nn.Module], x: Tensor, pooled: list[list[Tensor]]) -> Iterator[Tensor]:
    """Strips of the encoder's first stage and its halving; its blocks' pooled rows are added to ``pooled``."""
    for strip in strips(x.shape[2], _convolutions(layers)):
        y = x[:, :, strip.outer]
        maps = []
        for layer in layers:
            y = layer(y)
            if isinstance(layer, TemporalBlock):
                maps.append(pool(y[:, :, strip.inner]))
        pooled.append(maps)
        yield y[:, :, strip.inner.start // 2 : strip.inner.stop // 2]


def _enlarged(
    layers: list[nn.Module], x: Tensor, fused: list[Tensor], stop_at: TemporalBlock | None = None
) -> Iterator[Tensor]:
    """Strips of a stage that starts by doubling; with ``stop_at``, only up to that block's branch, before fusion."""
    for strip in strips(2 * x.shape[2], _convolutions(layers)):
        y = x[:, :, strip.outer.start // 2 : strip.outer.stop // 2]
        block = 0
        for layer in layers:
            if not isinstance(layer, TemporalBlock):
                y = layer(y)
                continue
            residual = layer.conv(y)
            if layer is stop_at:
                y = residual
                break
            if block < len(fused):
                residual = residual + _contribution(layer, fused[block], strip.outer, residual.shape[-1])
            y = layer.fuse(residual + layer.skip(y))
            block += 1
        yield y[:, :, strip.inner]


def _temporal(layers: Sequence[nn.Module]) -> list[TemporalBlock]:
    return [layer for layer in layers if isinstance(layer, TemporalBlock)]


def _contribution(block: TemporalBlock, fused: Tensor, rows: slice, width: int) -> Tensor:
    """These rows of ``block.contribution``; one more pooled row on each side makes them exact."""
    top, bottom = rows.start // POOL, rows.stop // POOL
    above, below = min(top, 1), min(fused.shape[2] - bottom, 1)
    pooled = fused[:, :, top - above : bottom + below]
    grown = block.contribution(pooled, (pooled.shape[2] * POOL, width))
    return grown[:, :, above * POOL : grown.shape[2] - below * POOL]


def _convolutions(layers: Sequence[nn.Module]) -> int:
    """How many rows of halo a chain of 3x3 convolutions needs."""
    return sum(3 if isinstance(layer, TemporalBlock) else int(isinstance(layer, nn.Conv2d)) for layer in layers)
