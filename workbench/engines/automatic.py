"""``auto``: the engine with the best measured gain that is here, where its graphs are there already or will pay."""

from __future__ import annotations

from collections.abc import Collection

from workbench.engines.choose import best_engine
from workbench.engines.graphs import GraphRunner
from workbench.engines.runner import Runner, Say, make_runner, precision, unsaid
from workbench.engines.table import AUTO, TORCH
from workbench.models.models import Models

EXPORT_SECONDS = 30.0  # of all graphs of a size; 12 s on an idle core for the embedded model, and machines differ


class AutomaticRunner(Runner):
    """Torch, until ``settle`` or a full cache says otherwise for a size; then always the same for that size.

    An export takes longer than a short clip, so a first run is never slowed down by one that it does not win back.
    """

    def __init__(self, models: Models) -> None:
        super().__init__(models)
        self.best = best_engine(models.device.type, precision(models))
        self._graphs: GraphRunner | None = None
        self._settled: dict[tuple[int, int], Runner] = {}

    @property
    def name(self) -> str:
        return AUTO

    def at(self, size: tuple[int, int], *, inside: Collection[str] = (), attention_slicing: bool = False) -> Runner:
        """Torch where only torch will do: for taps inside the networks, and for attention slicing."""
        if size not in self._settled:
            self._settled[size] = self._built(size)
        return Runner(self.plain) if inside or attention_slicing else self._settled[size]

    def settle(self, size: tuple[int, int], seconds: float, say: Say = unsaid) -> str:
        """Decides for a clip of this size that will take torch about ``seconds``; a sentence that tells what and why.

        Exports now where that pays.
        """
        ready = self.at(size)
        if ready.name != TORCH:
            return f"engine {ready.name}: its graphs for {_words(size)} are in the cache."
        if self.best is None:
            return f"engine {TORCH}: no faster one is installed here ('workbench engines' tells how)."
        saved = seconds * (1 - self.best.gain[self.plain.device.type])
        if saved < EXPORT_SECONDS:
            return (
                f"engine {TORCH}: {self.best.name} would save about {saved:.0f} s here, less than its export takes "
                f"(--engine {self.best.name} makes it, for later runs too)."
            )
        runner = self._runner()
        runner.prepare(size, say)
        self._settled[size] = runner
        return f"engine {runner.name}: the fastest measured that is installed here."

    def use(self, size: tuple[int, int], name: str) -> None:
        """Goes on with what an earlier run used. Raises EngineError where that cannot run here."""
        best = self.best is not None and name == self.best.name
        self._settled[size] = self._runner() if best else make_runner(self.plain, name)

    def _built(self, size: tuple[int, int]) -> Runner:
        return self._runner() if self.best is not None and self._runner().built(size) else Runner(self.plain)

    def _runner(self) -> GraphRunner:
        assert self.best is not None
        if self._graphs is None:
            self._graphs = GraphRunner(self.plain, self.best)
        return self._graphs


def _words(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
