"""Estimated against measured memory, configuration by configuration, and memory against the number of frames."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from workbench.bench.measure import measure_memory
from workbench.devices import readable
from workbench.pipeline.settings import Settings

EMBEDDED = "embedded"
PUBLISHED_WIDTH = "published width, random weights"
ONE = Settings(steps=1)  # the peak does not depend on the number of steps, the time does


@dataclass(frozen=True)
class Configuration:
    """What is estimated and measured."""

    size: tuple[int, int]
    """(h, w)"""
    settings: Settings = field(default_factory=Settings)
    model: str = EMBEDDED
    """a name on the page; ``check_estimates`` is told where it is loaded from"""
    dtype: str = "fp32"

    def __str__(self) -> str:
        parts = (self.settings.changes(), "" if self.dtype == "fp32" else self.dtype)
        return ", ".join(filter(None, parts)) or "default settings"


FOUR_K = Configuration((540, 960))
CONFIGURATIONS = (
    Configuration((90, 160)),
    Configuration((90, 160), Settings(steps=8)),
    Configuration((90, 160), ONE.but(flow_size="input")),
    Configuration((90, 160), ONE.but(flow="none")),
    Configuration((180, 320), ONE),
    Configuration((180, 320), ONE.but(artg=0)),
    Configuration((180, 320), ONE.but(tpm=False)),
    Configuration((180, 320), ONE.but(artg=0, tpm=False)),
    Configuration((270, 480), ONE),
    Configuration((360, 640), ONE),
    FOUR_K,
    Configuration((48, 64), ONE.but(flow="dis"), PUBLISHED_WIDTH),
    Configuration((48, 64), ONE.but(flow="dis", attention_slicing=True), PUBLISHED_WIDTH),
    Configuration((90, 160), ONE.but(flow="dis"), PUBLISHED_WIDTH),
    Configuration((90, 160), ONE.but(flow="dis", vae_slicing=True), PUBLISHED_WIDTH),
    Configuration((90, 160), ONE.but(artg=0, tpm=False), PUBLISHED_WIDTH),
)


@dataclass(frozen=True)
class Checked:
    """Bytes beside the weights, estimated and measured; ``process``: the measuring process's whole peak."""

    configuration: Configuration
    estimated: int
    measured: int
    process: int

    @property
    def ratio(self) -> float:
        return self.estimated / self.measured

    def __str__(self) -> str:
        h, w = self.configuration.size
        numbers = f"{readable(self.estimated):>10} estimated {readable(self.measured):>10} measured"
        return f"{f'{w}x{h}':>9} {numbers}   x{self.ratio:.2f}   {self.configuration}"


def check_estimates(
    sources: Mapping[str, str | os.PathLike[str] | None],
    configurations: Iterable[Configuration],
    *,
    device: str = "cpu",
    revision: str | None = None,
) -> Iterator[Checked]:
    """Each configuration in a process of its own, one by one; ``sources``: where each model is loaded from."""
    for one in configurations:
        found = measure_memory(
            sources[one.model], one.size, one.settings, device=device, dtype=one.dtype, revision=revision, stages=False
        )
        yield Checked(one, found.estimated, found.growth, found.process)


def growth_with_frames(
    source: str | os.PathLike[str] | None, size: tuple[int, int], settings: Settings, device: str = "cpu"
) -> dict[int, int]:
    """Measured bytes for 4 and for 16 frames; a stream needs no more for more."""
    return {n: measure_memory(source, size, settings, device=device, frames=n, stages=False).growth for n in (4, 16)}
