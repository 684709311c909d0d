"""Estimated against measured memory, configuration by configuration, and memory against the number of frames."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workbench.bench.measure import measure_memory
from workbench.pipeline.memory import estimate_memory, readable
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings


@dataclass(frozen=True)
class Checked:
    """Bytes beside the weights, estimated and measured."""

    size: tuple[int, int]
    settings: Settings
    estimated: int
    measured: int

    @property
    def ratio(self) -> float:
        return self.estimated / self.measured

    def __str__(self) -> str:
        h, w = self.size
        changed = ", ".join(f"{name}={value[0]}" for name, value in self.settings.diff(Settings()).items())
        numbers = f"{readable(self.estimated):>10} estimated {readable(self.measured):>10} measured"
        return f"{f'{w}x{h}':>9} {numbers}   x{self.ratio:.2f}   {changed or 'default settings'}"


def check_estimates(
    pipe: Pipeline,
    source: str | os.PathLike[str] | None,
    sizes: Sequence[tuple[int, int]],
    variants: Sequence[Settings],
) -> Iterator[Checked]:
    """Each size with each settings; ``source`` is where ``pipe`` was loaded from, for the measuring processes."""
    for size in sizes:
        for settings in variants:
            estimated = estimate_memory(pipe, size, settings).working
            yield Checked(
                size, settings, estimated, measure_memory(source, size, settings, device=str(pipe.device)).growth
            )


def growth_with_frames(
    source: str | os.PathLike[str] | None, size: tuple[int, int], settings: Settings, device: str = "cpu"
) -> dict[int, int]:
    """Measured bytes for 4 and for 16 frames; a stream needs no more for more."""
    return {n: measure_memory(source, size, settings, device=device, frames=n).growth for n in (4, 16)}
