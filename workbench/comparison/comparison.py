"""The result of a comparison: its numbers, its pictures, and their ways into files and back."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from workbench.comparison.film import write_film
from workbench.comparison.numbers import Numbers
from workbench.comparison.report import report_page, write_report
from workbench.comparison.store import Folder, decode, encode
from workbench.comparison.watched import places
from workbench.errors import InputError

FORMAT = "stream-diffvsr-comparison/1"


@dataclass(frozen=True)
class Comparison(Numbers):
    """Numbers with the pictures that they were measured on."""

    folder: Path | None = None
    """where the pictures lie; None when only numbers were kept"""
    _temporary: TemporaryDirectory[str] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def collect(
        cls,
        store: Folder,
        about: dict[str, Any],
        sequences: dict[str, dict[str, list[float | None]]],
        temporary: TemporaryDirectory[str] | None = None,
    ) -> Comparison:
        """From a folder's lines, and the metrics of whole sequences."""
        records = store.records()
        values: dict[str, dict[str, list[float | None]]] = {}
        for column in (c["name"] for c in about["columns"]):
            values[column] = {m: [r["values"][column].get(m) for r in records] for m in about["metrics"]}
            values[column].update(sequences[column])
        seconds = {column: [r["seconds"][column] for r in records] for column in values}
        comparison = cls(values, seconds, about, store.folder, temporary)
        comparison.to_json(store.folder / "comparison.json")
        return comparison

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """All numbers as JSON text, also written to ``path``; infinite values as words."""
        content = {"format": FORMAT, "about": self.about, "seconds": encode(self.seconds)}
        content["values"] = encode(self.values)
        text = json.dumps(content, indent=1, ensure_ascii=False)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text

    @classmethod
    def from_json(cls, text: str | Path) -> Comparison:
        """From ``to_json``'s text, or a ``Path`` to a file of it (beside its pictures, if they are there)."""
        try:
            content = json.loads(text.read_text(encoding="utf-8") if isinstance(text, Path) else text)
        except ValueError as error:
            raise InputError(f"a comparison is a JSON object, and this is not JSON: {error}.") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise InputError(f"this is no comparison of this workbench: expected format {FORMAT}.")
        beside = text.parent if isinstance(text, Path) and (text.parent / "pictures").is_dir() else None
        return cls(decode(content["values"]), decode(content["seconds"]), content["about"], beside)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Comparison:
        """From a folder that ``save`` or ``compare(resume=)`` left."""
        path = Path(folder) / "comparison.json"
        if not path.is_file():
            raise InputError(f"no finished comparison in {folder}; compare with resume={str(folder)!r} finishes one.")
        return cls.from_json(path)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Keeps everything, pictures included, in a folder that ``load`` takes."""
        folder = Path(folder)
        if self.folder is None:
            raise InputError("this comparison has numbers only, no pictures; keep those with to_json.")
        shutil.copytree(self.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("states"))
        return folder

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """One line a column, metric and frame: ``column,metric,frame,value``; seconds are a metric too."""
        path = Path(path)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["column", "metric", "frame", "value"])
            for column in self.columns:
                for name, values in {**self.values[column], "seconds": self.seconds[column]}.items():
                    writer.writerows([column, name, k, v] for k, v in enumerate(values) if _known(v))
        return path

    def made_by(self, command: str) -> Comparison:
        """The same, with the command that made it: reports and JSON carry it."""
        return replace(self, about=self.about | {"command": command})

    def report(self, path: str | os.PathLike[str]) -> Path:
        """One self-contained HTML page: clips under a player, pictures, curves, table, settings, versions, machine."""
        return write_report(self, self.pictures(), Path(path))

    def film(self, path: str | os.PathLike[str], *, layout: str = "sweep", columns: Sequence[str] = ()) -> Path:
        """One moving picture to share, with labels: .mp4, .mkv, .gif or .webp (see ``film.write_film``)."""
        return write_film(self, self.pictures(), Path(path), layout=layout, columns=columns)

    @property
    def film_columns(self) -> list[str]:
        """What a film can show: the columns, the reference, and heat maps where ColorVideoVDP was measured."""
        return list(places(self))

    def player(self) -> str:
        """The report's page with nothing but its player, as HTML: to be put into an iframe."""
        return report_page(self, self.pictures(), embedded=True)

    def pictures(self) -> Folder:
        """Where the pictures lie; raises InputError when only numbers were kept."""
        if self.folder is None:
            raise InputError("a report needs the comparison's pictures; load it from the folder they were kept in.")
        return Folder(self.folder)


def _known(value: float | None) -> bool:
    return value is not None and not np.isnan(value)
