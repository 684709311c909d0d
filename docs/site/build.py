"""The documentation site: python docs/site/build.py [--quick] writes build/site.

Pages are the repository's own: README, docs/, the model's card, CONTRIBUTING, CHANGELOG, and the notebooks with their
outputs; the API reference is made from the docstrings. A link to a file that is not there ends the build.
``--quick`` leaves the notebooks without outputs; otherwise each is run once and kept until it changes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from architecture import ROOT, draw

PAGES = ROOT / "build" / "pages"
KEPT = ROOT / "build" / "notebooks"
RENAMED = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "workbench/data/model/README.md": "model.md",
}
LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)]*)?\))")
FRONT = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)  # of a Hugging Face Space
ROOMS = {
    "What people type": ["__init__"],
    "Video": ["video.clip", "video.write", "video.source", "types"],
    "The loop": [
        "pipeline.pipeline", "pipeline.settings", "pipeline.output", "pipeline.state", "pipeline.stream",
        "pipeline.run", "pipeline.motion", "pipeline.memory", "pipeline.load",
    ],
    "Models and flow": [
        "models.models", "models.load", "models.save", "models.autoencoder", "flow.table", "flow.estimators",
        "flow.warp",
    ],
    "Traces": ["trace.trace", "trace.taps", "trace.edits", "trace.hooks"],
    "Metrics and comparison": [
        "metrics.registry", "metrics.fidelity", "metrics.temporal", "metrics.motion", "comparison.run",
        "comparison.comparison", "comparison.numbers", "comparison.upscalers", "comparison.evaluation",
    ],
    "Degradations and training": ["degrade", "train.recipe", "train.run", "train.data", "train.losses"],
    "Ground floor": ["pixels", "errors", "devices", "files"],
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds the documentation site.")
    parser.add_argument("--quick", action="store_true", help="notebooks without outputs")
    quick = parser.parse_args().quick
    shutil.rmtree(PAGES, ignore_errors=True)
    (ROOT / "docs" / "architecture.svg").write_text(draw(), encoding="utf-8")
    sources = {ROOT / source: PAGES / page for source, page in RENAMED.items()}
    sources |= {page: PAGES / page.name for page in sorted((ROOT / "docs").glob("*.md"))}
    notebooks = {n: PAGES / "notebooks" / n.name for n in sorted((ROOT / "notebooks").glob("0*.ipynb"))}
    for source, page in sources.items():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(linked(source, page, sources | notebooks), encoding="utf-8")
    for source, page in notebooks.items():
        page.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source if quick else executed(source), page)
    reference(PAGES / "reference")
    sys.exit(subprocess.call([sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"], cwd=ROOT))


def linked(source: Path, page: Path, pages: dict[Path, Path]) -> str:
    """The text of a page, its links made to lead where their targets lie on the site."""

    def moved(found: re.Match[str]) -> str:
        before, link, after = found.groups()
        if re.match(r"[a-z]+:", link):
            return found[0]
        target = (source.parent / link).resolve()
        if not target.exists():
            raise SystemExit(f"{source.relative_to(ROOT)}: the link {link} leads nowhere")
        if target.is_dir():
            target = min(target.glob("0*.ipynb"), default=target / "README.md")
        place = pages.get(target)
        if place is None:
            place = PAGES / "files" / target.relative_to(ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(target, place)
        return before + Path(os.path.relpath(place, page.parent)).as_posix() + after

    return LINK.sub(moved, FRONT.sub("", source.read_text(encoding="utf-8")))


def executed(notebook: Path) -> Path:
    """The notebook with its outputs, run where it lies."""
    kept = KEPT / f"{notebook.stem}-{hashlib.sha256(notebook.read_bytes()).hexdigest()[:12]}.ipynb"
    if not kept.is_file():
        KEPT.mkdir(parents=True, exist_ok=True)
        command = ["jupyter", "nbconvert", "--to", "notebook", "--execute", f"--output={kept}", notebook]
        subprocess.run([sys.executable, "-m", *command], check=True, cwd=notebook.parent)
    return kept


def reference(folder: Path) -> None:
    """One page a group of modules."""
    folder.mkdir(parents=True)
    for title, modules in ROOMS.items():
        names = ["workbench" if module == "__init__" else f"workbench.{module}" for module in modules]
        text = "\n\n".join([f"# {title}", *(f"::: {name}" for name in names)])
        (folder / f"{title.lower().replace(' ', '-')}.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
