"""A back-projection that a decoder learns (after Irani & Peleg, 1991): its picture is made to agree with the LR frame.

    picture + enlarge(strength * (lr - downscale(picture)))

On a clean frame the disagreement is what the picture lacks; on a noisy or compressed one it is what the codec has done,
which the picture is better without. So the decoder says how strong the correction is, pixel by pixel: from the LR
frame, the disagreement and its own features there, and from what the whole frame is like, as a codec has been at all of
it.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.pixels import SCALE, downscale, upscale

COLOURS = 3  # of a picture; and of a latent whose decoder makes a base of them
WIDTH = 16
GAIN = 20.0  # disagreements are small
RADIUS = 2  # LR pixels on each side that an enlarged pixel is made of
TAPS = 16  # output pixels a side that an LR pixel is made of


class Correction(nn.Module):
    """(B, 3, H, W), features (B, C, h, w), LR frame (B, 3, h, w) -> the corrected picture (B, 3, H, W).

    It begins at half strength, with bicubic kernels. What enlarges the disagreement learns; what makes a picture
    smaller is how LR frames come to be, and stays.
    """

    smaller: Tensor

    def __init__(self, channels: int, padding_mode: Literal["zeros", "replicate"]) -> None:
        super().__init__()
        self.seen = nn.Conv2d(2 * COLOURS + channels, WIDTH, 3, padding=1, padding_mode=padding_mode)
        self.near = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, padding_mode=padding_mode)
        self.everywhere = nn.Conv2d(WIDTH, WIDTH, 1)
        self.strength = nn.Conv2d(WIDTH, 1, 3, padding=1, padding_mode=padding_mode)
        self.enlarge = nn.Conv2d(
            COLOURS, COLOURS * SCALE**2, 2 * RADIUS + 1, padding=RADIUS, padding_mode="replicate", bias=False
        )
        line = bicubic_taps()
        self.register_buffer("smaller", torch.outer(line, line).repeat(COLOURS, 1, 1, 1), persistent=False)
        with torch.no_grad():
            self.strength.weight.zero_()
            self.strength.bias.zero_()  # type: ignore[union-attr]
            self.enlarge.weight.zero_()
            for colour in range(COLOURS):
                self.enlarge.weight[colour * SCALE**2 : (colour + 1) * SCALE**2, colour] = bicubic_cells()

    def forward(self, picture: Tensor, features: Tensor, lr: Tensor) -> Tensor:
        disagreement = lr - self.downscaled(picture)
        seen = F.relu(self.seen(torch.cat([lr, GAIN * disagreement, features], 1)))
        looks = F.relu(self.near(seen) + self.everywhere(seen.mean((2, 3), keepdim=True)))
        strength = torch.sigmoid(self.strength(looks))
        return picture + F.pixel_shuffle(self.enlarge(strength * disagreement), SCALE)

    def downscaled(self, picture: Tensor) -> Tensor:
        """``pixels.downscale`` as a convolution, which all engines know; at the edge its border is repeated."""
        margin = (TAPS - SCALE) // 2
        around = F.pad(picture, (margin, margin, margin, margin), mode="replicate")
        return F.conv2d(around, self.smaller.to(picture.dtype), stride=SCALE, groups=COLOURS)


def bicubic_taps() -> Tensor:
    """(16,), float32 whatever precision a model is loaded in: what an LR pixel takes of the output pixels around it."""
    pixels = torch.eye(SCALE * TAPS, dtype=torch.float32)
    lines = pixels[:, None, None].expand(-1, 1, SCALE, -1)  # each with one bright pixel
    middle = downscale(lines)[:, 0, 0, TAPS // 2]
    start = SCALE * (TAPS // 2) - (TAPS - SCALE) // 2
    return middle[start : start + TAPS].clone()


def bicubic_cells() -> Tensor:
    """(16, 5, 5), float32: what each output pixel of a cell, row by row, takes of the LR pixels around it."""
    side = 2 * RADIUS + 1
    bright = torch.eye(side**2, dtype=torch.float32).view(side**2, 1, side, side)  # each with one bright pixel
    around = F.pad(bright, (side, side, side, side))
    cells = F.pixel_unshuffle(upscale(around), SCALE)[:, :, side + RADIUS, side + RADIUS]
    return cells.T.reshape(SCALE**2, side, side).contiguous()
