"""A folder of graphs that run without this project: in ONNX Runtime, or whatever else reads ONNX."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbench.engines.cache import Cache
from workbench.engines.export import GRAPH
from workbench.engines.graphs import GraphRunner
from workbench.engines.parts import given_shapes, input_names, needed, output_names
from workbench.engines.runner import Say, unsaid
from workbench.engines.table import ENGINES, EXPORTER
from workbench.errors import EngineError, ModelError, OutputError
from workbench.models.autoencoder import COLOURS
from workbench.models.models import Models
from workbench.models.prediction import with_colours

TEMPLATES = files("workbench.engines") / "package_files"


def write_package(
    models: Models,
    size: tuple[int, int],
    folder: Path,
    *,
    steps: int = 4,
    cache: Cache | None = None,
    say: Say = unsaid,
) -> Path:
    """Writes every graph for frames of ``size`` (h, w), multiples of 4, a script and a card into a new folder.

    Raises OutputError where the folder has something in it, EngineError without the exporter's packages, ModelError for
    a schedule that clips.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} is not empty; name a new folder.")
    if lacking := [name for name in EXPORTER if find_spec(name) is None]:
        raise EngineError(f"an export needs {', '.join(lacking)}: {ENGINES['onnxruntime'].install}.")
    rows = schedule(models, steps)
    runner = GraphRunner(models, ENGINES["onnxruntime"], cache)
    shapes, graphs = given_shapes(models, size), {}
    for part in needed(models).values():
        entry = runner.entry(part.name, size, say)
        (folder / part.name).mkdir(parents=True)
        for file in entry.folder.glob(f"{GRAPH}*"):
            shutil.copy(file, folder / part.name)
        shapes[part.gives] = outputs = entry.about["made"]["outputs"]
        inputs = zip(input_names(part, shapes), entry.about["made"]["inputs"], strict=True)
        graphs[part.name] = {
            "inputs": dict(inputs),
            "outputs": dict(zip(output_names(part, len(outputs)), outputs, strict=True)),
        }
    about = {
        "model": models.source,
        "revision": models.revision,
        "size": [size[1], size[0]],
        "latent_channels": models.vae.config["latent_channels"],
        "schedule": rows,
        "properties": json.loads(models.properties.to_json()),
        "graphs": graphs,
    }
    np.save(folder / "prompt.npy", models.prompt.float().cpu().numpy())
    (folder / "model.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    (folder / "run.py").write_text(_template("run.py.txt"), encoding="utf-8")
    (folder / "README.md").write_text(_card(about), encoding="utf-8")
    return folder


def schedule(models: Models, steps: int) -> list[list[float]]:
    """Rows (t, a, b, c, d): a DDIM step without noise is ``latent = a * latent + b * prediction``, whatever is
    predicted, and ``c * latent + d * lr`` predicts the LR frame's colours."""
    config = models.scheduler_config
    if config.get("clip_sample") or config.get("thresholding"):
        raise ModelError("this model's schedule clips its samples; a package's steps are linear and cannot.")
    scheduler = models.schedule(steps)
    one, zero = torch.ones(1), torch.zeros(1)

    def after(prediction: torch.Tensor, t: torch.Tensor, latent: torch.Tensor) -> float:
        return float(scheduler.step(prediction, t, latent, eta=0.0, return_dict=False)[0])  # type: ignore[arg-type]

    def colours(t: torch.Tensor, latent: torch.Tensor, lr: torch.Tensor) -> float:
        none, frame, state = (value.expand(1, COLOURS) for value in (zero, lr, latent))
        said = with_colours(models.but(colours="lr"), none, frame, state, scheduler.alphas_cumprod[int(t)])
        return float(said[0, 0])

    return [
        [int(t), after(zero, t, one), after(one, t, zero), colours(t, one, zero), colours(t, zero, one)]
        for t in scheduler.timesteps
    ]


def _card(about: dict[str, Any]) -> str:
    width, height = about["size"]
    lines = []
    for name, graph in about["graphs"].items():
        inputs, outputs = (
            ", ".join(f"`{value}` {tuple(shape)}" for value, shape in graph[side].items())
            for side in ("inputs", "outputs")
        )
        lines.append(f"| `{name}` | {inputs} | {outputs} |")
    return _template("card.md.txt").format(
        model=about["model"],
        width=width,
        height=height,
        output_width=4 * width,
        output_height=4 * height,
        steps=len(about["schedule"]),
        graphs="\n".join(lines),
        properties="\n".join(f"- `{name}`: {value}" for name, value in about["properties"].items()),
    )


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
