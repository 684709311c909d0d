"""The page of degradations tells of every step what it stands for."""

from __future__ import annotations

from pathlib import Path

from workbench.degrade.chain import DAMAGES, RESIZES, parse

PAGE = Path(__file__).parents[2] / "docs" / "degradations.md"


def test_every_step_is_on_the_page_with_its_range() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, words in RESIZES.items():
        assert f"| `{name}` | {words} |" in text
    for name, kind in DAMAGES.items():
        assert f"| `{name}:{kind.usual:g}` |" in text
        assert f"{kind.low:g} to {kind.high:g} | {kind.usual:g} | {kind.stands_for} |" in text


def test_every_chain_of_the_page_is_one() -> None:
    for line in PAGE.read_text(encoding="utf-8").partition("## Chains")[2].splitlines():
        if line.startswith("| `"):
            parse(line.split("`")[1])
