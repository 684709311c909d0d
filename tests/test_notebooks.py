"""The notebooks agree with their scripts and open anywhere; nbmake runs them, as ``notebooks/`` is a test path."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks"
NAMES = [
    "01_first_frames",
    "02_denoising_step_by_step",
    "03_artg_flow",
    "04_tpm",
    "05_ablations",
    "06_devices",
    "07_training",
]


@pytest.fixture(scope="module")
def sync():
    """The script that writes notebooks, as a module."""
    spec = importlib.util.spec_from_file_location("notebooks_sync", FOLDER / "sync.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def notebook(name: str) -> nbformat.NotebookNode:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def test_there_are_seven_each_with_its_script(sync):
    assert [script.stem for script in sync.scripts()] == NAMES
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


def test_a_plain_run_of_the_suite_executes_them(pytestconfig):
    assert pytestconfig.getoption("--nbmake")
    assert "notebooks" in pytestconfig.getini("testpaths")


@pytest.mark.parametrize("name", NAMES)
def test_each_notebook_is_what_its_script_says_without_outputs(sync, name):
    written = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    assert written == sync.text(FOLDER / f"{name}.py"), "run: python notebooks/sync.py"
    code = [cell for cell in notebook(name).cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)


@pytest.mark.parametrize("name", NAMES)
def test_each_begins_with_one_and_the_same_set_up_and_ends_with_something_to_try(name):
    cells = notebook(name).cells
    assert cells[0].source == notebook(NAMES[0]).cells[0].source
    assert "MODEL = None" in cells[0].source.splitlines()
    assert cells[1].source.startswith(f"# {int(name[:2])} · ")
    assert cells[-1].cell_type == "markdown"
    assert cells[-1].source.startswith("## Try\n")
    assert any("wb.load_pipeline(MODEL" in cell.source for cell in cells)


def test_the_first_cell_fetches_and_installs_only_where_the_package_is_missing(monkeypatch):
    cell, ran = notebook(NAMES[0]).cells[0].source, []
    monkeypatch.setattr(subprocess, "run", lambda command, check: ran.append(command))
    names: dict = {}
    monkeypatch.chdir(FOLDER)
    exec(cell, names)
    assert not ran
    assert names["SAMPLES"] == ROOT / "samples"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="git address into REPOSITORY"):
        exec(cell, {})
    assert not ran
    exec(cell.replace('REPOSITORY = ""', 'REPOSITORY = "https://git.example/x.git"'), {})
    assert [command[:2] for command in ran] == [["git", "clone"], [ran[1][0], "-m"]]
    assert ran[0][-2] == "https://git.example/x.git"
    assert ran[0][-1] == ran[1][-1].removeprefix("./")


def test_published_figures_are_labelled_in_the_notebook_of_devices():
    text = "\n".join(cell.source for cell in notebook("06_devices").cells)
    assert "**published, not measured here**" in text
    assert "NOT_MEASURED" in text
