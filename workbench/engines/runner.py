"""How one pipeline's networks are run. ``Runner`` itself runs them as they are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from workbench.engines.choose import check_engine
from workbench.engines.table import AUTO, ENGINES, TORCH, Engine
from workbench.errors import SettingsError, TraceError

if TYPE_CHECKING:
    from workbench.models.models import Models

AUTOMATIC = "workbench.engines.automatic:AutomaticRunner"  # a runner that makes runners
ORDER = ("bfloat16", "float16", "float32")
Say = Callable[[str], object]
"""Is told what takes long."""


def unsaid(words: str) -> None:
    """Nobody listens."""


class Runner:
    """Networks as they are: the engine ``torch``, and what all engines have in common.

    ``models``: what the loop calls. Sizes are (h, w) of low-resolution frames, padded as the loop pads them.
    """

    def __init__(self, models: Models, engine: Engine = ENGINES[TORCH]) -> None:
        self.plain = models
        self.engine = engine
        self.models = models
        self.say: Say = unsaid
        """is told what a frame waits for"""

    @property
    def name(self) -> str:
        return self.engine.name

    def at(
        self,
        size: tuple[int, int],
        *,
        inside: Collection[str] = (),
        attention_slicing: bool = False,
        reusing: bool = False,
    ) -> Runner:
        """What runs frames of this size. ``inside``: taps that look into the networks. ``reusing``: deep features are.

        Raises TraceError for taps, SettingsError for slicing, that this engine does not have.
        """
        if inside and not self.engine.inside:
            raise TraceError(
                f"engine {self.name!r} does not show what happens inside a network, as {', '.join(inside)} do; "
                f"run with engine {TORCH!r} (--engine {TORCH}) to record or edit it."
            )
        if attention_slicing and not self.engine.inside:
            raise SettingsError(f"attention_slicing is for engine {TORCH!r}; {self.name!r} has no use for it.")
        return self

    def prepare(self, size: tuple[int, int], say: Say = unsaid, *, reusing: bool = False) -> None:
        """Does now what the first frames of this size would wait for."""

    def extra_memory(self, stages: Mapping[str, int], weights: int, *, sliced: bool) -> int:
        """Bytes beyond torch's own peak, given torch's peak by stage and the bytes of the weights.

        ``sliced``: with ``vae_slicing``.
        """
        return 0


def make_runner(models: Models, engine: str) -> Runner:
    """The runner of a named engine, or of ``auto``. Raises EngineError where it cannot run here."""
    if engine == AUTO:
        return resolve_name(AUTOMATIC)(models)
    row = check_engine(engine, models.device.type, precision(models))
    return resolve_name(row.runner)(models, row)


def precision(models: Models) -> str:
    """``float32``; the lowest where the networks differ."""
    return lowest(network.dtype for network in (models.unet, models.controlnet, models.vae))


def lowest(dtypes: Iterable[Any]) -> str:
    """The name of the lowest of some torch dtypes."""
    return min((str(dtype).removeprefix("torch.") for dtype in dtypes), key=ORDER.index)
