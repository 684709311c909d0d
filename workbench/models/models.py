"""The networks of one model folder, and what the folder says about how to run them."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.errors import ModelError
from workbench.flow.table import ESTIMATORS
from workbench.flow.warp import CONVENTIONS
from workbench.models.autoencoder import TemporalAutoencoderTiny
from workbench.models.networks import ControlNetModel, DDIMScheduler
from workbench.models.unet import UNet2DConditionModel

EMBEDDINGS = {3: 3, 12: 2, 48: 1}  # channels that the ControlNet's embedding takes: how many entries it has
SLICED = "attention_is_sliced"  # attribute of a network, copied with it


@dataclass(frozen=True)
class Properties:
    """Facts about a model, kept in its folder's ``workbench.json``; the defaults are the published model's."""

    warp: str = "published"
    """how a frame is warped: ``published``, ``exact`` or ``cubic`` (see ``flow.warp``)"""
    fit: float = 0.0
    """how far the warped frame may differ from the LR frame, on the range [-1, 1] (width 2): ARTG and TPM read it
    without what differs more (``stream.fit``); 0 leaves it as it is"""
    blend: float = 0.0
    """share, 0..1, of the warped frame in the picture where the two agree within ``fit`` and ARTG is on; 0 is off"""
    past: str = "picture"
    """what ARTG and TPM read: the warped frame as a ``picture``; or as a ``residual``, what it has beyond the decoder's
    base picture of this frame, which is what the latent's detail says"""
    back_projection: float = 0.0
    """strength, 0..1, of one step ``o + s * up(lr - down(o))`` after decoding; 0 is off"""
    colours: str = "predicted"
    """where the latent's first three channels come from: ``predicted``; or ``lr``: in every step's x0 they are the LR
    frame itself, and only the other channels are predicted"""
    flow: str = "raft-large"
    """estimator that ``flow="auto"`` means"""
    flow_size: str = "output"
    """grid that ``flow_size="auto"`` means: ``output`` or ``input``"""
    channels_last: bool = False
    """channels-last layout, where nothing normalises groups: faster for narrow networks on CPUs"""

    def __post_init__(self) -> None:
        if self.warp not in CONVENTIONS:
            raise ModelError(f"workbench.json: warp must be one of {CONVENTIONS}, got {self.warp!r}.")
        if not 0 <= self.fit <= 2:
            raise ModelError(f"workbench.json: fit must be in 0..2, got {self.fit!r}.")
        if not 0 <= self.blend <= 1:
            raise ModelError(f"workbench.json: blend must be in 0..1, got {self.blend!r}.")
        if self.blend and not self.fit:
            raise ModelError(
                "workbench.json: blend needs fit above 0, the tolerance within which the two frames are one."
            )
        if self.flow not in ESTIMATORS:
            raise ModelError(f"workbench.json: flow must be one of {', '.join(ESTIMATORS)}, got {self.flow!r}.")
        if self.colours not in ("predicted", "lr"):
            raise ModelError(f"workbench.json: colours must be predicted or lr, got {self.colours!r}.")
        if self.past not in ("picture", "residual"):
            raise ModelError(f"workbench.json: past must be picture or residual, got {self.past!r}.")
        if self.flow_size not in ("output", "input"):
            raise ModelError(f"workbench.json: flow_size must be output or input, got {self.flow_size!r}.")
        if not 0 <= self.back_projection <= 1:
            raise ModelError(f"workbench.json: back_projection must be in 0..1, got {self.back_projection!r}.")

    @classmethod
    def from_json(cls, text: str) -> Properties:
        values = json.loads(text)
        known = {f.name for f in fields(cls)}
        if not isinstance(values, dict) or set(values) - known:
            raise ModelError(f"workbench.json must be an object with some of {sorted(known)}, got {text.strip()!r}.")
        return cls(**values)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"


@dataclass
class Models:
    """UNet, ControlNet and autoencoder of one model, on one device; nothing here changes while streams run."""

    unet: UNet2DConditionModel
    controlnet: ControlNetModel
    """takes conditions that are embedded already"""
    conditioning: nn.Module
    """the ControlNet's embedding of the warped frame, (B, 3, H, W) -> (B, C, h, w): the same at every timestep, so it
    stands apart"""
    vae: TemporalAutoencoderTiny
    scheduler_config: dict[str, Any]
    prompt: Tensor
    """(1, tokens, D): the empty prompt, encoded"""
    properties: Properties = field(default_factory=Properties)
    source: str = ""
    revision: str | None = None

    @classmethod
    def assemble(
        cls,
        unet: UNet2DConditionModel,
        controlnet: ControlNetModel,
        vae: TemporalAutoencoderTiny,
        scheduler_config: dict[str, Any],
        prompt: Tensor,
        **about: Any,
    ) -> Models:
        """From whole networks: checks that they fit each other and takes the conditioning embedding out."""
        check_fit(unet.config, controlnet.config, vae.config)
        depth = unet.config["cross_attention_dim"]
        if prompt.shape[-1] != depth:
            raise ModelError(f"the prompt embeddings have {prompt.shape[-1]} channels, the UNet expects {depth}.")
        conditioning = controlnet.controlnet_cond_embedding
        controlnet.controlnet_cond_embedding = nn.Identity()  # type: ignore[assignment]
        models = cls(unet, controlnet, conditioning, vae, dict(scheduler_config), prompt, **about)
        check_properties(models)
        return models

    def embed(self, warped: Tensor) -> Tensor:
        """The warped frame (B, 3, H, W) as the ControlNet's condition (B, C, h, w).

        An embedding of more than three channels takes it with that many pixels as channels.
        """
        return self.conditioning(F.pixel_unshuffle(warped, self.unshuffles))

    @property
    def unshuffles(self) -> int:
        """Pixels a side that become channels before the embedding; published: 1, none."""
        return math.isqrt(self.controlnet.config["conditioning_channels"] // 3)

    @property
    def predicts(self) -> str:
        """What the UNet says: ``epsilon``, ``sample`` or ``v_prediction``."""
        return self.scheduler_config.get("prediction_type", "epsilon")

    @property
    def has_base(self) -> bool:
        """Whether ARTG and TPM read the past beside the decoder's base picture."""
        return self.properties.past == "residual"

    def but(self, **properties: Any) -> Models:
        """The same networks with some of their properties changed."""
        return replace(self, properties=replace(self.properties, **properties))

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The trainable parts under the names that taps and checkpoints use."""
        return {
            "unet": self.unet,
            "controlnet": self.controlnet,
            "conditioning": self.conditioning,
            "vae": self.vae,
        }

    @property
    def device(self) -> torch.device:
        return next(self.unet.parameters()).device

    def slice_attention(self, on: bool) -> None:
        """diffusers' attention slicing, on or off. The networks hold it: all that share them run alike."""
        for network in (self.unet, self.controlnet):
            if on != getattr(network, SLICED, False):
                if on and self.device.type == "mps":
                    warnings.warn("attention slicing can give NaN on MPS (diffusers issue 11229).", stacklevel=4)
                network.set_attention_slice("auto" if on else None)  # type: ignore[arg-type]
                setattr(network, SLICED, on)

    def fingerprint(self) -> str:
        """SHA-256 over the weights as they are in memory, the schedule and the properties."""
        schedule = {name: value for name, value in self.scheduler_config.items() if not name.startswith("_")}
        digest = hashlib.sha256((json.dumps(schedule, sort_keys=True) + self.properties.to_json()).encode())
        for part, network in self.networks.items():
            for name, tensor in network.state_dict().items():
                digest.update(f"{part}.{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
                digest.update(tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def schedule(self, steps: int) -> DDIMScheduler:
        """A DDIM scheduler set to ``steps`` timesteps; schedulers are never shared between step counts."""
        return _schedule(json.dumps(self.scheduler_config, sort_keys=True), steps)


def weight_bytes(networks: Iterable[nn.Module]) -> int:
    """Of parameters and buffers."""
    return sum(t.numel() * t.element_size() for n in networks for t in (*n.parameters(), *n.buffers()))


def check_fit(unet: Mapping[str, Any], controlnet: Mapping[str, Any], vae: Mapping[str, Any]) -> None:
    """Raises ModelError unless the three configs describe networks that work together on x4 super-resolution."""
    latent = vae["latent_channels"]
    sample = (latent + 3, f"the latent's {latent} and the LR frame's 3")
    shared = {name: (unet[name], "the UNet's") for name in ("block_out_channels", "cross_attention_dim")}
    wanted = {
        "unet": {"in_channels": sample, "out_channels": (latent, "the latent's"), "num_class_embeds": (None, "none")},
        "controlnet": {"in_channels": sample, "num_class_embeds": (None, "none"), **shared},
    }
    for name, config in (("unet", unet), ("controlnet", controlnet)):
        for key, (value, why) in wanted[name].items():
            if json.dumps(config[key]) != json.dumps(value):  # a config holds lists where we have tuples
                raise ModelError(
                    f"{name}/config.json: {key} must be {value} ({why}), got {config[key]}; "
                    f"this is no Stream-DiffVSR model."
                )
    stages, channels = controlnet["conditioning_embedding_out_channels"], controlnet["conditioning_channels"]
    if EMBEDDINGS.get(channels) != len(stages):
        raise ModelError(
            "controlnet/config.json: conditioning_embedding_out_channels must have three entries with "
            "conditioning_channels 3, two with 12, one with 48 (each entry after the first halves what the x4 frame "
            f"still is above the latent's size), got {list(stages)} with {channels}; this is no Stream-DiffVSR model."
        )


def check_properties(models: Models) -> None:
    """Raises ModelError where a property asks for what the networks, by their configs, cannot give."""
    if models.has_base and not models.vae.config["decoder_base_out_channels"]:
        raise ModelError(
            'workbench.json: past can be "residual" where the decoder makes a base picture, which this one does not: '
            "decoder_base_out_channels is empty in vae/config.json."
        )
    if models.properties.colours == "lr" and models.predicts == "epsilon":
        raise ModelError(
            'workbench.json: colours can be "lr" where the UNet predicts a sample or v_prediction, got prediction_type '
            "epsilon in scheduler_config.json: at the first timestep, noise says nothing of colours."
        )


@lru_cache(maxsize=64)
def _schedule(config: str, steps: int) -> DDIMScheduler:
    scheduler = cast(DDIMScheduler, DDIMScheduler.from_config(json.loads(config)))
    # Float32 rounds the signal's share of the first timesteps up to 1, and DDIM divides by the noise's share.
    scheduler.alphas_cumprod.clamp_(max=1 - torch.finfo(torch.float32).eps / 2)
    scheduler.set_timesteps(steps)
    # Rounding can give trailing spacing one timestep too many, which is then -1.
    scheduler.timesteps = scheduler.timesteps[:steps]
    return scheduler
