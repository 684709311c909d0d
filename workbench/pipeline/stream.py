"""The loop: a stream of low-resolution frames becomes a stream of x4 frames, using only the past.

Shapes: B batch, L latent channels (published: 4), (h, w) low resolution, padded to multiples of 4; (H, W) = (4h, 4w).

    lr (B, 3, h, w)   latent (B, L, h, w)   flow (B, 2, H, W)   picture (B, 3, H, W), around [-1, 1]

This is the only place where a UNet is called over timesteps. ``stream`` folds frames into the state one by one;
``step`` is one frame; the functions under it are the method's parts, and training calls them too, with gradients on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from workbench.flow.warp import consistency, round_trip, warp
from workbench.models.autoencoder import Base
from workbench.models.models import Models
from workbench.models.prediction import settled, with_colours
from workbench.models.slicing import decode_in_strips, memory_in_strips
from workbench.pipeline.clock import Timer, untimed
from workbench.pipeline.output import Output
from workbench.pipeline.settings import Settings
from workbench.pipeline.state import State
from workbench.pixels import SCALE, downscale, upscale
from workbench.trace.tap import Tap, untapped

Flow = Callable[[Tensor, Tensor], Tensor]
"""(current, previous), each (B, 3, h, w) in [-1, 1] -> flow (B, 2, H, W) in output pixels."""

Source = TypeVar("Source")

MOST = 5.0  # times the tolerance: the most that ``agreement`` widens to, however much noise there seems to be


@dataclass(frozen=True)
class Guidance:
    """What the previous frame says about this one: to the ControlNet, to the decoder, and to the picture itself."""

    embedding: Tensor | None = None  # (B, C, h, w); None: no ARTG
    memory: list[Tensor] | None = None  # pooled maps in decoder order; None: no TPM
    past: Tensor | None = None  # the warped previous output (B, 3, H, W); None: no blend
    share: float = 0.0  # share of ``past`` in the picture
    base: Base | None = None  # what the decoder makes of this frame's colours alone, where the past is read beside it


def stream(
    advance: Callable[[Source, State | None], tuple[Output, State]],
    frames: Iterable[Source],
    state: State | None = None,
) -> Iterator[Output]:
    """Each frame and the state before it -> its output and the state after it. Never reads ahead of what is asked."""
    for frame in frames:
        output, state = advance(frame, state)
        yield output


def step(
    models: Models,
    lr: Tensor,
    noise: Tensor,
    previous: State | None,
    settings: Settings,
    *,
    flow: Flow,
    tap: Tap = untapped,
    clock: Timer = untimed,
) -> Tensor:
    """One frame: (1, 3, h, w) in [-1, 1] -> its picture (1, 3, H, W), raw: unclamped, still padded."""
    lr = tap("lr", lr)
    if tap.wants("lr.upscaled"):
        tap("lr.upscaled", upscale(lr))
    guidance = None
    if previous is not None and (settings.artg or settings.tpm):
        with clock("flow"):
            field = tap("flow", flow(lr, previous.previous_lr))
        if any(tap.wants(name) for name in ("flow.backward", "flow.round_trip", "occlusion")):
            backward = tap("flow.backward", flow(previous.previous_lr, lr))
            tap("flow.round_trip", round_trip(field, backward))
            tap("occlusion", 1 - consistency(field, backward))
        output = tap("previous", previous.previous_output)
        guidance = guide(models, output, field, lr, settings, tap=tap, clock=clock)
    latent = denoise(
        models,
        lr,
        tap("noise", noise),
        settings.steps,
        guidance,
        artg=settings.artg,
        reuse_residuals=settings.reuse_residuals,
        reuse_deep=settings.reuse_deep_features,
        tap=tap,
        clock=clock,
    )
    with clock("decode"):
        return decode(models, latent, lr, guidance, sliced=settings.vae_slicing, tap=tap)


def guide(
    models: Models,
    previous: Tensor,
    flow: Tensor,
    lr: Tensor,
    settings: Settings,
    *,
    tap: Tap = untapped,
    clock: Timer = untimed,
) -> Guidance:
    """Warps the previous output along the flow, and reads it for ARTG and TPM."""
    share = models.properties.blend * min(settings.artg, 1.0)
    with clock("warp"):
        warped = tap("warped", warp(previous, flow, models.properties.warp))
        past = warped if share else None
        if models.properties.fit:
            warped = tap("fitted", fit(warped, lr, models.properties.fit))
    base = None
    if models.has_base:
        with clock("decode"):
            base = models.vae.base(_like(lr, models.vae))
        base = Base(tap("base", base.picture.float()), base.features)
        warped = tap("residual", warped - base.picture)
    embedding = memory = None
    if settings.artg:
        with clock("conditioning"):
            embedding = tap("artg.embedding", models.embed(_like(warped, models.conditioning)))
    if settings.tpm:
        with clock("features"):
            seen = _like(warped, models.vae)
            memory = memory_in_strips(models.vae, seen) if settings.vae_slicing else models.vae.temporal_memory(seen)
    return Guidance(embedding, memory, past, share, base)


def denoise(
    models: Models,
    lr: Tensor,
    noise: Tensor,
    steps: int,
    guidance: Guidance | None = None,
    *,
    artg: float = 1.0,
    reuse_residuals: bool = False,
    reuse_deep: bool = False,
    tap: Tap = untapped,
    clock: Timer = untimed,
) -> Tensor:
    """DDIM (eta 0) from noise to the latent of this frame, (B, L, h, w) float32.

    ``reuse_residuals``, ``reuse_deep``: on every second step, the ControlNet's residuals, and the UNet's features below
    its first level, are those of the step before.
    """
    scheduler = models.schedule(steps)
    prompt = _like(models.prompt, models.unet).expand(len(lr), -1, -1)
    latent = noise * scheduler.init_noise_sigma
    found, deep = None, None
    for i, t in enumerate(scheduler.timesteps):
        found, deep = (found if reuse_residuals and i % 2 else None), (deep if reuse_deep and i % 2 else None)
        seen = torch.cat([scheduler.scale_model_input(latent, int(t)), lr], dim=1)
        seen = _like(tap("unet.input", seen, i), models.unet)
        timestep = torch.full((), int(t), device=seen.device)  # made there: a copy would wait for the device
        down, mid = None, None
        if guidance is not None and guidance.embedding is not None:
            with clock("controlnet"):
                found = found or residuals(models, seen, timestep, prompt, guidance.embedding, artg)
                down = [_like(tap(f"artg.down.{k}", value, i), models.unet) for k, value in enumerate(found[:-1])]
                mid = _like(tap("artg.mid", found[-1], i), models.unet)
        with clock("unet"):
            if reuse_deep:
                prediction, deep = predict_reusing(models, seen, timestep, prompt, down, mid, deep)
            else:
                prediction = predict(models, seen, timestep, prompt, down, mid)
        prediction = with_colours(models, prediction.float(), lr, latent, scheduler.alphas_cumprod[int(t)])
        prediction = tap("noise_pred", prediction, i)
        latent, x0 = scheduler.step(prediction, t, latent, eta=0.0, return_dict=False)  # type: ignore[arg-type]
        tap("x0", x0, i)
        latent = tap("latent", settled(models, latent, lr) if i + 1 == steps else latent, i)
    return latent


def predict(
    models: Models,
    seen: Tensor,
    timestep: Tensor,
    prompt: Tensor,
    down: Sequence[Tensor] | None = None,
    mid: Tensor | None = None,
) -> Tensor:
    """The UNet's prediction (B, L, h, w) from the state beside the LR frame (B, L + 3, h, w), with ARTG's residuals."""
    return models.unet(
        seen,
        timestep,
        encoder_hidden_states=prompt,
        down_block_additional_residuals=down,
        mid_block_additional_residual=mid,
        return_dict=False,
    )[0]


def predict_reusing(
    models: Models,
    seen: Tensor,
    timestep: Tensor,
    prompt: Tensor,
    down: Sequence[Tensor] | None = None,
    mid: Tensor | None = None,
    deep: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """As ``predict``, by the UNet's first level alone where ``deep`` features (B, D, h, w) of another timestep are
    given; and the deep features."""
    if deep is None:
        return models.unet.with_deep(
            seen,
            timestep,
            encoder_hidden_states=prompt,
            down_block_additional_residuals=down,
            mid_block_additional_residual=mid,
            return_dict=False,
        )
    of_first = (down or ())[: models.unet.outer_residuals]
    return models.unet.outer(seen, timestep, prompt, deep, of_first), deep


def residuals(
    models: Models,
    seen: Tensor,
    timestep: Tensor,
    prompt: Tensor,
    embedding: Tensor,
    scale: float,
) -> list[Tensor]:
    """ARTG: the ControlNet's residuals for each of the UNet's skip connections, and for its middle."""
    down, mid = models.controlnet(
        _like(seen, models.controlnet),
        timestep,
        encoder_hidden_states=_like(prompt, models.controlnet),
        controlnet_cond=embedding,
        conditioning_scale=scale,
        return_dict=False,
    )
    return [*down, mid]


def decode(
    models: Models,
    latent: Tensor,
    lr: Tensor,
    guidance: Guidance | None,
    *,
    sliced: bool = False,
    tap: Tap = untapped,
) -> Tensor:
    """Latent to picture with the temporal memory, then the model's back-projection and blend where it has them."""
    guidance = guidance or Guidance()
    memory = guidance.memory
    latent = _like(latent, models.vae)
    if sliced:
        decoded = decode_in_strips(models.vae, latent, memory, tap, guidance.base)
    else:
        decoded = models.vae.decode(latent, memory, tap, guidance.base)
    picture = tap("decoded", decoded.float())
    if models.properties.back_projection:
        picture = tap("projected", back_project(picture, lr, models.properties.back_projection))
    if guidance.past is not None:
        picture = tap("blended", blend(picture, guidance.past, guidance.share, models.properties.fit))
    return picture


def back_project(picture: Tensor, lr: Tensor, strength: float = 1.0) -> Tensor:
    """One step of iterative back-projection (Irani & Peleg, 1991): makes the picture agree with its LR frame."""
    return picture + strength * upscale(lr - downscale(picture))


def blend(picture: Tensor, past: Tensor, share: float, tolerance: float) -> Tensor:
    """A recursive average: ``share`` of the warped past (B, 3, H, W) in the picture, where both show the same in LR.

    It is for pixels what ARTG's residuals are for the latent, whose few channels do not hold them.
    """
    misfit = (downscale(past) - downscale(picture)).abs().mean(1, keepdim=True)
    weight = F.interpolate(agreement(misfit, tolerance), scale_factor=SCALE, mode="bilinear", align_corners=False)
    return torch.lerp(picture, past, share * weight)


def fit(warped: Tensor, lr: Tensor, tolerance: float) -> Tensor:
    """Takes back from a warped frame (B, 3, H, W) what the LR frame (B, 3, h, w) contradicts: wrong flow, occlusion.

    The 4x4 means of the result are the LR frame itself where the two disagree, and where they agree, the warped frame
    brought down to LR.
    """
    innovation = lr - downscale(warped)
    misfit = F.avg_pool2d(innovation.abs().mean(1, keepdim=True), 3, stride=1, padding=1, count_include_pad=False)
    means = lr - agreement(misfit, tolerance) * innovation
    change = F.interpolate(means - F.avg_pool2d(warped, SCALE), scale_factor=SCALE, mode="nearest")
    return warped + change


def agreement(misfit: Tensor, tolerance: float) -> Tensor:
    """(B, 1, h, w), absolute -> 0..1, like a Gaussian.

    Its width is ``tolerance``, on the range [-1, 1] (width 2), plus the frame's median misfit, which is its noise. It
    is at most MOST times the tolerance, so that a cut is not taken for noise.
    """
    noise = misfit.flatten(1).median(1).values.view(-1, 1, 1, 1)
    width = (tolerance + noise).clamp(max=MOST * tolerance)
    return torch.exp(-((misfit / width) ** 2))


def _like(value: Tensor, network: torch.nn.Module) -> Tensor:
    """The value in the network's precision."""
    return value.to(next(network.parameters()).dtype)
