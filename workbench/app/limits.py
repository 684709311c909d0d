"""What this server takes from strangers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.app.errors import LimitError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """``pixels``: of one input frame. ``waiting``: jobs in each device's queue, beside the one that runs."""

    megabytes: int = 200
    seconds: float = 120.0
    pixels: int = 2048 * 2048
    frames: int = 3000
    waiting: int = 8

    def check_size(self, size: int) -> None:
        """Raises LimitError for an upload of so many bytes."""
        if size > self.megabytes * 1_000_000:
            raise LimitError(
                f"the file has {size / 1e6:.0f} MB, and this server takes up to {self.megabytes} MB. "
                f"Cut the clip shorter, or encode it smaller."
            )

    def check_frame(self, probe: dict[str, Any]) -> None:
        """Raises LimitError for a probed clip whose pictures are too large."""
        width, height = probe["width"], probe["height"]
        if width * height > self.pixels:
            side = int(self.pixels**0.5)
            raise LimitError(
                f"the clip is {width}x{height}, and this server takes frames of up to {self.pixels} pixels "
                f"({side}x{side}). Scale it down first: the result is four times as wide and as high."
            )

    def check_clip(self, probe: dict[str, Any], frames: int | None = None) -> None:
        """Raises LimitError for a probed clip of which the first ``frames`` (None: all) are asked for."""
        self.check_frame(probe)
        count = probe.get("frames")
        if count is not None and frames is not None:
            count = min(count, frames)
        if count is not None and count > self.frames:
            raise LimitError(
                f"{count} frames are more than the {self.frames} that this server takes. "
                f"Ask for the first {self.frames}, or cut the clip."
            )
        seconds = probe.get("seconds")
        if seconds is not None and probe.get("frames") and count is not None:
            seconds = seconds * count / probe["frames"]
        if seconds is not None and seconds > self.seconds:
            raise LimitError(
                f"{seconds:.0f} seconds are longer than the {self.seconds:g} that this server takes. "
                f"Ask for fewer frames, or cut the clip."
            )
