"""A decoder of three stages as one on the latent's grid: the same function, but for the frame's edge.

What a convolution does on an enlarged grid, another does on the small one, with the places in a pixel as channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import TrainingError
from workbench.models.autoencoder import CELL, COLOURS, Decoder, TemporalBlock

GAIN, OFFSET = 0.988, 0.0115  # from half the LR frame to what the regressing UNet makes of it, measured
QUIET = 0.05  # of the branches of blocks that are new


def folded(weight: Tensor, inputs: int, outputs: int, grid: int) -> Tensor:
    """(O, I, k, k) on a grid -> (O * outputs^2, I * inputs^2, 3, 3) on the small one.

    The kernel's own grid has ``grid`` places a side in a small pixel, what it reads ``inputs``, what it writes
    ``outputs``; places are channels in the order of ``pixel_shuffle``.
    """
    many, few, size, _ = weight.shape
    result = weight.new_zeros(many, outputs, outputs, few, inputs, inputs, 3, 3)
    reach = range(size)
    for y in range(outputs):
        for x in range(outputs):
            for j in reach:
                for i in reach:
                    row, column = (inputs * (at + tap - size // 2) // grid for at, tap in ((y, j), (x, i)))
                    (down, v), (right, u) = divmod(row, inputs), divmod(column, inputs)
                    result[:, y, x, :, v, u, 1 + down, 1 + right] += weight[:, :, j, i]
    return result.reshape(many * outputs**2, few * inputs**2, 3, 3)


def combined(second: Tensor, first: Tensor) -> Tensor:
    """Two kernels one after the other as one: (O, M, 3, 3) after (M, I, 3, 3) -> (O, I, 5, 5)."""
    result = first.new_zeros(second.shape[0], first.shape[1], 5, 5)
    for j in range(3):
        for i in range(3):
            result[:, :, j : j + 3, i : i + 3] += torch.einsum("om,miyx->oiyx", second[:, :, j, i], first)
    return result


@torch.no_grad()
def grow(target: Decoder, source: Decoder) -> None:
    """Makes the base of ``target``, of stages of W and 4V channels, the function that ``source`` is of colours.

    ``source``: W channels at LR, V at twice and any number at four times that, blocks (n, 1, 0). Blocks that ``target``
    has more begin small. Raises TrainingError where the two do not fit.
    """
    if target.trunk is None or target.enlarge is None:
        raise TrainingError("a decoder grows out of another as a base, and this one has no decoder_base_out_channels.")
    old, new = _Parts([*source.layers]), _Parts([*target.trunk, *target.enlarge])
    if len(old.trunk) > len(new.trunk) or len(old.head) != 1 or not new.head or len(old.between) != 2:
        raise TrainingError(
            "a decoder grows out of one with stages of W, V and some channels and blocks (n, 1, 0), into stages of W "
            f"and 4V channels with at least as many blocks; got {old} into {new}."
        )
    new.first.weight[:] = GAIN * old.first.weight[:, :COLOURS]
    new.first.bias.copy_(old.first.bias + OFFSET * old.first.weight[:, :COLOURS].sum((1, 2, 3)))
    for block in (*new.trunk, *new.head):
        block.conv[-1].weight *= QUIET
        block.conv[-1].bias.zero_()
    for block, like in zip(new.trunk, old.trunk, strict=False):
        block.conv.load_state_dict(like.conv.state_dict())
    for mine, its in zip(_convolutions(new.head[0].conv), _convolutions(old.head[0].conv), strict=True):
        mine.weight.copy_(folded(its.weight, 2, 2, 2))
        mine.bias.copy_(its.bias.repeat_interleave(4))
    twice, four_times = old.between
    new.between[0].weight.copy_(folded(twice.weight, 1, 2, 2))
    new.last.weight.copy_(folded(combined(old.last.weight, four_times.weight), 2, CELL, CELL))
    new.last.bias.copy_(old.last.bias.repeat_interleave(CELL**2))


class _Parts:
    """A decoder's convolutions, and its blocks: those before its first change of width, and those after."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        self.first, *self.between, self.last = _convolutions(layers)
        blocks: list[Any] = [layer for layer in layers if isinstance(layer, TemporalBlock)]
        width = self.first.out_channels
        self.trunk = [block for block in blocks if block.conv[0].in_channels == width]
        self.head = [block for block in blocks if block.conv[0].in_channels != width]

    def __str__(self) -> str:
        return f"{len(self.trunk)} and {len(self.head)} blocks with {len(self.between)} convolutions between"


def _convolutions(layers: Iterable[nn.Module]) -> list[Any]:
    return [layer for layer in layers if isinstance(layer, nn.Conv2d)]
