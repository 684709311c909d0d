"""The page on scale: its table is the simulation's, its cluster is one that Ray takes, its commands are ours."""

from __future__ import annotations

import json
import re
import shlex
import sys
from importlib import util
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
import yaml

from workbench.cli.main import _parser

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def scale() -> Any:
    found = util.spec_from_file_location("scale", ROOT / "docs" / "site" / "scale.py")
    assert found is not None
    assert found.loader is not None
    module = util.module_from_spec(found)
    sys.modules["scale"] = module
    found.loader.exec_module(module)
    return module


def test_the_table_is_the_simulations(scale: Any) -> None:
    assert scale.as_text(scale.table(scale.World())) in PAGE


def test_the_simulation_knows_its_bounds(scale: Any) -> None:
    calm = scale.World(clips=200, fails=1e12, uneven=0.0, begin=0.0, clip=0.0)
    frames = scale.lengths(calm).tolist()
    for workers in (1, 3, 50, 1000):
        took = scale.seconds(calm, frames, workers, sort=True)
        least = max(scale.ideal(calm, frames, workers), calm.frame * max(frames))
        assert least <= took + 1e-6 <= 4 / 3 * least + 1e-3  # Graham's bound of longest first
    rough = scale.World(clips=200, fails=3600.0, uneven=0.0, begin=0.0, clip=0.0)
    assert scale.seconds(rough, frames, 3, sort=True) > scale.seconds(calm, frames, 3, sort=True)


def test_the_cluster_is_one_that_ray_takes() -> None:
    config = yaml.safe_load((ROOT / "docs" / "cluster.yaml").read_text(encoding="utf-8"))
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(config, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(config | {"max_wrokers": 3}, schema)


def test_the_commands_are_ours() -> None:
    lines = re.sub(r"\\\\\n", " ", PAGE).splitlines()
    found = [line[line.index("workbench batch") :] for line in lines if "workbench batch" in line]
    words = [line.split("#")[0].strip(" \"'") for line in found if line.count("`") < 2]
    commands = [shlex.split(line)[1:] for line in words if "-o" in line]
    assert len(commands) >= 6
    for command in commands:
        parser, _ = _parser("batch")
        assert parser.parse_args(command).output
