"""Pages of the documentation: links lead somewhere, code is Python, names that the package offers are documented."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import grimp
import pytest

import workbench as wb

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "workbench" / "data" / "model" / "README.md"])
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not re.match(r"[a-z]+:", link)]
    assert not [link for link in targets if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_blocks_are_python_and_name_what_is_there(page: Path) -> None:
    for block in CODE.findall(page.read_text(encoding="utf-8")):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "wb":
                assert node.attr in wb.__all__


def test_every_page_is_on_the_site() -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    wanted = [page.name for page in (ROOT / "docs").glob("*.md")]
    wanted += [f"notebooks/{notebook.name}" for notebook in (ROOT / "notebooks").glob("0*.ipynb")]
    assert [name for name in wanted if f": {name}\n" not in nav] == []


@pytest.mark.parametrize("name", wb.__all__)
def test_what_the_package_offers_is_there_and_documented(name: str) -> None:
    value = getattr(wb, name)
    assert inspect.getdoc(value)
    assert name in dir(wb)


def test_nothing_is_offered_twice_or_forgotten() -> None:
    assert sorted(set(wb.__all__)) == sorted(wb.__all__) == sorted(wb._HOMES)


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Not even for types; import-linter holds the order of the rooms, this holds each room's inside."""
    graph = grimp.build_graph("workbench", exclude_type_checking_imports=False, cache_dir=None)
    below = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    open_, done = [], set()

    def walk(module: str) -> None:
        assert module not in open_, f"a circle: {' -> '.join([*open_[open_.index(module) :], module])}"
        if module not in done:
            open_.append(module)
            for other in sorted(below[module]):
                walk(other)
            done.add(open_.pop())

    for module in sorted(graph.modules):
        walk(module)
