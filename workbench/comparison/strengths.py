"""Quality against the strength of a damage: where does each upscaler stop being better than plain interpolation?"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from workbench.comparison.evaluation import Evaluation, evaluate
from workbench.comparison.statistics import BETTER, TOO_FEW_CLIPS, over_clips
from workbench.comparison.tables import aligned, significant
from workbench.comparison.verdicts import judged
from workbench.degrade import DAMAGES, parse
from workbench.errors import SettingsError
from workbench.metrics import METRICS
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings

PLAIN = "bicubic"


@dataclass(frozen=True)
class Strengths:
    """An evaluation for every strength of the last step of ``degradation``, in the order of rising damage."""

    degradation: str
    evaluations: dict[float, Evaluation]

    def made_by(self, command: str) -> Strengths:
        """The same, with the command that made it."""
        return replace(self, evaluations={at: found.made_by(command) for at, found in self.evaluations.items()})

    @property
    def columns(self) -> list[str]:
        return next(iter(self.evaluations.values())).columns

    @property
    def metrics(self) -> list[str]:
        return next(iter(self.evaluations.values())).metrics

    def means(self, column: str, metric: str) -> list[float]:
        """One a strength."""
        return [evaluation.mean(column, metric) for evaluation in self.evaluations.values()]

    def verdicts(self, column: str, metric: str) -> list[str]:
        """What may be said of the column against bicubic at each strength: the clip is the unit, Holm over them all."""
        tests = {
            (f"{strength:g}", metric): over_clips([
                float(np.mean(np.subtract(clip.present(column, metric), clip.present(PLAIN, metric))))
                for clip in evaluation.clips.values()
            ])
            for strength, evaluation in self.evaluations.items()
        }  # fmt: skip
        return [said for _, said in judged(tests, TOO_FEW_CLIPS).values()]

    def __str__(self) -> str:
        words = [f"{strength:g}" for strength in self.evaluations]
        lines = []
        for metric in self.metrics:
            rows = [[METRICS[metric].label, *words]]
            rows += [[column, *map(significant, self.means(column, metric))] for column in self.columns]
            lines += ["", aligned(rows)]
            if PLAIN in self.columns:
                lines += [self._sentence(column, metric) for column in self.columns if column != PLAIN]
        last = parse(self.degradation).steps[-1][0]
        return "\n".join([f"{self.degradation}, by strength of {last} ({DAMAGES[last].unit})", *lines])

    def _sentence(self, column: str, metric: str) -> str:
        said = dict(zip(self.evaluations, self.verdicts(column, metric), strict=True))
        better = [f"{strength:g}" for strength, words in said.items() if words == BETTER]
        if better:
            return f"{column} is better than {PLAIN} at {', '.join(better)}."
        if set(said.values()) == {TOO_FEW_CLIPS}:
            return f"{column} against {PLAIN}: too few clips to say."
        return f"{column} is not found better than {PLAIN} at any."

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """All evaluations as JSON text, by strength; also written to ``path``."""
        content = {
            "degradation": self.degradation,
            "strengths": {f"{strength:g}": json.loads(e.to_json()) for strength, e in self.evaluations.items()},
        }
        text = json.dumps(content, indent=1, ensure_ascii=False)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text


def by_strength(
    pipe: Pipeline | None,
    folder: str | os.PathLike[str],
    *settings: Settings,
    degradation: str,
    strengths: Sequence[float],
    **options: Any,
) -> Strengths:
    """``evaluate`` for each strength of the last step of ``degradation``, with its ``options``.

    Raises SettingsError for a degradation whose last step has no strength, or a strength it does not take.
    """
    chain = parse(degradation)
    if not chain.steps or not strengths:
        names = ", ".join(DAMAGES)
        raise SettingsError(f"strengths need a degradation that ends in one of {names}; got {degradation!r}.")
    last = chain.steps[-1][0]
    ordered = sorted(set(strengths), reverse=not DAMAGES[last].rising)
    chains = {strength: str(chain.but_last(strength)) for strength in ordered}
    for one in chains.values():
        parse(one)
    done = {strength: evaluate(pipe, folder, *settings, degradation=one, **options) for strength, one in chains.items()}
    return Strengths(degradation, done)
