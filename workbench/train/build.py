"""The networks of a recipe, from nothing: an initialisation whose output is already a smooth enlargement.

Under ``identity`` the whole chain starts as "copy the LR frame, upsample it bilinearly"; every learned branch
starts small beside that. Constants explained below keep GroupNorm and SiLU from disturbing what passes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import TrainingError
from workbench.models.autoencoder import CELL, COLOURS, TemporalAutoencoderTiny, TemporalBlock
from workbench.models.models import Models, Properties
from workbench.models.networks import ControlNetModel
from workbench.models.unet import UNet2DConditionModel
from workbench.train.recipe import Architecture

BRANCH = 0.1  # of a learned branch beside what is passed on
CARRIER = 16.0  # a constant pair far above the signal: GroupNorm then divides by (nearly) a constant
OUTPUTS = 0.003  # standard deviation of the ControlNet's output convolutions when ARTG begins to learn
GUIDING = 0.02  # the same where UNet and ControlNet begin together
EMBEDDING = 1.5  # gain of the conditioning embedding's convolutions: SiLU loses about that much of a unit variance
STRAIGHT = 6.0  # where SiLU is the identity, within a hundredth
PASSING = 0.5  # of the embedding's first channels to the UNet
FUSED = 0.05  # standard deviation of a temporal module's last convolution, likewise
BLEND = 0.5  # of the previous frame in this one's latent when ARTG begins to learn
INNOVATION = 50.0  # gain of LR - past, which is small, in the ControlNet

AVERAGE = torch.tensor([0.0, 0.5, 0.5])  # of the two pixels that a halving joins
LINEAR = torch.tensor([0.25, 0.5, 0.25])  # after nearest doubling, this is bilinear interpolation
POINT = torch.tensor([0.0, 1.0, 0.0])


def build(architecture: Architecture, seed: int) -> Models:
    """Models in training mode; the same seed gives the same weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        unet = UNet2DConditionModel(**architecture.unet)
        vae = TemporalAutoencoderTiny(**architecture.vae)
        if architecture.initialisation == "identity":
            with torch.no_grad():
                anchor_autoencoder(vae)
                anchor_unet(unet, vae.scaling_factor)
        elif architecture.initialisation == "residual":
            with torch.no_grad():
                anchor_shuffled(vae)
                anchor_detail(unet, -1.0 if architecture.scheduler.get("prediction_type") == "v_prediction" else 1.0)
        elif architecture.initialisation != "default":
            raise TrainingError(
                f"initialisation must be 'identity', 'residual' or 'default', got {architecture.initialisation!r}."
            )
        prompt = torch.randn(1, architecture.prompt["tokens"], architecture.prompt["width"])
        models = Models.assemble(
            unet,
            controlnet_from(unet, architecture),
            vae,
            scheduler_config(architecture),
            prompt,
            properties=Properties(**architecture.properties),
        )
    return models


def scheduler_config(architecture: Architecture) -> dict[str, object]:
    return {"_class_name": "DDIMScheduler", "num_train_timesteps": 1000} | architecture.scheduler


def controlnet_from(unet: UNet2DConditionModel, architecture: Architecture) -> ControlNetModel:
    """A ControlNet that starts as the UNet's first half, its outputs at zero: untrained ARTG changes nothing.

    Under ``residual``, where UNet and ControlNet learn together, they are small: behind zeros nothing else would learn.
    """
    controlnet: Any = ControlNetModel.from_unet(
        unet,
        conditioning_channels=architecture.controlnet.get("conditioning_channels", 3),
        conditioning_embedding_out_channels=tuple(architecture.controlnet["conditioning_embedding_out_channels"]),
    )
    if architecture.initialisation == "residual":
        with torch.no_grad():
            for layer in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block):
                layer.weight.normal_(std=GUIDING)
            for layer in _convolutions(controlnet.controlnet_cond_embedding.modules()):
                nn.init.orthogonal_(layer.weight, gain=EMBEDDING)
                layer.bias.zero_()
            anchor_passing(controlnet, unet.conv_out.out_channels - COLOURS)
    return controlnet


def anchor_passing(controlnet: Any, detail: int) -> None:
    """What the first channels of the embedding hold, and nothing else, goes to the UNet's first skip connection."""
    first, channels = controlnet.controlnet_down_blocks[0], torch.arange(detail)
    controlnet.conv_in.weight[:detail] = 0
    controlnet.conv_in.bias[:detail] = 0
    first.weight[:detail] = 0
    first.weight[channels, channels] = PASSING


def anchor_detail(network: UNet2DConditionModel, gain: float) -> None:
    """The prediction's detail is ``gain`` times what ARTG passes on: the first channels of the first skip connection.

    The last block's shortcut passes it, and so much is added before SiLU that it is a straight line there. Beside it,
    in the only group of the last normalisation, stands a constant pair +K, -K: the group's mean is zero and its
    variance nearly a constant, which the affine weight undoes.
    """
    unet: Any = network
    first, shortcut = unet.conv_in, unet.up_blocks[-1].resnets[-1].conv_shortcut
    width, detail = first.out_channels, unet.conv_out.out_channels - COLOURS
    if unet.conv_norm_out.num_groups != 1 or width < detail + 2:
        raise TrainingError(
            f"initialisation residual needs norm_num_groups = 1 and block_out_channels[0] of at least {detail + 2}, "
            f"two more than the latent's channels of detail, got {unet.conv_norm_out.num_groups} and {width}."
        )
    kept, carrier = torch.arange(detail), torch.tensor([width - 2, width - 1])
    first.weight[kept] = 0
    first.bias[kept] = 0
    passed = torch.cat([kept, carrier])
    shortcut.weight[passed] = 0
    shortcut.weight[kept, shortcut.in_channels - width + kept] = 1
    shortcut.bias[passed] = 0
    shortcut.bias[carrier] = torch.tensor([CARRIER, -CARRIER])
    branch = unet.up_blocks[-1].resnets[-1].conv2
    branch.weight[passed] *= BRANCH
    branch.weight[carrier] = 0
    branch.bias[passed] = 0
    norm, out = unet.conv_norm_out, unet.conv_out
    norm.weight[:] = CARRIER * (2 / width) ** 0.5
    norm.bias[kept] = STRAIGHT
    out.weight[:] = 0
    out.weight[COLOURS + kept, kept, 1, 1] = gain / PASSING
    out.bias[:] = 0
    out.bias[COLOURS:] = -gain * STRAIGHT / PASSING


def restart_controlnet(models: Models, architecture: Architecture, seed: int) -> None:
    """Gives ARTG the UNet as trained so far; called once, when training reaches its first stage of several frames.

    Its outputs now start small, not at zero: behind zeros nothing else of it would learn at first. Under ``identity``
    it starts as a blend with the past.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        controlnet: Any = controlnet_from(models.unet, architecture)
        with torch.no_grad():
            for layer in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block):
                layer.weight.normal_(std=OUTPUTS)
            if architecture.initialisation == "identity":
                anchor_guidance(controlnet)
    conditioning, controlnet.controlnet_cond_embedding = controlnet.controlnet_cond_embedding, nn.Identity()
    models.conditioning.load_state_dict(conditioning.state_dict())
    models.controlnet.load_state_dict(controlnet.state_dict())


def anchor_guidance(controlnet: Any) -> None:
    """ARTG starts as x0 = LR + BLEND (past - LR), the past being the warped frame's 4x4 means: a recursive average.

    The conditioning embedding carries the frame down as pairs +x, -x (SiLU(x) - SiLU(-x) = x); with the ControlNet's
    input convolution, which holds LR, three channels become INNOVATION (LR - past), and the first output convolution
    takes BLEND of that from the skip connection that carries LR to the UNet's output.
    """
    layers = _convolutions(controlnet.controlnet_cond_embedding.modules())
    narrowest = min(layer.out_channels for layer in layers)
    if narrowest < 2 * COLOURS:
        raise TrainingError(
            f"the identity initialisation needs {2 * COLOURS} channels in every layer of the conditioning embedding, "
            f"got {narrowest}."
        )
    rgb = torch.arange(COLOURS)
    plus, minus = rgb, COLOURS + rgb
    for layer in layers:
        nn.init.orthogonal_(layer.weight, gain=1.7)  # SiLU loses about that much of a unit variance
        layer.bias.zero_()
    for k, layer in enumerate(layers):
        line = AVERAGE if layer.stride == (2, 2) else POINT
        kernel = line[:, None] * line
        outputs = ((rgb, -INNOVATION),) if layer is layers[-1] else ((plus, 1), (minus, -1))
        for rows, sign in outputs:
            layer.weight[rows] = 0
            layer.weight[rows, plus] = sign * kernel
            if k > 0:
                layer.weight[rows, minus] = -sign * kernel
    seen, first = controlnet.conv_in, controlnet.controlnet_down_blocks[0]
    seen.weight[rgb] = 0
    seen.bias[rgb] = 0
    seen.weight[rgb, seen.in_channels - COLOURS + rgb, 1, 1] = INNOVATION
    first.weight[rgb] = 0
    first.weight[rgb, rgb, 0, 0] = -BLEND / INNOVATION


def anchor_autoencoder(vae: TemporalAutoencoderTiny) -> None:
    """Latents 0..2 are RGB - 1/2; three channels of every layer carry RGB in [0, 1] through."""
    for block in vae.modules():
        if isinstance(block, TemporalBlock):
            ends: list[tuple[Any, float]] = [(block.conv[-1], BRANCH), (block.temporal_processor[-1], 0.0)]
            for last, gain in ends:
                last.weight.mul_(gain)
                last.bias.zero_()
    encoder, decoder = _convolutions(vae.encoder.layers), _convolutions(vae.decoder.layers)
    for layer in encoder:
        _carry(layer, AVERAGE if layer.stride == (2, 2) else POINT)
    _carry(encoder[-1], POINT, offset=-0.5)
    for layer in decoder:
        _carry(layer, LINEAR if layer.bias is None else POINT)
    _carry(decoder[0], POINT, offset=0.5)


def anchor_shuffled(vae: TemporalAutoencoderTiny) -> None:
    """Three channels of the base carry the LR frame to its last layer, which enlarges it; detail adds little."""
    decoder = vae.decoder
    if decoder.trunk is None or decoder.enlarge is None:
        raise TrainingError('initialisation "residual" is for an autoencoder with decoder_base_out_channels.')
    width, least = vae.config["decoder_block_out_channels"][0], 2 * (vae.config["latent_channels"] - COLOURS)
    if width < least:
        raise TrainingError(
            f"initialisation residual needs decoder_block_out_channels of at least {least}, two for each of the "
            f"latent's channels of detail, got {width}."
        )
    for block in vae.modules():
        if isinstance(block, TemporalBlock):
            branch: Any = block.conv[-1]
            branch.weight.mul_(BRANCH)
            branch.bias.zero_()
    for block in decoder.temporal_blocks:
        fused: Any = block.temporal_processor[-1]
        fused.weight.normal_(std=FUSED)
        fused.bias.zero_()
    (first, *wider), last = _convolutions(decoder.trunk), _convolutions(decoder.enlarge)[0]
    rgb = torch.arange(COLOURS)
    first.bias[rgb] = 0.5
    for layer, gain in ((first, 0.5 * vae.scaling_factor), *((layer, 1.0) for layer in wider)):
        layer.weight[rgb] = 0
        layer.weight[rgb, rgb, 1, 1] = gain
    for layer in (last, _convolutions(decoder.layers)[-1]):
        layer.weight *= BRANCH
        layer.bias.zero_()
    for colour in range(COLOURS):
        rows = slice(colour * CELL**2, (colour + 1) * CELL**2)
        last.weight[rows, :COLOURS] = 0
        last.weight[rows, colour] = bilinear(CELL)


def bilinear(scale: int) -> Tensor:
    """(scale * scale, 3, 3): what each output pixel of a cell, row by row, takes of the 3x3 pixels around it."""
    places = (torch.arange(scale) + 0.5) / scale - 0.5
    lines = torch.stack([(-places).clamp(min=0), 1 - places.abs(), places.clamp(min=0)], 1)  # (scale, 3)
    return torch.einsum("ya,xb->yxab", lines, lines).reshape(scale * scale, 3, 3)


def anchor_unet(network: UNet2DConditionModel, scaling: float) -> None:
    """x0 = scaling * LR / 2, that is RGB - 1/2: carried from the input past everything to the output convolution.

    The first skip connection holds LR as +x and the last block's shortcut passes it on as the pairs +x, -x, since
    SiLU(x) - SiLU(-x) = x. In their normalisation group sits a constant pair +K, -K: the group's mean is zero
    and its variance nearly a constant, which the affine weight undoes.
    """
    unet: Any = network  # its blocks have no types of their own
    width = unet.conv_in.out_channels
    groups = unet.conv_norm_out.num_groups
    size = width // groups
    if size < 2 * COLOURS + 2 or unet.conv_in.in_channels != unet.conv_out.out_channels + COLOURS:
        raise TrainingError(
            "the identity initialisation needs 8 channels in the UNet's first normalisation group, got "
            f"{size}: widen block_out_channels[0], lower norm_num_groups, or set initialisation = 'default'."
        )
    first, shortcut = unet.conv_in, unet.up_blocks[-1].resnets[-1].conv_shortcut
    latent_channels = first.in_channels - COLOURS
    first.weight[:, :latent_channels] /= scaling
    rgb = torch.arange(COLOURS)
    first.weight[rgb] = 0
    first.weight[rgb, latent_channels + rgb, 1, 1] = 1
    first.bias[rgb] = 0

    skip = shortcut.in_channels - width  # hidden channels come first, then the skip connection
    plus, minus, carrier = rgb, COLOURS + rgb, torch.tensor([2 * COLOURS, 2 * COLOURS + 1])
    shortcut.weight[:size] = 0
    shortcut.bias[:size] = 0
    shortcut.weight[plus, skip + rgb] = 1
    shortcut.weight[minus, skip + rgb] = -1
    shortcut.bias[carrier] = torch.tensor([CARRIER, -CARRIER])
    branch = unet.up_blocks[-1].resnets[-1].conv2
    branch.weight.mul_(BRANCH)
    branch.weight[carrier] = 0
    branch.bias.zero_()

    norm, out = unet.conv_norm_out, unet.conv_out
    norm.weight[:size] = CARRIER * (2 / size) ** 0.5
    out.weight.normal_(std=0.01 * scaling / (9 * width) ** 0.5)
    out.bias.zero_()
    out.weight[:COLOURS, :size] = 0
    out.weight[rgb, plus, 1, 1] = scaling / 2
    out.weight[rgb, minus, 1, 1] = -scaling / 2


def _convolutions(layers: Iterable[nn.Module]) -> list[Any]:
    return [layer for layer in layers if isinstance(layer, nn.Conv2d)]


def _carry(layer: nn.Conv2d, kernel: Tensor, *, offset: float = 0.0) -> None:
    """Channels 0..2 pass through ``kernel`` x ``kernel``; the others add little to them."""
    rgb = torch.arange(COLOURS)
    layer.weight[:COLOURS] *= BRANCH
    layer.weight[:COLOURS, :COLOURS] = 0
    layer.weight[rgb, rgb] = kernel[:, None] * kernel
    if layer.bias is not None:
        layer.bias[:COLOURS] = offset
