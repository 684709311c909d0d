"""``auto``: the engine that makes the frames soonest of those that are here, by what was measured of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

from workbench.engines.choose import best_engine, faster_engines
from workbench.engines.graphs import GraphRunner
from workbench.engines.runner import Runner, Say, make_runner, precision, unsaid
from workbench.engines.table import AUTO, TORCH, Engine
from workbench.models.models import Models

EXPORT_SECONDS = 30.0  # of all graphs of a size; 12 s on an idle core for the embedded model, and machines differ
TOLD = 1.0  # seconds that are worth a word


class AutomaticRunner(Runner):
    """For a size whose number of frames is not known, the engine that is open first, where its graphs are in the cache,
    else torch; ``settle`` decides by the whole clip. A size keeps its engine until it is settled again.

    An export takes longer than a short clip, so a first run is never slowed down by one that it does not win back.
    """

    def __init__(self, models: Models) -> None:
        super().__init__(models)
        self.best = best_engine(models.device.type, precision(models))
        self._runners: dict[str, Runner] = {}
        self._settled: dict[tuple[tuple[int, int], bool], Runner] = {}  # by size, and whether deep features are reused

    @property
    def name(self) -> str:
        return AUTO

    def at(
        self,
        size: tuple[int, int],
        *,
        inside: Collection[str] = (),
        attention_slicing: bool = False,
        reusing: bool = False,
    ) -> Runner:
        """Torch where only torch will do: for taps inside the networks, and for attention slicing."""
        if (size, reusing) not in self._settled:
            built = self._built(size, reusing)
            soonest = min(self._faster, key=lambda engine: engine.opening).name if built else TORCH
            self._settled[size, reusing] = self._runner(soonest)
        return self._runner(TORCH) if inside or attention_slicing else self._settled[size, reusing]

    def settle(self, size: tuple[int, int], seconds: float, say: Say = unsaid, *, reusing: bool = False) -> str:
        """Decides for a clip of this size that will take torch about ``seconds``; a sentence that tells what and why.

        Exports now where that pays. Says nothing where it is about no time.
        """
        if seconds < TOLD:  # not even a look at what else is here pays
            self._settled[size, reusing] = self._runner(TORCH)
            return ""
        if self.best is None:
            return f"engine {TORCH}: no faster one is installed here ('workbench engines' tells how)."
        engine = min(self._faster, key=lambda engine: self._seconds(engine, seconds))
        saved, built = seconds - self._seconds(engine, seconds), self._built(size, reusing)
        if saved <= (0.0 if built else EXPORT_SECONDS):
            self._settled[size, reusing] = self._runner(TORCH)
            return "" if saved < TOLD else (
                f"engine {TORCH}: {engine.name} would save about {saved:.0f} s here, less than its export takes "
                f"(--engine {engine.name} makes it, for later runs too)."
            )  # fmt: skip
        self._settled[size, reusing] = runner = self._runner(engine.name)
        runner.prepare(size, say, reusing=reusing)
        if saved < TOLD:
            return ""
        known = f", and its graphs for {size[1]}x{size[0]} are in the cache" if built and engine.has_graphs else ""
        return f"engine {engine.name}: the soonest done of those installed here{known}."

    def use(self, size: tuple[int, int], name: str) -> None:
        """Goes on with what an earlier run used. Raises EngineError where that cannot run here."""
        self._settled |= {(size, reusing): self._runner(name) for reusing in (False, True)}

    def extra_memory(self, stages: Mapping[str, int], weights: int, *, sliced: bool) -> int:
        """What the fastest would need."""
        return 0 if self.best is None else self._runner(self.best.name).extra_memory(stages, weights, sliced=sliced)

    @cached_property
    def _faster(self) -> list[Engine]:
        return list(faster_engines(self.plain.device.type, precision(self.plain)))

    def _seconds(self, engine: Engine, seconds: float) -> float:
        """What a run that takes torch ``seconds`` takes this engine, once its graphs are in the cache."""
        return engine.opening + seconds * engine.gain[self.plain.device.type]

    def _built(self, size: tuple[int, int], reusing: bool) -> bool:
        """Whether the faster engines need no export; they share their graphs."""
        if self.best is None:
            return False
        runner = self._runner(self.best.name)
        return not isinstance(runner, GraphRunner) or runner.built(size, reusing=reusing)

    def _runner(self, name: str) -> Runner:
        if name not in self._runners:
            self._runners[name] = make_runner(self.plain, name)
        return self._runners[name]
