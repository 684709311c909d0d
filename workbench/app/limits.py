"""What this server takes from strangers."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.app.errors import LimitError, RequestError
from workbench.app.values import Probe


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The largest that is taken of each."""

    megabytes: int = 200
    seconds: float = 120.0
    pixels: int = 2048 * 2048
    """Of one input frame."""
    frames: int = 3000
    waiting: int = 8
    """Jobs in each device's queue, beside the one that runs."""
    turn: float = 120.0
    """Seconds of a live viewer, once other jobs wait for the device."""

    def check_size(self, size: int) -> None:
        """Raises LimitError for an upload of so many bytes."""
        if size > self.megabytes * 1_000_000:
            raise LimitError(
                f"the file has {size / 1e6:.0f} MB, and this server takes up to {self.megabytes} MB. "
                f"Cut the clip shorter, or encode it smaller."
            )

    def check_frame(self, probe: Probe) -> None:
        """Raises LimitError for a probed clip whose pictures are too large."""
        width, height = probe.size
        if width * height > self.pixels:
            side = int(self.pixels**0.5)
            raise LimitError(
                f"the clip is {width}x{height}, and this server takes frames of up to {self.pixels} pixels "
                f"({side}x{side}). Scale it down first: the result is four times as wide and as high."
            )

    def check_clip(self, probe: Probe, start: int = 0, frames: int | None = None) -> None:
        """Raises LimitError for a probed clip of which ``frames`` (None: all) from ``start`` on are asked for.

        Raises RequestError where it has none there.
        """
        self.check_frame(probe)
        count = probe.frames - start
        if count < 1:
            raise RequestError(f"frame {start} is past the end of the clip, whose last one is {probe.frames - 1}.")
        count = count if frames is None else min(count, frames)
        if count > self.frames:
            raise LimitError(
                f"{count} frames are more than the {self.frames} that this server takes. "
                f"Ask for the first {self.frames}, or cut the clip."
            )
        seconds = probe.lasting(start, count)
        if seconds is not None and seconds > self.seconds:
            raise LimitError(
                f"{seconds:.0f} seconds are longer than the {self.seconds:g} that this server takes. "
                f"Ask for fewer frames, or cut the clip."
            )
