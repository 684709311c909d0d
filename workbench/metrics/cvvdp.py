"""ColorVideoVDP: what an eye sees of a difference between two moving pictures on a given display."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbench.errors import InputError, MetricUnavailable, SettingsError
from workbench.metrics.images import batched

DISPLAY = "standard_4k"
NO_CLOCK = 25.0  # frames per second of clips that have no clock
JOD_A, JOD_EXPONENT, BETA_TIME = 0.0439569391310215, 0.9302042722702026, 2  # of the package's parameters
LINEAR_BELOW = 0.1
SMALLEST = 8  # pixels a side
WINDOW = 16  # frames whose heat maps are in memory together


@torch.no_grad()
def cvvdp(
    outputs: Iterable[Tensor], references: Iterable[Tensor], fps: float | None = None, *, display: str = DISPLAY
) -> list[float]:
    """ColorVideoVDP (Mantiuk et al., 2024) of each frame, in just-objectionable differences; 10: nothing to be seen.

    Two equally long sequences of (3, H, W) float RGB in [0, 1], as sRGB; read lazily and in step where their length is
    known. A frame's value is that of its moment, with what an eye still has of the frames before it. ``pooled`` gives
    the value of the whole clip, which is what the package's command prints. ``fps``: None stands for 25. ``display``:
    one of ``displays``. Raises MetricUnavailable without the package cvvdp.
    """
    source = _source(outputs, references, fps, display)
    if not source.range:
        return []
    judge = _judge(display)
    _, stats = judge.predict_video_source(source)
    return [_jod(float(seen)) for seen in _seen(judge, torch.from_numpy(stats["Q_per_ch"]))]


@torch.no_grad()
def cvvdp_heat_map(
    outputs: Sequence[Tensor], references: Sequence[Tensor], fps: float | None = None, *, display: str = DISPLAY
) -> Iterator[np.ndarray]:
    """Where a difference is seen: (H, W, 3) uint8 a frame, cyan where there is none, white, yellow from 3 JOD on.

    In windows of 16 frames, each with the frames before it that an eye still has.
    """
    whole = _source(outputs, references, fps, display)
    judge = _judge(display, "supra-threshold")
    before = len(judge.get_temporal_filters(whole.fps)[0][0]) - 1
    for start in range(0, len(whole.range), WINDOW):
        first = max(0, start - before)
        part = whole.part(first, start + WINDOW)
        _, stats = judge.predict_video_source(part)
        for frame in stats["heatmap"][0, :, start - first :].unbind(1):
            yield (frame.float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


def pooled(values: Sequence[float]) -> float:
    """The clip's value from its frames': a mean that the worst moments weigh most in, as the package takes it."""
    if len(values) < 2:
        return float(values[0])
    seen = np.array([_seen_of(value) for value in values])
    return _jod(float(np.mean(seen**BETA_TIME) ** (1 / BETA_TIME)))


def display_of(metric: str) -> str | None:
    """``cvvdp`` and ``cvvdp:DISPLAY`` -> the display; None for another metric."""
    name, _, display = metric.partition(":")
    return (display or DISPLAY) if name == "cvvdp" else None


@cache
def displays() -> list[str]:
    """Names of the package's display models (size, distance, brightness, light of the room) that show sRGB."""
    require()
    from pycvvdp import utils  # type: ignore[import-not-found]

    models = utils.json2dict(utils.config_files.find("display_models.json", []))
    return [name for name, model in models.items() if model.get("colorspace", "sRGB") == "sRGB"]


def require() -> None:
    """Raises MetricUnavailable without the package."""
    try:
        import pycvvdp  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        raise MetricUnavailable("cvvdp needs the package cvvdp: pip install cvvdp.") from error


def _judge(display: str, heatmap: str | None = None) -> Any:
    import pycvvdp  # type: ignore[import-not-found]

    return pycvvdp.cvvdp(display_name=display, heatmap=heatmap, device=torch.device("cpu"), quiet=True)


def _seen(judge: Any, bands: Tensor) -> Tensor:
    """(1, channels, frames, bands) -> (frames,): the package's own sums over bands and channels."""
    weights = judge.get_ch_weights(bands.shape[1]).expand(-1, -1, 1, bands.shape[3]).clone()
    weights[:, :, 0, -1] = weights[:, :, 0, -1] * judge.baseband_weight[: bands.shape[1]]
    seen = judge.lp_norm(bands * weights, judge.beta_sch, dim=3, normalize=False)
    seen = judge.lp_norm(seen, judge.beta_tch, dim=1, normalize=False).flatten()
    return seen * judge.image_int if len(seen) == 1 else seen


def _jod(seen: float) -> float:
    if seen <= LINEAR_BELOW:
        return 10 - JOD_A * LINEAR_BELOW ** (JOD_EXPONENT - 1) * seen
    return 10 - JOD_A * seen**JOD_EXPONENT


def _seen_of(jod: float) -> float:
    """Undoes ``_jod``."""
    lost = 10 - jod
    linear = lost / (JOD_A * LINEAR_BELOW ** (JOD_EXPONENT - 1))
    return linear if linear <= LINEAR_BELOW else (lost / JOD_A) ** (1 / JOD_EXPONENT)


Pairs = tuple[Sequence[Tensor], Sequence[Tensor]]
"""Outputs and references."""


class _Source:
    """Frames as the package's metric asks for them: one after the other, the test's before the reference's."""

    def __init__(
        self, pairs: tuple[Sequence[Tensor], Sequence[Tensor]], places: range, fps: float, display: str
    ) -> None:
        from pycvvdp.display_model import vvdp_display_photometry  # type: ignore[import-not-found]

        self.pairs, self.range, self.fps, self.display = pairs, places, fps, display
        self.photometry: Any = vvdp_display_photometry.load(display, [])
        self.held: tuple[int, list[Tensor]] = (-1, [])

    def part(self, first: int, last: int) -> _Source:
        return _Source(self.pairs, self.range[first:last], self.fps, self.display)

    def get_video_size(self) -> tuple[int, int, int]:
        height, width = self._pair(0)[0].shape[-2:]
        return height, width, len(self.range)

    def get_frames_per_second(self) -> float:
        return self.fps

    def get_batch_size(self) -> int:
        return 1

    def get_test_frame(self, frame: int, device: torch.device, colorspace: str) -> Tensor:
        return self._shown(self._pair(frame)[0], colorspace)

    def get_reference_frame(self, frame: int, device: torch.device, colorspace: str) -> Tensor:
        return self._shown(self._pair(frame)[1], colorspace)

    def _pair(self, frame: int) -> list[Tensor]:
        if frame != self.held[0]:
            pictures = (pictures[self.range[frame]] for pictures in self.pairs)
            self.held = (frame, batched(*pictures, minimum=SMALLEST, single=True))
        return self.held[1]

    def _shown(self, picture: Tensor, colorspace: str) -> Tensor:
        return self.photometry.source_2_target_colorspace(picture[:, :, None], colorspace)


def _source(outputs: Iterable[Tensor], references: Iterable[Tensor], fps: float | None, display: str) -> _Source:
    if display not in displays():
        raise SettingsError(f"a display must be one of {', '.join(displays())}, got {display!r}.")
    pairs = _indexed(outputs), _indexed(references)
    if len(pairs[0]) != len(pairs[1]):
        raise InputError(f"cvvdp needs equally many outputs and references, got {len(pairs[0])} and {len(pairs[1])}.")
    return _Source(pairs, range(len(pairs[0])), fps or NO_CLOCK, display)


def _indexed(pictures: Iterable[Tensor]) -> Sequence[Tensor]:
    return pictures if isinstance(pictures, Sequence) else list(pictures)
