"""A comparison of which each column is made by a worker of its own, and all are put together at the end."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from workbench.comparison.comparison import Comparison
from workbench.comparison.run import compare
from workbench.comparison.upscalers import name_settings
from workbench.errors import SettingsError
from workbench.pipeline.memory import check_memory
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings

Works = Callable[[Sequence[Callable[[Any], Any]]], Iterable[Any]]
"""Calls works with a pipeline, somewhere, and gives what they return, in their order (``batch.spread.Spread``)."""


@dataclass(frozen=True)
class _Column:
    """Settings, or what is compared against, alone. ``made``: opens the clip and its reference, where it is called."""

    name: str
    folder: str
    made: Callable[[], tuple[Any, Any]]
    settings: Settings | None
    options: dict[str, Any] = field(default_factory=dict)

    def __call__(self, pipe: Pipeline | None) -> str:
        clip, reference = self.made()
        mine = () if self.settings is None else (self.settings,)
        pipe = None if self.settings is None else pipe
        if pipe is not None:
            check_memory(pipe, (clip.height, clip.width), self.settings)
        compare(pipe, clip, *mine, reference=reference, resume=self.folder, **self.options)
        return self.folder


def compare_apart(
    works: Works,
    made: Callable[[], tuple[Any, Any]],
    *settings: Settings,
    against: Sequence[str | os.PathLike[str]] = ("bicubic",),
    resume: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Comparison:
    """As ``compare``: every one of ``settings`` is a work of its own, and what they are compared ``against`` one more.

    ``made``: gives the clip and the reference (None without one), and can be pickled. ``resume``: a folder that all
    workers see; without it, one of this machine. Times are each worker's own.
    """
    temporary = None
    if resume is None:
        temporary = TemporaryDirectory(prefix="comparison-")
        resume = temporary.name
    folder = Path(resume).absolute()
    names = name_settings(settings)
    columns = [
        _Column(name, str(folder / "parts" / str(place)), made, one, {**options, "against": ()})
        for place, (name, one) in enumerate(zip(names, settings, strict=True))
    ]
    if against:
        columns.append(_Column("others", str(folder / "parts" / "others"), made, None, {**options, "against": against}))
    if not columns:
        raise SettingsError("a comparison needs settings, or something to compare against.")
    parts = [Comparison.load(part) for part in works(columns)]
    renamed = [{"pipeline": name} for name in names] + [{}] * bool(against)
    return _together(parts, renamed, folder, temporary)


def _together(
    parts: list[Comparison], renamed: list[dict[str, str]], folder: Path, temporary: TemporaryDirectory[str] | None
) -> Comparison:
    """One comparison in ``folder``, with links to the pictures of the parts, or copies where there are no links."""
    values, seconds, columns = {}, {}, []
    pictures = folder / "pictures"
    for part, names in zip(parts, renamed, strict=True):
        assert part.folder is not None
        for place, about in enumerate(part.about["columns"]):
            old = about["name"]
            new = names.get(old, old)
            _copied(part.folder / "pictures" / str(place), pictures / str(len(columns)))
            values[new], seconds[new] = part.values[old], part.seconds[old]
            columns.append(about | {"name": new})
        for shared in ("input", "reference"):
            if (part.folder / "pictures" / shared).is_dir():
                _copied(part.folder / "pictures" / shared, pictures / shared)
    about = parts[0].about | {"columns": columns}
    comparison = Comparison(values, seconds, about, folder, temporary)
    comparison.to_json(folder / "comparison.json")
    header = {name: about[name] for name in ("columns", "metrics", "clip", "reference", "size")}
    (folder / "header.json").write_text(json.dumps(header, indent=2), encoding="utf-8")
    return comparison


def _copied(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        if not (target / file.name).exists():
            try:
                os.link(file, target / file.name)
            except OSError:
                shutil.copyfile(file, target / file.name)
