"""The object people hold: models on a device, and the streams they make."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from workbench.devices import release_memory
from workbench.engines.runner import Runner
from workbench.errors import InputError, NotFinite
from workbench.models.models import Models
from workbench.models.save import save_models
from workbench.pipeline import stream
from workbench.pipeline.clock import Clock
from workbench.pipeline.frames import draw_noise, pad, padded, to_network_range
from workbench.pipeline.motion import UNUSED, FlowChoice, FlowSource, Motion, choose_flow, given_motion, load_motion
from workbench.pipeline.output import Output
from workbench.pipeline.settings import Settings
from workbench.pipeline.state import State
from workbench.pixels import SCALE, to_picture
from workbench.trace.tap import Tap, untapped
from workbench.trace.trace import Trace
from workbench.types import Frame

NoiseSource = Callable[[int], Tensor]
"""Frame index -> (L, h, w): the noise that frame starts from."""


class Pipeline:
    """A model ready to run. It holds no state of any stream: any number of them can be interleaved.

    ``engine``: what runs the networks (``workbench.engines``); None: torch, as they are.
    """

    def __init__(self, models: Models, engine: Runner | None = None) -> None:
        self.models = models
        self.engine = engine or Runner(models)
        self._motions: dict[FlowChoice, Motion] = {}

    @property
    def device(self) -> torch.device:
        return self.models.device

    @property
    def networks(self) -> dict[str, nn.Module]:
        """As ``Models.networks``, as the engine runs them."""
        return self.engine.models.networks

    @property
    def source(self) -> str:
        """What the model was loaded from: ``embedded``, a folder, or a hub id."""
        return self.models.source

    def __repr__(self) -> str:
        parameters = sum(p.numel() for n in self.models.networks.values() for p in n.parameters())
        return f"Pipeline({self.models.source}, {parameters / 1e6:.1f} M parameters, {self.device}, {self.engine.name})"

    def stream(
        self,
        frames: Iterable[Frame | np.ndarray],
        settings: Settings | None = None,
        *,
        trace: Trace | None = None,
        state: State | None = None,
        flow: FlowSource | None = None,
        noise: NoiseSource | None = None,
    ) -> Iterator[Output]:
        """Upscales frames one by one as they come, each from the past only; never reads ahead.

        ``frames``: a clip, or any iterable of (h, w, 3) uint8 arrays. ``state``: go on after an earlier output.
        ``noise`` and ``flow`` replace the seeded noise and the estimator, for tests and experiments.
        Yields ``Output``; raises InputError for a frame it cannot use, and NotFinite for one that came out as no
        numbers, after the outputs of all frames before it.
        """
        advance = partial(self.step, settings=settings, trace=trace, flow=flow, noise=noise)
        try:
            yield from stream.stream(advance, frames, state)
        finally:
            release_memory(self.device)

    @torch.no_grad()
    def step(
        self,
        frame: Frame | np.ndarray,
        state: State | None = None,
        settings: Settings | None = None,
        *,
        trace: Trace | None = None,
        flow: FlowSource | None = None,
        noise: NoiseSource | None = None,
    ) -> tuple[Output, State]:
        """One frame and the state before it -> its output and the state after it."""
        settings = settings or Settings()
        index = 0 if state is None else state.index
        frame = frame if isinstance(frame, Frame) else Frame(frame, index)
        clock = Clock(self.device)
        with clock("input"):
            lr, size = self._read(frame.image, state)
            latent_noise = self._noise(noise, settings.seed, index, lr, size)
        motion = self._motion(settings, flow, size)
        engine = self.engine_at(size, settings, trace)
        engine.models.slice_attention(settings.attention_slicing)
        watched = (
            nullcontext(untapped)
            if trace is None
            else trace.frame(self, index, settings.to_dict(), clock.seconds, size=size, time=frame.time)
        )
        with watched as tap:
            raw = stream.step(
                engine.models,
                lr,
                latent_noise,
                None if state is None else state.to(self.device),
                settings,
                flow=motion.between,
                tap=tap,
                clock=clock,
            )
            with clock("output"):
                _check_finite(raw, index, settings)
                picture = tap("frame", to_picture(raw[0], _output(size))).cpu()
        after = State(
            index=index + 1,
            previous_output=raw,
            previous_lr=lr,
            size=size,
            settings=settings,
            model=self.models.source,
        )
        return (
            Output(
                frame=picture,
                index=index,
                state=after,
                input=frame.image,
                seconds=clock.seconds,
                metadata={"engine": engine.name} | motion.metadata | ({} if trace is None else trace.metadata),
                time=frame.time,
                duration=frame.duration,
            ),
            after,
        )

    @torch.no_grad()
    def picture(
        self,
        latent: Tensor,
        lr: Tensor,
        memory: list[Tensor] | None,
        *,
        size: tuple[int, int],
        sliced: bool = False,
        tap: Tap = untapped,
    ) -> Tensor:
        """Any latent (1, L, h, w) decoded as the loop does it: (3, H, W) in [0, 1], cropped to x4 of ``size``.

        The model's blend, which is of frames, is left out.
        """
        guidance = stream.Guidance(memory=memory)
        raw = stream.decode(self.models, latent, lr, guidance, sliced=sliced, tap=tap)
        return to_picture(raw[0], _output(size))

    def motion(self, settings: Settings | None = None, size: tuple[int, int] | None = None) -> Motion:
        """The flow these settings lead to for frames of ``size`` (h, w), loaded once; None for any size.

        Raises FlowError when an explicit choice cannot be had.
        """
        choice = choose_flow(settings or Settings(), self.models.properties, size)
        if choice not in self._motions:
            self._motions[choice] = load_motion(choice, self.device)
        return self._motions[choice]

    def engine_at(self, size: tuple[int, int], settings: Settings, trace: Trace | None = None) -> Runner:
        """What runs frames of ``size`` (h, w). Raises TraceError, SettingsError for what this engine does not have."""
        inside = () if trace is None else trace.inside
        return self.engine.at(
            padded(size),
            inside=inside,
            attention_slicing=settings.attention_slicing,
            reusing=settings.reuse_deep_features,
        )

    def save_pretrained(self, folder: str | os.PathLike[str]) -> Path:
        """Writes a model folder that ``load_pipeline`` takes."""
        return save_models(self.models, Path(folder))

    def _read(self, image: np.ndarray, state: State | None) -> tuple[Tensor, tuple[int, int]]:
        lr = to_network_range(image).to(self.device)
        size = cast(tuple[int, int], tuple(lr.shape[-2:]))
        if state is not None and size != state.size:
            raise InputError(
                f"frame {state.index} is {size[1]}x{size[0]}, the frames before it are "
                f"{state.size[1]}x{state.size[0]}; all frames of a stream have one size. "
                f"Resize them, or start a new stream."
            )
        return pad(lr), size

    def _noise(self, source: NoiseSource | None, seed: int, index: int, lr: Tensor, size: tuple[int, int]) -> Tensor:
        channels = self.models.vae.config["latent_channels"]
        if source is None:
            return draw_noise(seed, index, (channels, *lr.shape[-2:])).to(self.device)
        noise = source(index).to(self.device, torch.float32)[None]
        if noise.shape[1:] == (channels, *size):
            noise = pad(noise)
        if noise.shape[1:] != (channels, *lr.shape[-2:]):
            raise InputError(f"noise({index}) must have shape {(channels, *size)}, got {tuple(noise.shape[1:])}.")
        return noise

    def _motion(self, settings: Settings, source: FlowSource | None, size: tuple[int, int]) -> Motion:
        if not (settings.artg or settings.tpm):
            return UNUSED
        return self.motion(settings, size) if source is None else given_motion(source, size)


def _check_finite(raw: Tensor, index: int, settings: Settings) -> None:
    """Raises NotFinite: written to a file, such a frame would be black or torn, and all after it would follow."""
    if not raw.isfinite().all():
        raise NotFinite(
            f"frame {index} came out with NaN or infinite values on {raw.device.type} "
            f"({settings.changes() or 'default settings'}); the run ends here. "
            f"Try dtype fp32, other settings, or another device; a damaged model does it, too."
        )


def _output(size: tuple[int, int]) -> tuple[int, int]:
    return size[0] * SCALE, size[1] * SCALE
