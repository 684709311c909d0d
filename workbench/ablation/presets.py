"""Three settings to choose from, picked from the measured table by a rule: when the model changes, so do they."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.ablation.study import Study, StudyRow, committed, effect

PARTS = ("steps", "artg", "tpm", "flow", "flow_size")  # what a preset may change; memory settings change no picture
LOST = {"psnr_y": -0.2, "ssim_y": -0.003, "haarpsi": -0.003}  # at most, by the fast one
FLICKER = 1.08  # times the default's, at most, by the fast one
LONGER = 2.0  # times the default's time, at most, by the best one


@dataclass(frozen=True)
class Preset:
    """Settings to start from."""

    name: str
    changes: dict[str, Any]
    """To the default settings."""
    about: str
    """What they were measured to do."""


def presets() -> tuple[Preset, ...]:
    """``Fast``, ``Balanced`` and ``Best``; those that no row of the table earns are left out. One row is one preset."""
    study = committed()
    rows = [
        row for row in study.rows[1:] if row.time is not None and set(row.changes) and set(row.changes) <= set(PARTS)
    ]
    quick = [row for row in rows if _harmless(study, row)]
    fast = min(quick, key=lambda row: row.time or 1.0, default=None)
    good = [r for r in rows if r is not fast and r.time is not None and r.time <= LONGER and _better(r)]
    best = max(good, key=lambda row: row.values["psnr_y"].difference, default=None)
    found = [Preset("Fast", fast.changes, effect(study, fast))] if fast is not None else []
    found += [Preset("Balanced", {}, "the default settings, to which the others are compared")]
    found += [Preset("Best", best.changes, effect(study, best))] if best is not None else []
    return tuple(found)


def _harmless(study: Study, row: StudyRow) -> bool:
    """Whether a row is quicker, and loses little that can be seen."""
    kept = all(row.values[name].difference >= most for name, most in LOST.items())
    steady = row.values["flicker"].mean <= FLICKER * study.base.values["flicker"].mean
    return row.time is not None and row.time < 0.95 and kept and steady


def _better(row: StudyRow) -> bool:
    """Whether a row has more fidelity and no more flicker. Its words say whether that is certain."""
    return row.values["psnr_y"].difference > 0 and row.values["flicker"].difference <= 0
