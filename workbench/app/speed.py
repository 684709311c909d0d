"""How fast this machine is: measured on a tiny job once, and again by every job that ends.

One file per model, device and precision under ``speed/`` of the store's root, so that lanes never share one.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from workbench.app.kinds import KINDS, Kind
from workbench.files import replacing

CALIBRATION_SIZE = (96, 128)  # (h, w): the smallest at which seconds per FLOP are within a fifth of larger frames'
CALIBRATION_FRAMES = 3


@dataclass(frozen=True)
class Speed:
    """How long a frame takes."""

    size: tuple[int, int]
    """(h, w)"""
    settings: dict[str, Any]
    seconds: float
    """the model's, for a frame that has a previous one"""
    extra: dict[str, float] = field(default_factory=dict)
    """kind of job -> seconds of reading, writing, metrics and figures, per unit of that kind (see ``units``)"""


def units(kind: Kind, size: tuple[int, int], steps: int) -> float:
    """What a frame's extra work grows with: output megapixels; for figures, their number."""
    return 2.0 * steps + 3.0 if KINDS[kind].figures else 16 * size[0] * size[1] / 1e6


class Speeds:
    """The measured speeds in a store."""

    def __init__(self, data: Path) -> None:
        self.folder = data / "speed"

    def get(self, model: str, device: str, dtype: str) -> Speed | None:
        """None where nothing was measured yet (or what was is of an older version)."""
        try:
            found = json.loads(self._file(model, device, dtype).read_text(encoding="utf-8"))
            return Speed(**found | {"size": tuple(found["size"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def put(self, model: str, device: str, dtype: str, speed: Speed) -> None:
        """Keeps the extra work of the other kinds of job, as measured before."""
        before = self.get(model, device, dtype)
        extra = ({} if before is None else before.extra) | speed.extra
        path = self._file(model, device, dtype)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_text(json.dumps(asdict(speed) | {"extra": extra}), encoding="utf-8")

    def _file(self, model: str, device: str, dtype: str) -> Path:
        readable = re.sub(r"[^\w]+", "-", f"{model or 'embedded'} {device} {dtype}")
        return self.folder / f"{readable}-{sha256(f'{model} {device} {dtype}'.encode()).hexdigest()[:8]}.json"


@contextmanager
def tiny_clip() -> Iterator[Path]:
    """A store's root with the clip ``clip.mp4``, for a calibration; gone afterwards."""
    from workbench.bench.noise import moving_noise
    from workbench.video import ClipWriter

    with tempfile.TemporaryDirectory(prefix="calibration-") as folder:
        with ClipWriter(Path(folder) / "clip.mp4", fps=24) as writer:
            for frame in moving_noise(CALIBRATION_SIZE, CALIBRATION_FRAMES):
                writer.write(frame)
        yield Path(folder)
