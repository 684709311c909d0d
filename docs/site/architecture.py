"""Draws the rooms of the package and who imports whom, from the imports themselves: python docs/site/architecture.py.

Writes docs/architecture.svg. The floors are those of the import contract in pyproject.toml, which `make check` holds.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

import grimp

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
WIDTH, ROW, BOX, HIGH = 1160, 84, 132, 40
SHIFT = 110  # a room alone on its floor stands aside, so that arrows pass it
WORDS = {
    "cli": "the command line",
    "app": "the web app",
    "views": "figures, widgets",
    "ablation": "what each part earns",
    "batch": "many clips, machines",
    "comparison": "is it better?",
    "bench": "time and memory",
    "train": "the recipe",
    "verify": "golden outputs",
    "pipeline": "the loop",
    "models": "networks, loading",
    "metrics": "how good, how steady",
    "degrade": "x1/4 and damage",
    "flow": "motion, warping",
    "trace": "taps and edits",
    "video": "files in and out",
    "engines": "the networks, faster",
    "realtime": "while it happens",
    "player": "look and choose",
    "startup": "quick processes",
    "pixels": "x4 and ranges",
}


def floors() -> list[list[str]]:
    """The rooms of each floor, the highest first; without those that hold a few lines only."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    rows = [[room.strip() for room in layer.replace(":", "|").split("|")] for layer in layers]
    rows = [[room for room in row if not room.startswith("_")] for row in rows]
    return [row for row in rows if row]


def imports(rooms: list[str]) -> set[tuple[str, str]]:
    """(room, room that it imports), without those that follow from others."""
    graph = grimp.build_graph("workbench", exclude_type_checking_imports=False, cache_dir=None)
    pairs = {
        (upper, lower)
        for upper in rooms
        for lower in rooms
        if upper != lower and graph.direct_import_exists(
            importer=f"workbench.{upper}", imported=f"workbench.{lower}", as_packages=True
        )
    }  # fmt: skip
    reach = {room: {lower for upper, lower in pairs if upper == room} for room in rooms}
    for _ in rooms:
        for room in rooms:
            reach[room] |= {far for near in reach[room] for far in reach[near]}
    return {(a, b) for a, b in pairs if not any(b in reach[c] for x, c in pairs if x == a and c != b)}


def draw() -> str:
    rows = floors()
    places = {
        room: (WIDTH * (k + 1) / (len(row) + 1) + (SHIFT if floor % 2 else -SHIFT) * (len(row) == 1), 30 + ROW * floor)
        for floor, row in enumerate(rows)
        for k, room in enumerate(row)
    }
    between = [(places[a], places[b]) for a, b in sorted(imports(list(places)))]
    parts = [arrow(start, end) for start, end in between if start[1] < end[1]]
    parts += [box(room, *place) for room, place in places.items()]
    style = (
        "text{font:13px system-ui,sans-serif;text-anchor:middle;fill:#16302b}.about{font-size:10.5px;fill:#47615b}"
        "rect{fill:#eef5f2;stroke:#2f6f5e;rx:7}path{fill:none;stroke:#7a9a91;stroke-width:1.3}"
    )
    head = '<marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    head += '<path d="M0 0L8 4L0 8z" style="fill:#7a9a91;stroke:none"/></marker>'
    height = 60 + ROW * (len(rows) - 1)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="The rooms of the package; arrows go from a room to those it imports, always down">'
        f'<style>{style}</style><rect width="{WIDTH}" height="{height}" style="fill:#fff;stroke:none"/>'
        f"<defs>{head}</defs>{''.join(parts)}</svg>\n"
    )


def box(room: str, x: float, y: float) -> str:
    about = WORDS.get(room, "")
    text = f'<text x="{x:.0f}" y="{y + (-2 if about else 4):.0f}">{escape(room)}</text>'
    text += f'<text class="about" x="{x:.0f}" y="{y + 13:.0f}">{escape(about)}</text>' if about else ""
    return f'<rect x="{x - BOX / 2:.0f}" y="{y - HIGH / 2:.0f}" width="{BOX}" height="{HIGH}"/>{text}'


def arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    """From the lower edge of a box to the upper edge of another."""
    (x, y), (u, v) = start, end
    y, v = y + HIGH / 2, v - HIGH / 2
    bend = max(20.0, (v - y) / 2)
    curve = f"M{x:.0f} {y:.0f}C{x:.0f} {y + bend:.0f} {u:.0f} {v - bend:.0f} {u:.0f} {v:.0f}"
    return f'<path d="{curve}" marker-end="url(#a)"/>'


if __name__ == "__main__":
    (ROOT / "docs" / "architecture.svg").write_text(draw(), encoding="utf-8")
