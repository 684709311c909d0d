"""What can stand in a comparison: interpolation, the pipeline, single-image models, and videos made elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from workbench.comparison.peers import PEERS, Peer
from workbench.devices import resolve_device
from workbench.errors import InputError, ModelError, SettingsError
from workbench.files import VIDEO_SUFFIXES
from workbench.models.hub import SHIPPED
from workbench.pipeline.load import load_pipeline
from workbench.pipeline.output import Output
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings, words
from workbench.pipeline.size import OutputSize
from workbench.pipeline.state import State
from workbench.pixels import SCALE, image_to_unit
from workbench.types import Frame
from workbench.video import Clip, open_clip

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}
MODEL_SUFFIXES = (".safetensors", ".pth", ".ckpt")  # read by safetensors, or by spandrel's restricted unpickler


class Upscaler(Protocol):
    """Anything that makes frames four times as large.

    ``upscale`` yields one picture a frame, in order: an ``Output``, whose state lets a comparison go on after a break,
    or a plain (3, 4h, 4w) tensor in [0, 1] when it needs no memory of earlier frames. The frames' ``index`` counts from
    the first of the comparison, also after a break.
    """

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> dict[str, Any]:
        """What the report says of it: JSON values."""
        ...

    def upscale(self, frames: Iterable[Frame], state: State | None = None) -> Iterator[Tensor | Output]: ...


class Interpolation:
    """``bicubic`` (a = -0.5, as MATLAB's) or ``lanczos`` (three lobes), by Pillow in floating point."""

    def __init__(self, name: str) -> None:
        if name not in FILTERS:
            raise SettingsError(f"interpolation must be {' or '.join(FILTERS)}, got {name!r}.")
        self.name = name
        self.about: dict[str, Any] = {"kind": "interpolation", "filter": name}

    def upscale(self, frames: Iterable[Frame], state: State | None = None) -> Iterator[Tensor]:
        for frame in frames:
            planes = image_to_unit(frame.image)
            size = (planes.shape[2] * SCALE, planes.shape[1] * SCALE)
            large = [Image.fromarray(plane.numpy()).resize(size, FILTERS[self.name]) for plane in planes]
            yield torch.from_numpy(np.stack([np.asarray(plane) for plane in large])).clamp(0, 1)


class PipelineUpscaler:
    """The pipeline under one set of settings, for frames of ``size`` (h, w); None for any size.

    Raises FlowError at once when their flow cannot be had.
    """

    def __init__(self, pipe: Pipeline, settings: Settings, name: str, size: tuple[int, int] | None = None) -> None:
        self.pipe = pipe
        self.settings = settings
        self.name = name
        self.about: dict[str, Any] = {
            "kind": "pipeline",
            "model": pipe.models.source,
            "device": str(pipe.device),
            "engine": pipe.engine.name if size is None else pipe.engine_at(size, settings).name,
            "settings": asdict(settings),
        }
        if settings.artg or settings.tpm:
            self.about |= {f"used {name}": value for name, value in pipe.motion(settings, size).metadata.items()}

    def upscale(self, frames: Iterable[Frame], state: State | None = None) -> Iterator[Output]:
        yield from self.pipe.stream(frames, self.settings, state=state)


class ImageModel:
    """A single-image x4 model that spandrel recognises (Real-ESRGAN, SwinIR, ...), frame by frame.

    ``path``: .safetensors, or .pth and .ckpt through spandrel's restricted unpickler, which runs no code of the file.
    Raises ModelError for a file that is missing, unknown, or not RGB x4, and when spandrel is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], *, device: str | torch.device = "auto") -> None:
        self.path = Path(path)
        self.name = self.path.stem
        self.device = resolve_device(device)
        self.model = _load_image_model(self.path, self.device)
        self.about: dict[str, Any] = {
            "kind": "image model",
            "file": self.path.name,
            "architecture": self.model.architecture.name,
            "device": str(self.device),
        }

    @torch.no_grad()
    def upscale(self, frames: Iterable[Frame], state: State | None = None) -> Iterator[Tensor]:
        for frame in frames:
            yield self.model(image_to_unit(frame.image)[None].to(self.device))[0].float().clamp(0, 1).cpu()


class Recorded:
    """A video or folder of frames that something else has made of the same clip: it is played, nothing is computed.

    ``source``: anything ``open_clip`` takes, as large as the comparison's pictures (or x4), with its frames in step
    from the first; what follows the clip's last frame is left out. Its time is not known: ``seconds`` are nan.
    """

    def __init__(self, source: Any, name: str | None = None) -> None:
        self.clip = open_clip(source)
        self.name = self.clip.info.name if name is None else name
        self.about: dict[str, Any] = {
            "kind": "recording",
            "file": self.clip.info.name,
            "format": self.clip.info.format,
            "time": "not known, it was made elsewhere",
        }

    def check(self, clip: Clip, size: OutputSize) -> None:
        """Raises InputError unless this can be a recording of ``clip``, as far as is known before it is played."""
        if not size.fits(self.clip.size, clip.size):
            width, height = self.clip.size
            raise InputError(f"{self.name} must be {size.in_words(clip.size)}; it is {width}x{height}.")
        if clip.info.length is not None and self.clip.info.length is not None and len(self.clip) < len(clip):
            raise InputError(
                f"{self.name} has {len(self.clip)} frames, the clip has {len(clip)}; "
                f"compare the first {len(self.clip)} only, or check that both begin with the same frame."
            )

    def upscale(self, frames: Iterable[Frame], state: State | None = None) -> Iterator[Tensor]:
        recording: Iterator[Frame] | None = None
        for frame in frames:
            recording = iter(self.clip[frame.index :]) if recording is None else recording
            picture = next(recording, None)
            if picture is None:
                raise InputError(
                    f"{self.name} ends after {frame.index} frames, before the clip does; cut the clip there."
                )
            yield image_to_unit(picture.image)


def upscaler(
    source: str | os.PathLike[str] | Upscaler,
    *,
    device: str | torch.device = "auto",
    open_with: Callable[[Any], Clip] = open_clip,
) -> Upscaler:
    """``bicubic``, ``lanczos``, a name of ``PEERS`` or of a model of this package, the path of an image model or of a
    video made elsewhere, or an upscaler as it is. ``open_with``: opens such a video."""
    if not isinstance(source, (str, os.PathLike)):
        return source
    if str(source) in FILTERS:
        return Interpolation(str(source))
    if str(source) in PEERS:
        return Peer(str(source), device=device)
    if str(source) in SHIPPED:
        return PipelineUpscaler(load_pipeline(str(source), device=device), Settings(), str(source))
    if Path(source).suffix.lower() in MODEL_SUFFIXES:
        return ImageModel(source, device=device)
    if Path(source).suffix.lower() in VIDEO_SUFFIXES or Path(source).is_dir():
        return Recorded(open_with(source))
    raise SettingsError(
        f"nothing to compare against under {str(source)!r}: give {', '.join((*FILTERS, *PEERS, *SHIPPED))}, the "
        f"file of a single-image model ({', '.join(MODEL_SUFFIXES)}), or a video or folder of frames made of the same "
        "clip."
    )


def name_settings(settings: Sequence[Settings]) -> list[str]:
    """Short names that tell the settings apart by what varies among them: ``steps=4, tpm=on``."""
    rows = [asdict(s) for s in settings]
    varying = [name for name in rows[0] if len({row[name] for row in rows}) > 1] if rows else []
    names = [words({name: row[name] for name in varying}) or "pipeline" for row in rows]
    if len(set(names)) < len(names):
        raise SettingsError("two of the settings to compare are the same; leave one out.")
    return names


def _load_image_model(path: Path, device: torch.device) -> Any:
    try:
        import spandrel
    except ImportError as error:
        raise ModelError(f"{path.name} needs the package spandrel: pip install spandrel.") from error
    if path.suffix.lower() not in MODEL_SUFFIXES:
        raise ModelError(f"an image model is a file ending in {', '.join(MODEL_SUFFIXES)}, got {path.name}.")
    if not path.is_file():
        raise ModelError(f"there is no image model at {path}.")
    try:
        model = spandrel.ModelLoader(device).load_from_file(path)
    except Exception as error:  # a damaged or foreign file fails in as many ways as there are loaders
        raise ModelError(f"{path.name} is no image model that spandrel knows ({error}).") from error
    if not isinstance(model, spandrel.ImageModelDescriptor) or (model.scale, model.input_channels) != (SCALE, 3):
        raise ModelError(f"{path.name} must make RGB pictures {SCALE} times as large; it is {model!r}.")
    return model.eval()
