"""A comparison's folder: what was asked, one line of values a frame, the pictures, and the states to go on from.

header.json             columns, metrics, the clip's size
frames.jsonl            one line a frame; a frame counts once its line is whole
pictures/<place>/<index>.png
states/<place>.<0|1>.safetensors    after the last two frames
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from workbench.errors import InputError, OutputError
from workbench.pipeline.state import State
from workbench.pixels import image_to_unit

INPUT, REFERENCE = "input", "reference"


def encode(value: Any) -> Any:
    """Numbers for JSON, which has no infinity: ``inf``, ``-inf`` and ``nan`` become these words, everywhere inside."""
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: encode(inner) for key, inner in value.items()}
    return [encode(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def decode(value: Any) -> Any:
    """Undoes ``encode``."""
    if value in ("inf", "-inf", "nan"):
        return float(value)
    if isinstance(value, dict):
        return {key: decode(inner) for key, inner in value.items()}
    return [decode(inner) for inner in value] if isinstance(value, list) else value


def read_picture(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB; raises InputError when it is missing or damaged."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if picture is None:
        raise InputError(f"the comparison's picture {path} is missing or damaged; run the comparison again.")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


class Folder:
    """Reads and writes such a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def header(self) -> dict[str, Any] | None:
        """What ``begin`` wrote; None where nothing was begun."""
        path = self.folder / "header.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def begin(self, header: dict[str, Any]) -> int:
        """Makes the folder, or checks that it holds the same comparison; the number of frames that are done."""
        path = self.folder / "header.json"
        wanted, found = json.loads(json.dumps(header)), self.header()
        if found is not None:
            if found != wanted:
                differing = [k for k in {*found, *wanted} if found.get(k) != wanted.get(k)]
                raise InputError(
                    f"{self.folder} holds another comparison (its {', '.join(sorted(differing))} differ); "
                    f"choose another folder to resume from, or delete it."
                )
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(wanted, indent=2), encoding="utf-8")
        records = self.records()
        self._lines.write_text("".join(json.dumps(encode(r)) + "\n" for r in records), encoding="utf-8")
        return len(records)

    @property
    def _lines(self) -> Path:
        return self.folder / "frames.jsonl"

    def records(self) -> list[dict[str, Any]]:
        """The whole lines, up to the first that a crash cut short."""
        whole: list[dict[str, Any]] = []
        if self._lines.is_file():
            for line in self._lines.read_text(encoding="utf-8").splitlines():
                try:
                    whole.append(decode(json.loads(line)))
                except ValueError:
                    break
        return whole

    def add(self, record: dict[str, Any]) -> None:
        with self._lines.open("a", encoding="utf-8") as file:
            file.write(json.dumps(encode(record)) + "\n")

    def picture_path(self, place: int | str, index: int) -> Path:
        return self.folder / "pictures" / str(place) / f"{index:06d}.png"

    def save_picture(self, place: int | str, index: int, picture: np.ndarray) -> None:
        """(H, W, 3) uint8 RGB, lossless."""
        path = self.picture_path(place, index)
        path.parent.mkdir(parents=True, exist_ok=True)
        fast = [cv2.IMWRITE_PNG_COMPRESSION, 1]
        if not cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), fast):
            raise OutputError(f"{path} could not be written; is the disk full?")

    def picture(self, place: int | str, index: int) -> np.ndarray:
        return read_picture(self.picture_path(place, index))

    def pictures(self, place: int | str, count: int) -> Pictures:
        """(3, H, W) float in [0, 1], read one by one."""
        return Pictures(self, place, count)

    def save_state(self, place: int, state: State) -> None:
        folder = self.folder / "states"
        folder.mkdir(exist_ok=True)
        state.save(folder / f"{place}.{state.index % 2}.safetensors")

    def state(self, place: int, index: int) -> State | None:
        """The state after ``index`` frames; None at the start, and for a column that keeps none."""
        if not index or place not in self.records()[index - 1]["states"]:
            return None
        path = self.folder / "states" / f"{place}.{index % 2}.safetensors"
        state = State.load(path)
        if state.index != index:
            raise InputError(f"{path} is the state after {state.index} frames, not {index}; delete the folder.")
        return state


class Pictures(Sequence[Tensor]):
    """A column's pictures, each read when it is asked for."""

    def __init__(self, store: Folder, place: int | str, length: int) -> None:
        self.store, self.place, self.length = store, place, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(self.length))]
        if not 0 <= index < self.length:
            raise IndexError(index)
        return image_to_unit(self.store.picture(self.place, index))
