"""Writes the tables of docs/taps.md anew from the table of taps: python docs/site/taps.py."""

from __future__ import annotations

from pathlib import Path

from workbench.trace.taps import TABLE, TapRow

PAGE = Path(__file__).parents[1] / "taps.md"
BEGIN, END = "\n## The taps\n", "\n`{k}` counts from 0"  # the tables lie between the two


def page(before: str) -> str:
    """The page with the tables as they are now."""
    head, _, rest = before.partition(BEGIN)
    groups: dict[str, list[TapRow]] = {}
    for row in TABLE:
        groups.setdefault(row.group, []).append(row)
    return (
        head + BEGIN + "".join(_section(group, rows) for group, rows in groups.items()) + END + rest.partition(END)[2]
    )


def _section(group: str, rows: list[TapRow]) -> str:
    lines = [f"\n### {group}\n", "| tap | meaning | shape | range | unit | fires | editable |", "|" + " --- |" * 7]
    for row in rows:
        editable = "yes" if row.editable else "no"
        cells = [f"`{row.name}`", row.meaning, f"`{row.shape}`", row.range, row.unit, row.fires, editable]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
