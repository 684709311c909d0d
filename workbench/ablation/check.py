"""A study made anew against the committed one."""

from __future__ import annotations

from workbench.ablation.study import Study, StudyRow

TOLERANCES = {"psnr_y": 0.02, "ssim_y": 0.0005, "haarpsi": 0.001, "flicker": 0.01}  # of a row's means
TIME_FACTOR = 1.5  # two ratios of times agree within it, either way: other processors have other bottlenecks
MEMORY_SHARE = 0.15

STATED = (
    f"within {TOLERANCES['psnr_y']} dB PSNR-Y, {TOLERANCES['ssim_y']} SSIM-Y, {TOLERANCES['haarpsi']} HaarPSI, "
    f"{TOLERANCES['flicker']} flicker, a factor of {TIME_FACTOR} in time and {MEMORY_SHARE:.0%} in memory"
)


def disagreements(kept: Study, again: Study) -> list[str]:
    """What in ``again`` is not as ``kept`` says, within the tolerances above: one line each; none is well.

    A row that only one of them could have (a flow estimator without weights) says nothing.
    """
    lines = []
    if again.model != kept.model:
        lines.append("the table was made with another model than the one that is here; make it again with --write")
    if (again.clips, again.size) != (kept.clips, kept.size):
        lines.append(f"the table is of {kept.clips} at {kept.size}, this is {again.clips} at {again.size}")
    for row in again.rows:
        before = kept.row(row.name)
        if before is not None:
            lines += _of_row(before, row)
        elif row.name not in kept.missing:
            lines.append(f"{row.name}: not in the table; make it again with --write")
    return lines


def _of_row(before: StudyRow, now: StudyRow) -> list[str]:
    lines = []
    for metric, tolerance in TOLERANCES.items():
        was, found = before.values[metric].mean, now.values[metric].mean
        if abs(found - was) > tolerance:
            lines.append(f"{now.name}: {metric} is {found:.4f}, the table says {was:.4f} (tolerance {tolerance})")
    if before.time and now.time and not 1 / TIME_FACTOR <= now.time / before.time <= TIME_FACTOR:
        lines.append(f"{now.name}: {now.time:.2f}x the time, the table says {before.time:.2f}x")
    if before.memory and now.memory and abs(now.memory / before.memory - 1) > MEMORY_SHARE:
        words = [f"{count / 2**20:.0f} MiB" for count in (now.memory, before.memory)]
        lines.append(f"{now.name}: {words[0]} of memory, the table says {words[1]}")
    return lines
