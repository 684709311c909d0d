"""What others published about the speed of Stream-DiffVSR. None of it was measured here."""

from __future__ import annotations

from dataclasses import dataclass

NOT_MEASURED = "published, not measured here"
PAPER = "Stream-DiffVSR, arXiv:2512.23709, abstract"
APPLE_FORK = "'Expected Performance' in the README of github.com/199-biotechnologies/stream-diffvsr"


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published figure."""

    device: str
    seconds: tuple[float, float]
    """per frame, (low, high); alike where one number was given"""
    output: str
    """the upscaled frame's size as the source words it"""
    source: str
    note: str

    def __str__(self) -> str:
        low, high = self.seconds
        span = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        return f"{self.device}: {span} s a frame at {self.output} ({NOT_MEASURED})"


def _expected(device: str, low: float, high: float, note: str) -> Published:
    return Published(
        device=device,
        seconds=(low, high),
        output="720p",
        source=APPLE_FORK,
        note=f"{note}; rounded, and how it was measured is not said",
    )


PUBLISHED = (
    Published(
        device="NVIDIA RTX 4090",
        seconds=(0.328, 0.328),
        output="720p",
        source=PAPER,
        note="the authors' own, 4 steps; also the delay before the first frame",
    ),
    _expected("NVIDIA RTX 3080, 10 GB", 0.5, 0.8, "with xFormers"),
    _expected("Apple M3 Ultra, 64-192 GB", 0.8, 1.5, "MPS"),
    _expected("Apple M2/M3 Pro/Max, 32-64 GB", 1.0, 3.0, "MPS"),
    _expected("Apple M1 Pro/Max, 16-32 GB", 2.0, 4.0, "MPS"),
    _expected("Apple M1, 8 GB", 4.0, 6.0, "MPS; may need a lower resolution"),
)


def as_table() -> list[list[str]]:
    """A heading that says what this is, then one row a device, the fastest first."""
    rows = [["device", f"s/frame ({NOT_MEASURED})", "output", "source", "note"]]
    for figure in PUBLISHED:
        low, high = figure.seconds
        rows.append(
            [
                figure.device,
                f"{low:g}" if low == high else f"{low:g}-{high:g}",
                figure.output,
                figure.source,
                figure.note,
            ]
        )
    return rows
