"""The repository is a Hugging Face Space as it stands: what configures and installs it agrees with the project."""

from __future__ import annotations

import json
import re
from pathlib import Path

import gradio as gr
import pytest
from huggingface_hub import metadata_load
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from workbench.app.models import PUBLISHED
from workbench.train.recipe import tomllib
from workbench.video import frames_in

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
HARDWARE = ("cpu-basic", "cpu-upgrade", "t4-small", "t4-medium", "l4x1", "l4x4", "a10g-small", "a10g-large")
COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")


def test_requirements_are_the_projects_dependencies():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == PROJECT["dependencies"]


def test_the_readme_configures_a_space():
    about = metadata_load(ROOT / "README.md")
    assert about is not None
    assert about["sdk"] == "gradio"
    assert (ROOT / about["app_file"]).is_file()
    (gradio,) = [r for text in PROJECT["dependencies"] if (r := Requirement(text)).name == "gradio"]
    assert about["sdk_version"] in gradio.specifier
    assert about["python_version"] in SpecifierSet(PROJECT["requires-python"])
    assert about["license"] == PROJECT["license"].lower()
    assert about["suggested_hardware"] in HARDWARE
    assert about["preload_from_hub"] == about["models"] == [PUBLISHED]
    assert {about["colorFrom"], about["colorTo"]} <= set(COLOURS)
    assert len(about["short_description"]) <= 60, "the hub takes no longer one"


def test_the_block_on_top_hides_nothing_of_the_readme():
    assert README.startswith("---\n")
    assert README.split("---\n", 2)[2].lstrip().startswith("# Stream-DiffVSR workbench\n")


@pytest.fixture(scope="module")
def endpoints() -> dict[str, set[str]]:
    """The app's public endpoints and their parameters, as gradio_client sees them."""
    from workbench.app.api import add_endpoints

    with gr.Blocks() as page:
        gr.Markdown("the page")
    add_endpoints(page, object())  # type: ignore[arg-type]
    info = page.get_api_info()["named_endpoints"]  # type: ignore[index]
    return {name: {p["parameter_name"] for p in about["parameters"]} for name, about in info.items()}


def test_the_readmes_api_example_runs(endpoints, monkeypatch, capsys):
    """Against a client that takes what the real endpoints take, and answers as they do."""
    import time

    import gradio_client

    code = next(text for text in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "gradio_client" in text)
    states = iter(["waiting", "running", "done"])

    class Client:
        def __init__(self, address: str) -> None:
            assert address.endswith(":7860")

        def predict(self, *given: object, api_name: str, **named: object) -> object:
            assert set(named) <= endpoints[api_name]
            assert len(given) == 1
            if api_name == "/submit":
                return "token"
            assert given == ("token",)
            if api_name == "/status":
                return {"state": next(states), "done": 3, "total": 8}
            return [{"label": "video", "url": "http://127.0.0.1:7860/jobs/token/upscaled.mp4"}]

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(gradio_client, "Client", Client)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == [
        *["3 of 8"] * 2,
        "video http://127.0.0.1:7860/jobs/token/upscaled.mp4",
    ]


def test_the_readme_names_every_endpoint(endpoints):
    assert set(endpoints) == {"/submit", "/status", "/result", "/stop"}
    for name in endpoints:
        assert f"`{name}`" in README or f'api_name="{name}"' in README


def test_the_example_on_the_first_visit_is_small_and_whole():
    folder = ROOT / "workbench" / "data" / "example"
    about = json.loads((folder / "example.json").read_text(encoding="utf-8"))
    for name in ("bicubic.mp4", "ours.mp4"):
        assert frames_in(folder / name) == about["frames"]
    assert sum(file.stat().st_size for file in folder.iterdir()) < 1_500_000
    assert "Blender Foundation" in about["credit"]
