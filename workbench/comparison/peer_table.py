"""The shipped models beside the tools that people use now, on the shipped scenes, clean and compressed: a table.

Made by one command, which also checks it; every word of the page follows from the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from workbench.comparison.datasets import origin
from workbench.comparison.evaluation import Evaluation, evaluate
from workbench.comparison.machine import machine, versions
from workbench.comparison.peers import PEERS
from workbench.comparison.upscalers import PipelineUpscaler, Upscaler
from workbench.devices import readable
from workbench.files import table_text, table_values
from workbench.metrics import METRICS
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings

FORMAT = "stream-diffvsr-peers/3"
DEGRADATIONS = ("bicubic", "bicubic+h264:28", "bicubic+h264:33")
MEASURED = ("psnr_y", "haarpsi", "vmaf_neg", "cvvdp", "flicker")
DIGITS = {"psnr_y": 2, "haarpsi": 3, "vmaf_neg": 1, "cvvdp": 2, "flicker": 2}
TOLERANCES = {"psnr_y": 0.02, "haarpsi": 0.002, "vmaf_neg": 0.5, "cvvdp": 0.02, "flicker": 0.02}
FRAMES = 2  # of each scene: the strongest peer is slow, and more scenes tell more than more frames of them
MEMORY_SHARE = 0.15
BEGIN, END = "<!-- peers: written by workbench peers -->", "<!-- end of peers -->"  # in the README
IN_README = {"bicubic": "Clean frames", "bicubic+h264:28": "The same through x264 at crf 28, as a site serves them"}
STATED = (
    "within "
    + ", ".join(f"{value:g} {METRICS[name].label}" for name, value in TOLERANCES.items())
    + f" and {MEMORY_SHARE:.0%} of memory"
)


@dataclass(frozen=True)
class PeerRow:
    """One upscaler under one degradation."""

    degradation: str
    name: str
    means: dict[str, float]
    """over the scenes"""
    verdicts: dict[str, str]
    """of the difference to the first row of its degradation; none in that row itself"""
    seconds: float
    """of a frame: the median over the frames but each scene's first, under the degradation that went fastest, as other
    programs of the machine can only add to it"""
    memory: int
    """bytes at the highest point of one frame of 320x180 in a process of its own, beyond Python and its libraries"""


@dataclass(frozen=True)
class PeerTable:
    """The whole table."""

    models: dict[str, str]
    """fingerprints of the shipped models' folders, by name"""
    clips: dict[str, int]
    """name -> frames"""
    size: tuple[int, int]
    """(h, w) of the low-resolution frames"""
    rows: list[PeerRow]
    made: dict[str, str]
    """versions and machine"""

    def to_json(self) -> str:
        return table_text(self, FORMAT)

    @classmethod
    def from_json(cls, text: str) -> PeerTable:
        content = table_values(text, FORMAT)
        rows = [PeerRow(**row) for row in content.pop("rows")]
        return cls(rows=rows, size=tuple(content.pop("size")), **content)


def shipped() -> Path:
    """Where the committed table lies."""
    return Path(str(files("workbench") / "data" / "peers.json"))


def measure(
    pipes: Mapping[str, Pipeline],
    scenes: Path,
    *,
    models: dict[str, str],
    memory: Callable[[str], int],
    degradations: Sequence[str] = DEGRADATIONS,
    against: Sequence[str | Upscaler] = ("bicubic", *PEERS),
    metrics: Sequence[str] = MEASURED,
    on_clip: Callable[[str], None] = lambda words: None,
) -> PeerTable:
    """Runs all upscalers in step over the same frames, for each degradation.

    ``pipes``: our models by name; differences are to the first. ``models``: their fingerprints. ``memory``: bytes that
    an upscaler or model needs, by name (``bench.footprint``)."""
    first, *others = pipes
    columns = [*(PipelineUpscaler(pipes[name], Settings(), name) for name in others), *against]
    done = [
        evaluate(
            pipes[first], scenes, degradation=degradation, against=columns, metrics=metrics, frames=FRAMES,
            on_clip=lambda name, _, d=degradation: on_clip(f"{d}: {name}"),
        )
        for degradation in degradations
    ]  # fmt: skip
    names = [first, *done[0].columns[1:]]
    columns_of = dict(zip(names, done[0].columns, strict=True))
    costs = {name: (min(_seconds(found, columns_of[name]) for found in done), memory(name)) for name in names}
    rows = [_row(found, columns_of[name], name, *costs[name]) for found in done for name in names]
    clips = {name: clip.frames for name, clip in done[0].clips.items()}
    width, height = next(iter(done[0].clips.values())).about["clip"]["size"]
    return PeerTable(models, clips, (height, width), rows, versions() | machine())


def _seconds(found: Evaluation, column: str) -> float:
    return float(np.median([s for clip in found.clips.values() for s in clip.seconds[column][1:]]))


def _row(found: Evaluation, column: str, name: str, seconds: float, memory: int) -> PeerRow:
    means = {metric: round(found.mean(column, metric), 5) for metric in found.metrics}
    verdicts = {metric: said for (name, metric), (_, said) in found.judged.items() if name == column}
    return PeerRow(found.degradation, name, means, verdicts, round(seconds, 4), memory)


def page(table: PeerTable) -> str:
    """Markdown."""
    h, w = table.size
    ours = ", ".join(f"`{name}`, weights `{digest[:12]}`" for name, digest in table.models.items())
    lines = [
        "# Beside the tools that people use now",
        "",
        f"Made by `workbench peers --write`; `workbench peers --check` runs it again and compares, {STATED}.",
        "",
        f"What ships with this package ({ours}) beside bicubic interpolation and Real-ESRGAN's networks,",
        f"run by ncnn, on the first {max(table.clips.values())} frames of {len(table.clips)} scenes",
        f"({', '.join(f'`{name}`' for name in table.clips)}), made small to {w}x{h} in the way that heads each",
        "table, and enlarged again. The scene is the unit: a word says that the difference to the first row holds",
        "from scene to scene (Student's t, 95 %, corrected for all tests of its table by Holm's method) and is large",
        "enough to matter; without one, none was found. Seconds are of one frame in one run on",
        f"{table.made['processor']}, {table.made['cores']}. Memory is the peak of a process that enlarges one frame of",
        "320x180, whole, beyond Python and its libraries: weights and work. ncnn runs on the processor here; it can",
        "run on GPUs with Vulkan too, which nobody has tried with this workbench yet.",
        "",
        f"{origin(table.clips)}.",
        "Real-ESRGAN's networks were trained to invent detail and to remove compression, which likeness to the",
        "original does not reward.",
    ]
    for degradation in dict.fromkeys(row.degradation for row in table.rows):
        lines += ["", f"## {degradation}", "", *_lines(table, degradation)]
    return "\n".join(lines) + "\n"


def excerpt(table: PeerTable) -> str:
    """What the README shows of it, between its marks."""
    lines = [BEGIN]
    for degradation, words in IN_README.items():
        lines += ["", f"{words} (`{degradation}`):", "", *_lines(table, degradation)]
    return "\n".join([*lines, "", END])


def with_excerpt(readme: str, table: PeerTable) -> str:
    """The README's text with the newest excerpt."""
    before, _, rest = readme.partition(BEGIN)
    return before + excerpt(table) + rest.partition(END)[2]


def _lines(table: PeerTable, degradation: str) -> list[str]:
    """The rows of one degradation, with their heading."""
    titles = [f"{METRICS[m].label} {'↑' if METRICS[m].higher_is_better else '↓'}" for m in MEASURED]
    lines = ["|  | " + " | ".join([*titles, "s/frame", "memory"]) + " |", "|---" * (len(titles) + 3) + "|"]
    for row in table.rows:
        if row.degradation == degradation:
            cells = [row.name, *(_cell(row, metric) for metric in MEASURED), f"{row.seconds:.3g}", readable(row.memory)]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def _cell(row: PeerRow, metric: str) -> str:
    said = row.verdicts.get(metric, "")
    word = f" ({said})" if said in ("better", "worse") else ""
    return f"{row.means[metric]:.{DIGITS[metric]}f}{word}"


def disagreements(kept: PeerTable, again: PeerTable) -> list[str]:
    """What in ``again`` is not as ``kept`` says: one line each. Seconds are another machine's."""
    if again.models != kept.models:
        return ["the table was made with other models than those that are here; make it again with --write"]
    before = {(row.degradation, row.name): row for row in kept.rows}
    lines = []
    for row in again.rows:
        was = before.get((row.degradation, row.name))
        if was is None:
            lines.append(f"{row.degradation}, {row.name}: not in the table; make it again with --write")
            continue
        lines += [
            f"{row.degradation}, {row.name}: {metric} is {row.means[metric]:.4f}, not {was.means[metric]:.4f}"
            for metric, tolerance in TOLERANCES.items()
            if abs(row.means[metric] - was.means[metric]) > tolerance
        ]
        if abs(row.memory / was.memory - 1) > MEMORY_SHARE:
            now, then = readable(row.memory), readable(was.memory)
            lines.append(f"{row.degradation}, {row.name}: {now} of memory, the table says {then}")
    return lines
