"""Writes each notebook from its script of the same name: ``python notebooks/sync.py``.

The scripts (jupytext's percent format) are what is edited and reviewed; the notebooks have no outputs. Changes made in
Jupyter go the other way with ``jupytext --sync notebooks/*.ipynb``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

HERE = Path(__file__).parent


def scripts() -> list[Path]:
    """In their order."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


def notebook(script: Path) -> NotebookNode:
    """What the script says, as a notebook; always the same for the same script."""
    made = jupytext.read(script)
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number:02d}"
    made.metadata["jupytext"].get("text_representation", {}).pop("jupytext_version", None)
    nbformat.validate(made)
    return made


def text(script: Path) -> str:
    """The notebook's file."""
    return nbformat.writes(notebook(script), version=4) + "\n"


def main() -> None:
    for script in scripts():
        target = script.with_suffix(".ipynb")
        target.write_text(text(script), encoding="utf-8")
        sys.stdout.write(f"{target.name}\n")


if __name__ == "__main__":
    main()
