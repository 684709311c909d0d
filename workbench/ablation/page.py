"""The study as a page: the table, and in words what each part buys and costs. All of it follows from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.ablation.check import STATED
from workbench.ablation.study import METRICS, TOLD, Study, StudyRow, effect
from workbench.comparison.datasets import origin

TITLES = ("", "PSNR-Y ↑ (dB)", "SSIM-Y ↑", "HaarPSI ↑", "flicker ↓", "time", "memory")
DIGITS = {"psnr_y": 3, "ssim_y": 4, "haarpsi": 4, "flicker": 3}
PARTS = {
    "ARTG off": (
        "Auto-Regressive Temporal Guidance (`artg`)",
        "The ControlNet sees what the previous output, warped, has beyond the picture that this frame alone gives.",
    ),
    "TPM off": (
        "Temporal Processing Modules (`tpm`)",
        "The decoder fuses features of the warped previous output with its own.",
    ),
    "ARTG and TPM off": ("Both", "Without both, every frame is upscaled alone, and no flow is estimated."),
    "no flow": (
        "Optical flow (`flow`)",
        "What ARTG and TPM see is moved to where it is now; without flow it stays where it was.",
    ),
}


def page(study: Study, figure: str) -> str:
    """Markdown; ``figure``: the picture's file name."""
    return (
        "\n".join(
            [
                *_head(study),
                *_table(study, [row for row in study.rows if not row.approximation]),
                *(f"| {name} | {'– | ' * (len(TITLES) - 1)}".rstrip() for name in study.missing),
                "",
                f"![The same as a figure]({figure})",
                "",
                *_words(study),
                *_approximations(study),
            ]
        )
        + "\n"
    )


def _head(study: Study) -> list[str]:
    h, w = study.size
    clips = ", ".join(f"`{name}`" for name in study.clips)
    frames = " or ".join(str(count) for count in sorted(set(study.clips.values())))
    return [
        "# Which part earns its cost",
        "",
        "Made by `workbench ablate --write`, which also makes the figure and the numbers that the app shows beside its",
        f"settings; `workbench ablate --check` runs it again and compares, {STATED}.",
        "",
        f"The embedded model (weights `{study.model[:12]}`) with its default settings, and one of them changed at a",
        f"time, on {len(study.clips)} scenes of {frames} frames from `samples/scenes` ({clips}):",
        f"brought down to {w}x{h}, enlarged to {4 * w}x{4 * h}. All rows see the same frames and the same noise (but",
        "for another seed's row).",
        "",
        "In brackets: the difference to the first row over the same frames. The scene is the unit: a star stands where",
        "the difference holds from scene to scene (Student's t, 95 %, corrected for all tests of one table together",
        "by Holm's method) and is large enough to matter. No star means that no difference was found, not that there",
        "is none. Time is a ratio of seconds per frame, taken frame by frame in one run on",
        f"{study.made['processor']}, {study.made['cores']}; memory is the peak beside the",
        "weights for whole frames of 320x180, estimated as `--dry-run` does (how near that is to measurement:",
        "[memory.md](memory.md)).",
        "",
        f"{origin(study.clips)}:",
        "compare the rows, and do not judge the model by their level.",
        "",
    ]


def _table(study: Study, shown: Sequence[StudyRow]) -> list[str]:
    rows = ["| " + " | ".join(TITLES) + " |", "|---" * len(TITLES) + "|"]
    for row in shown:
        cells = [_cell(study, row, metric) for metric in METRICS]
        time = "–" if row.time is None else f"{row.time:.2f}x"
        memory = "–" if row.memory is None else f"{row.memory / 2**20:.0f} MiB"
        rows.append("| " + " | ".join([row.name, *cells, time, memory]) + " |")
    return rows


def _approximations(study: Study) -> list[str]:
    rows = [row for row in study.rows if row.approximation]
    return [
        "",
        "## Approximations",
        "",
        "The same computation, less exactly; off unless they are asked for. `reuse_residuals` runs the ControlNet on",
        "every other step, `reuse_deep_features` the deeper levels of the UNet; the step between takes what they gave",
        "before. Engines whose names end in `int8` run the inner convolutions of the decoder in it; the exact engine",
        "that each is to be compared with stands above it ([engines](engines.md)). Times are of small frames.",
        "",
        *_table(study, [study.base, *rows]),
        "",
        *(f"- **{row.name}**: {effect(study, row)}." for row in rows),
    ]


def _cell(study: Study, row: StudyRow, metric: str) -> str:
    value, digits = row.values[metric], DIGITS[metric]
    if row is study.base:
        return f"{value.mean:.{digits}f}"
    star = "*" if value.certain else ""
    return f"{value.mean:.{digits}f} ({value.difference:+.{digits}f}{star})"


def _words(study: Study) -> list[str]:
    lines = ["## What each part buys", ""]
    for name, (title, what) in PARTS.items():
        row = study.row(name)
        assert row is not None
        lines += [f"- **{title}.** {what} {bought(study, row)}"]
    lines += ["", "## What the other settings do", ""]
    for row in study.rows[1:]:
        if row.name not in PARTS and row.time is not None and not row.approximation:
            lines.append(f"- **{row.name}**: {effect(study, row)}.")
    plain = study.row("bicubic")
    if plain is not None:
        lines.append(f"- **bicubic**, for scale: {effect(study, plain)}.")
    lines += [f"- **{name}**: not measured; {reason}." for name, reason in study.missing.items()]
    return lines


def bought(study: Study, without: StudyRow) -> str:
    """From the row without a part: what having it buys and costs."""
    buys, costs = [], []
    for metric, label, unit, digits in TOLD:
        value = without.values[metric]
        if not value.certain:
            continue
        amount = f"{abs(value.difference):.{digits}f}{unit}"
        more = "more" if value.difference < 0 else "less"  # with the part than without it
        gain = (more == "more") == (metric == "psnr_y")
        (buys if gain else costs).append(f"{amount} {more} {label}")
    assert without.time is not None
    costs.append(f"{1 / without.time - 1:.0%} more time" if without.time < 0.99 else "no time to speak of")
    return f"It buys {' and '.join(buys) or 'nothing that these scenes can show'}; it costs {' and '.join(costs)}."
