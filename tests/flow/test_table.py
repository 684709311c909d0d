"""One row makes a flow estimator: settings, model properties, memory and motion know it from the table."""

import dataclasses
import subprocess
import sys
from dataclasses import fields

import pytest
import torch
from torch import Tensor, nn

from tests.tiny import tiny_models
from workbench.errors import FlowError, ModelError
from workbench.flow.estimators import load_estimator
from workbench.flow.table import ESTIMATORS, FlowEstimator
from workbench.pipeline.memory import estimate_memory
from workbench.pipeline.motion import choose_flow, correlation_volume
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings

CPU = torch.device("cpu")
WIDTH = 32


def network(weights: bool) -> nn.Module:
    return nn.Conv2d(6, WIDTH, 3, padding=1)


def estimator(made: nn.Module):
    def estimate(current: Tensor, previous: Tensor) -> Tensor:
        return made(torch.cat([current, previous], 1))[:, :2]

    return estimate


@pytest.fixture
def learnt(monkeypatch) -> str:
    row = FlowEstimator(name="learnt", network=f"{__name__}:network", estimate=f"{__name__}:estimator")
    monkeypatch.setitem(ESTIMATORS, "learnt", row)
    return "learnt"


def test_every_row_is_a_choice_and_is_found(moving_frames) -> None:
    flow = next(known for known in fields(Settings) if known.name == "flow")
    assert flow.metadata["choices"] == ("auto", *ESTIMATORS)
    for name in ("dis", "none"):
        assert load_estimator(name, CPU)(torch.zeros(1, 3, 40, 48), torch.zeros(1, 3, 40, 48)).shape == (1, 2, 40, 48)
    with pytest.raises(FlowError, match="there are " + ", ".join(ESTIMATORS)):
        load_estimator("flownet", CPU)
    with pytest.raises(ModelError, match="flow must be one of raft-large"):
        tiny_models(flow="flownet")


def test_a_new_network_runs_and_is_not_estimated_as_free(learnt, moving_frames) -> None:
    models = tiny_models(flow=learnt, flow_size="output")
    outs = list(Pipeline(models).stream(moving_frames[:2], Settings(steps=1)))
    assert outs[1].metadata["flow"] == learnt
    size = outs[0].input.shape[:2]
    free, ours = (estimate_memory(m, size) for m in (models.but(flow="dis"), models))
    assert ours.weights - free.weights == 4 * (6 * WIDTH * 9 + WIDTH)
    assert ours.stages["flow"] - free.stages["flow"] > 4 * WIDTH * 16 * size[0] * size[1] // 2


def test_a_volume_of_its_own_is_kept_small_by_auto(learnt, monkeypatch) -> None:
    row = dataclasses.replace(ESTIMATORS[learnt], smallest=64, volume=lambda height, width: (height * width) ** 2)
    monkeypatch.setitem(ESTIMATORS, learnt, row)
    assert correlation_volume((16, 16), "input", learnt) == 64**4
    properties = tiny_models(flow=learnt, flow_size="output").properties
    assert choose_flow(Settings(), properties, (68, 68)).grid == "input"
    assert choose_flow(Settings(), properties, (4096, 4096)).estimator == "dis"


def test_the_table_is_read_without_torch() -> None:
    code = "import sys, workbench.flow.table; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
