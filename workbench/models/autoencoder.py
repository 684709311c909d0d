"""The tiny autoencoder with Temporal Processing Modules (paper section 3.4; TAESD's layout).

Shapes: B batch, C channels of a block, (H, W) output pixels, (h, w) = (H / 4, W / 4).

    encoder   (B, 3, H, W)  ─ conv ─ blocks ─ ↓2 ─ blocks ─ ↓2 ─ blocks ─ conv ─► (B, 4, h, w)
    decoder   (B, 4, h, w)  ─ conv ─ blocks ─ ↑2 ─ blocks ─ ↑2 ─ blocks ─ conv ─► (B, 3, H, W)

or, with ``resampling="shuffle"``, all work on the latent's grid, where it is cheap (16 pixels are channels of one):

    encoder   (B, 3, H, W)  ─ unshuffle ─ conv ─ blocks ─ conv ─► (B, C, h, w)
    decoder   (B, C, h, w)  ─ conv ─ blocks ─ conv ─ shuffle ─► (B, 3, H, W)

whose decoder may make a *base* picture first, of the latent's colours alone, and then what the detail adds to it:

    base      (B, 3, h, w)  ─ conv ─ blocks ─┬─────────────── conv ─ shuffle ─► (B, 3, H, W)
    detail    (B, C - 3, h, w) ──────────────┴─ conv ─ blocks ─ conv ─ shuffle ─► what is added

The encoder's blocks also read the *previous output, warped to this frame*; one map per block, 4x4
average-pooled (nothing else of it is ever used; under ``shuffle`` it is on the latent's grid as it is), is the temporal
memory that the decoder's blocks fuse in. That memory is a value that is passed in and handed out. No module keeps any
of it.

Sequences of modules and their names are those of the published weights, which load strictly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.errors import ModelError
from workbench.models.correction import COLOURS, Correction
from workbench.models.networks import ConfigMixin, ModelMixin, register_to_config
from workbench.trace.tap import Tap, untapped

POOL = 4  # the published temporal modules work on 4x4 averages
CELL = 4  # pixels a side of what one latent pixel stands for
FUSION_GAIN = 0.1  # of the fused map, before the skip connection

Padding = Literal["zeros", "replicate"]
"""What a convolution sees beyond the edge."""
Resampling = Literal["stages", "shuffle"]
"""How pictures become latents and back: by two halvings and doublings, or at once, pixels becoming channels."""


class Base(NamedTuple):
    """What a decoder makes of the colours alone."""

    picture: Tensor
    """(B, 3, H, W), around [-1, 1]"""
    features: Tensor
    """(B, C, h, w), which the detail is decoded with"""


STAGES = {
    "stages": (3, "three stages (two halvings make x4)"),
    "shuffle": (1, "one stage (pixels become channels at once)"),
}


def pool(features: Tensor, size: int = POOL) -> Tensor:
    """(B, C, y, x) -> (B, C, y // size, x // size): all that the temporal modules see of a map."""
    return features if size == 1 else F.avg_pool2d(features, size)


class TemporalBlock(nn.Module):
    """A residual block of three convolutions whose branch can fuse in the previous frame's features."""

    def __init__(
        self,
        channels: int,
        act_fn: str = "relu",
        padding_mode: Padding = "zeros",
        pooling: int = POOL,
        temporal: bool = True,
    ) -> None:
        super().__init__()
        self.pooling = pooling
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding_mode),
            activation(act_fn),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding_mode),
            activation(act_fn),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding_mode),
        )
        self.skip = nn.Identity()
        self.fuse = nn.ReLU()
        if not temporal:
            return
        self.alpha = nn.Parameter(torch.tensor(0.5))
        self.temporal_processor = nn.Sequential(
            nn.Conv1d(channels, channels, 3, padding=1),
            activation(act_fn),
            nn.Conv1d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor, previous: Tensor | None = None, tap: Tap = untapped, name: str = "tpm") -> Tensor:
        """(B, C, y, x) -> same shape; ``previous`` is the pooled map of the warped previous output."""
        residual = self.conv(x)
        if previous is not None:
            fused = self.temporal_fusion(pool(residual, self.pooling), previous, tap, name)
            residual = residual + self.contribution(fused, residual.shape[-2:], tap, name)
        return self.fuse(residual + self.skip(x))

    def temporal_fusion(self, current: Tensor, previous: Tensor, tap: Tap = untapped, name: str = "tpm") -> Tensor:
        """TPM: (B, C, y / 4, x / 4) twice -> one map of that shape.

        Both maps are read as *one* sequence, current then previous, row by row; ``alpha`` weighs the two halves.
        """
        current = tap(f"{name}.current", current)
        previous = tap(f"{name}.previous", previous)
        if current.shape != previous.shape:
            raise ModelError(
                f"{name}: temporal memory of shape {tuple(previous.shape)} does not fit features of shape "
                f"{tuple(current.shape)}; the encoder and decoder of this autoencoder are not mirror images."
            )
        sequence = torch.cat([current.flatten(2), previous.flatten(2)], dim=2)
        first, second = self.temporal_processor(sequence).chunk(2, dim=2)
        alpha = tap(f"{name}.alpha", self.alpha)
        fused = alpha * first + (1 - alpha) * second
        return tap(f"{name}.fused", fused.reshape(current.shape))

    def contribution(self, fused: Tensor, size: Sequence[int], tap: Tap = untapped, name: str = "tpm") -> Tensor:
        """What the previous frame adds to this block's branch: (B, C, y, x)."""
        up = fused
        if self.pooling > 1:
            up = F.interpolate(fused, size=tuple(size), mode="bilinear", align_corners=False)
        return tap(f"{name}.contribution", FUSION_GAIN * up)


def activation(name: str) -> nn.Module:
    """The activation that an autoencoder config names."""
    known = {"relu": nn.ReLU, "silu": nn.SiLU, "gelu": nn.GELU}
    if name not in known:
        raise ModelError(f"act_fn must be one of {sorted(known)}, got {name!r} in the autoencoder's config.json.")
    return known[name]()


class Encoder(nn.Module):
    """(B, 3, H, W) -> (B, 4, h, w), and the pooled feature maps of its blocks."""

    def __init__(
        self,
        in_channels: int,
        latent_channels: int,
        widths: Sequence[int],
        blocks: Sequence[int],
        act_fn: str,
        resampling: Resampling = "stages",
        padding_mode: Padding = "zeros",
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        pooling, padding = POOL, padding_mode
        if resampling == "shuffle":
            layers.append(nn.PixelUnshuffle(CELL))
            in_channels, pooling = in_channels * CELL**2, 1
        else:
            padding = "zeros"
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            if stage == 0:
                layers.append(nn.Conv2d(in_channels, width, 3, padding=1, padding_mode=padding))
            else:
                layers.append(nn.Conv2d(widths[stage - 1], width, 3, padding=1, stride=2, bias=False))
            layers.extend(TemporalBlock(width, act_fn, padding, pooling) for _ in range(count))
        layers.append(nn.Conv2d(widths[-1], latent_channels, 3, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """[-1, 1] pictures -> latents."""
        return self.layers((x + 1) / 2)

    def features(self, x: Tensor) -> list[Tensor]:
        """[-1, 1] pictures -> one pooled map per block, finest first.

        As published, this pass lacks the shift to [0, 1] that encoding has. It stops at the last block.
        """
        return self.features_after(x, 0)

    def features_after(self, x: Tensor, start: int) -> list[Tensor]:
        """The maps of the blocks from layer ``start`` on, given that layer's input."""
        maps: list[Tensor] = []
        last = max(i for i, layer in enumerate(self.layers) if isinstance(layer, TemporalBlock))
        for layer in list(self.layers)[start : last + 1]:
            x = layer(x)
            if isinstance(layer, TemporalBlock):
                maps.append(pool(x, layer.pooling))
        return maps


def on_grid(
    channels: int,
    out_channels: int,
    widths: Sequence[int],
    blocks: Sequence[int],
    act_fn: str,
    padding_mode: Padding,
    temporal: bool = True,
) -> list[nn.Module]:
    """(B, ``channels``, h, w) -> (B, ``out_channels``, H, W) with all work on the latent's grid, layer by layer."""

    def convolution(given: int, made: int, bias: bool = True) -> nn.Conv2d:
        return nn.Conv2d(given, made, 3, padding=1, padding_mode=padding_mode, bias=bias)

    layers = [convolution(channels, widths[0]), activation(act_fn)]
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        if stage:
            layers.append(convolution(widths[stage - 1], width, bias=False))
        layers.extend(TemporalBlock(width, act_fn, padding_mode, 1, temporal) for _ in range(count))
    return [*layers, convolution(widths[-1], out_channels * CELL**2), nn.PixelShuffle(CELL)]


class Decoder(nn.Module):
    """(B, 4, h, w) and a temporal memory -> (B, 3, H, W)."""

    def __init__(
        self,
        latent_channels: int,
        out_channels: int,
        widths: Sequence[int],
        blocks: Sequence[int],
        act_fn: str,
        upsample_fn: str,
        padding_mode: Padding,
        resampling: Resampling = "stages",
        base_widths: Sequence[int] = (),
        base_blocks: Sequence[int] = (),
        corrected: bool = False,
    ) -> None:
        super().__init__()
        self.trunk = self.enlarge = self.correct = None
        if base_widths:
            *trunk, last, shuffle = on_grid(
                COLOURS, out_channels, base_widths, base_blocks, act_fn, padding_mode, temporal=False
            )
            self.trunk, self.enlarge = nn.Sequential(*trunk), nn.Sequential(last, shuffle)
            self.correct = Correction(base_widths[-1], padding_mode) if corrected else None
            latent_channels += base_widths[-1] - COLOURS
        if resampling == "shuffle":
            self.layers = nn.Sequential(*on_grid(latent_channels, out_channels, widths, blocks, act_fn, padding_mode))
            return
        repeats = padding_mode == "replicate"
        upsample, enlarging = (RepeatedUpsample, CroppedConv2d) if repeats else (nn.Upsample, nn.Conv2d)
        layers: list[nn.Module] = [
            nn.Conv2d(latent_channels, widths[0], 3, padding=1, padding_mode=padding_mode),
            activation(act_fn),
        ]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            layers.extend(TemporalBlock(width, act_fn, padding_mode) for _ in range(count))
            if stage < len(widths) - 1:
                layers.append(upsample(scale_factor=2, mode=upsample_fn))
                layers.append(enlarging(width, widths[stage + 1], 3, padding=0 if repeats else 1, bias=False))
            else:
                layers.append(nn.Conv2d(width, out_channels, 3, padding=1, padding_mode=padding_mode))
        self.layers = nn.Sequential(*layers)

    @property
    def temporal_blocks(self) -> list[TemporalBlock]:
        """The blocks that fuse temporal memory, in the order they run."""
        return [layer for layer in self.layers if isinstance(layer, TemporalBlock)]

    def base(self, colours: Tensor, lr: Tensor) -> Base:
        """Colours (B, 3, h, w), the latent's first three channels -> the picture that they make without any detail.

        ``lr``: the same as a picture, on [-1, 1].
        """
        if self.trunk is None or self.enlarge is None:
            raise ModelError("this autoencoder makes no base picture: decoder_base_out_channels is empty.")
        features = self.trunk(bounded(colours))
        picture = self.enlarge(features) * 2 - 1
        return Base(picture if self.correct is None else self.correct(picture, features, lr), features)

    def forward(
        self, latent: Tensor, memory: Sequence[Tensor] | None = None, tap: Tap = untapped, base: Base | None = None
    ) -> Tensor:
        """Latents -> pictures around [-1, 1], not clamped. ``base``: that of these colours, where there is one."""
        if base is None:
            return run_layers(self.layers, bounded(latent), memory, tap) * 2 - 1
        detail = torch.cat([base.features, bounded(latent[:, COLOURS:])], 1)
        return base.picture + 2 * run_layers(self.layers, detail, memory, tap)


class RepeatedUpsample(nn.Upsample):
    """(B, C, y, x) -> (B, C, 2y + 4, 2x + 4): the enlarged map within a margin of its own edge, two pixels wide.

    With ``CroppedConv2d`` it is an enlargement and a convolution that sees the edge repeated. A convolution's own
    ``replicate`` does the same, but copies the enlarged map, the largest there is.
    """

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, (1, 1, 1, 1), mode="replicate"))


class CroppedConv2d(nn.Conv2d):
    """Without padding of its own; (B, C, 2y + 4, 2x + 4) -> (B, C', 2y, 2x)."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input)[..., 1:-1, 1:-1]


def run_layers(layers: Iterable[nn.Module], x: Tensor, memory: Sequence[Tensor] | None, tap: Tap) -> Tensor:
    """Runs decoder layers in order; each block gets its own map of the memory, where there is one."""
    block = 0
    for layer in layers:
        if isinstance(layer, TemporalBlock):
            previous = None if memory is None or block >= len(memory) else memory[block]
            x = tap(f"decoder.{block}", layer(x, previous, tap, f"tpm.{block}"))
            block += 1
        else:
            x = layer(x)
    return x


def bounded(latent: Tensor) -> Tensor:
    """TAESD's soft clamp of latents to (-3, 3)."""
    return torch.tanh(latent / 3) * 3


class TemporalAutoencoderTiny(ModelMixin, ConfigMixin):
    """TAESD-like x4 autoencoder whose decoder fuses features of the warped previous output.

    ``encode``: (B, 3, H, W) in [-1, 1] -> (B, 4, H / 4, W / 4). ``decode``: the way back, unclamped.
    ``temporal_memory``: (B, 3, H, W) -> pooled maps in the decoder's order, to be passed to ``decode``.

    Config names are those of diffusers' ``AutoencoderTiny``; widths and block counts are given from high
    to low resolution for the encoder and from low to high for the decoder. ``decoder_padding_mode``, ours, is what the
    decoder's convolutions see beyond the edge: published ``zeros``; with ``replicate`` a flat latent is a flat picture.
    ``resampling``, ours too: published ``stages``; ``shuffle`` has one stage, on the latent's grid, and the encoder may
    have fewer blocks than the decoder: as many of the decoder's first blocks then have a memory. Its decoder's base,
    where ``decoder_base_out_channels`` and ``num_decoder_base_blocks`` describe one, makes a picture of the colours;
    with ``decoder_base_corrected`` it then corrects it by the colours, as strongly as it sees fit.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        encoder_block_out_channels: Sequence[int] = (64, 64, 64),
        decoder_block_out_channels: Sequence[int] = (64, 64, 64),
        act_fn: str = "relu",
        upsample_fn: str = "nearest",
        latent_channels: int = 4,
        upsampling_scaling_factor: int = 2,
        num_encoder_blocks: Sequence[int] = (1, 3, 3),
        num_decoder_blocks: Sequence[int] = (3, 3, 1),
        latent_magnitude: int = 3,
        latent_shift: float = 0.5,
        force_upcast: bool = False,
        scaling_factor: float = 1.0,
        shift_factor: float = 0.0,
        block_out_channels: Sequence[int] | None = None,
        decoder_padding_mode: Padding = "zeros",
        resampling: Resampling = "stages",
        decoder_base_out_channels: Sequence[int] = (),
        num_decoder_base_blocks: Sequence[int] = (),
        decoder_base_corrected: bool = False,
    ) -> None:
        super().__init__()
        if decoder_base_out_channels and resampling != "shuffle":
            raise ModelError("decoder_base_out_channels is for an autoencoder with resampling shuffle.")
        if decoder_base_corrected and not decoder_base_out_channels:
            raise ModelError("decoder_base_corrected is for an autoencoder with decoder_base_out_channels.")
        if resampling not in STAGES:
            raise ModelError(f"resampling must be one of {', '.join(STAGES)}, got {resampling!r}.")
        count, why = STAGES[resampling]
        decoder_count = len(decoder_block_out_channels) if resampling == "shuffle" else count
        if len(encoder_block_out_channels) != count or len(decoder_block_out_channels) != decoder_count:
            raise ModelError(
                f"the autoencoder needs {why}, got encoder_block_out_channels="
                f"{list(encoder_block_out_channels)} and decoder_block_out_channels={list(decoder_block_out_channels)}."
            )
        if decoder_padding_mode not in ("zeros", "replicate"):
            raise ModelError(f"decoder_padding_mode must be zeros or replicate, got {decoder_padding_mode!r}.")
        if upsampling_scaling_factor != 2:
            raise ModelError(f"upsampling_scaling_factor must be 2, got {upsampling_scaling_factor}.")
        self.encoder = Encoder(
            in_channels,
            latent_channels,
            encoder_block_out_channels,
            num_encoder_blocks,
            act_fn,
            resampling,
            decoder_padding_mode,
        )
        self.decoder = Decoder(
            latent_channels,
            out_channels,
            decoder_block_out_channels,
            num_decoder_blocks,
            act_fn,
            upsample_fn,
            decoder_padding_mode,
            resampling,
            decoder_base_out_channels,
            num_decoder_base_blocks,
            decoder_base_corrected,
        )
        self.scaling_factor = scaling_factor

    def encode(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> latent (B, 4, h, w), scaled as the denoiser sees it."""
        return self.encoder(picture) * self.scaling_factor

    def temporal_memory(self, warped: Tensor) -> list[Tensor]:
        """Warped previous output (B, 3, H, W), raw range -> pooled maps, one per decoder block, in its order."""
        return self.encoder.features(warped)[::-1]

    def base(self, colours: Tensor) -> Base:
        """The latent's colours (B, 3, h, w) -> the picture that the decoder makes of them alone."""
        return self.decoder.base(colours / self.scaling_factor, colours)

    def decode(
        self, latent: Tensor, memory: Sequence[Tensor] | None = None, tap: Tap = untapped, base: Base | None = None
    ) -> Tensor:
        """Latent (B, 4, h, w) -> picture (B, 3, H, W) around [-1, 1], unclamped. ``memory`` None: no TPM."""
        if base is None and self.config["decoder_base_out_channels"]:
            base = self.base(latent[:, :COLOURS])
        return self.decoder(latent / self.scaling_factor, memory, tap, base)
