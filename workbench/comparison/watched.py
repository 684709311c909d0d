"""What of a comparison can be watched: its columns, the reference, and where an eye sees that a column differs."""

from __future__ import annotations

from workbench.comparison.numbers import Numbers
from workbench.comparison.store import REFERENCE, Folder
from workbench.metrics import cvvdp_heat_map, display_of

Place = int | str
"""Where pictures lie in a store."""


def places(comparison: Numbers) -> dict[str, Place]:
    """By name. Heat maps are among them where ColorVideoVDP was measured; ``prepare`` makes their pictures."""
    found: dict[str, Place] = {column: place for place, column in enumerate(comparison.columns)}
    if comparison.about["reference"]:
        found[REFERENCE if REFERENCE not in found else f"{REFERENCE} (the truth)"] = REFERENCE
    if heat_metric(comparison) is not None:
        found |= {heat_name(column): f"heat-{place}" for place, column in enumerate(comparison.columns)}
    return found


def heat_name(column: str) -> str:
    return f"heat map of {column}"


def heat_metric(comparison: Numbers) -> str | None:
    """The metric whose heat maps there are: the first ColorVideoVDP, on its display."""
    return next((name for name in comparison.metrics if display_of(name) is not None), None)


def prepare(comparison: Numbers, store: Folder, place: Place, frames: int) -> None:
    """Makes a heat map's first ``frames`` pictures where they are missing; all other pictures are there already."""
    metric = heat_metric(comparison)
    if metric is None or not str(place).startswith("heat-") or store.picture_path(place, frames - 1).is_file():
        return
    column = int(str(place).removeprefix("heat-"))
    clips = store.pictures(column, frames), store.pictures(REFERENCE, frames)
    fps, display = comparison.about["clip"]["fps"], display_of(metric)
    assert display is not None
    for index, picture in enumerate(cvvdp_heat_map(*clips, fps, display=display)):
        store.save_picture(place, index, picture)
