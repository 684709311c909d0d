"""torch.compile is of blocks, in a structure of its own that shares its tensors; nothing compiles until it runs."""

from __future__ import annotations

import pytest
import torch

from tests.tiny import generative_models, tiny_models
from workbench.engines.compiled import check_compiler, regions
from workbench.engines.runner import make_runner
from workbench.errors import EngineError


@pytest.mark.parametrize("make", [tiny_models, generative_models])
def test_blocks_are_compiled_and_the_model_is_left_alone(make):
    models = make()
    runner = make_runner(models, "compile")
    for name, network in runner.models.networks.items():
        plain = models.networks[name]
        assert network is not plain
        assert all(a is b for a, b in zip(network.parameters(), plain.parameters(), strict=True))
        assert all(region._compiled_call_impl is not None for region in regions(network))
        assert all(module._compiled_call_impl is None for module in plain.modules())


def test_without_a_compiler_it_says_so(monkeypatch):
    monkeypatch.setattr("workbench.engines.compiled.shutil.which", lambda name: None)
    with pytest.raises(EngineError, match="C\\+\\+ compiler"):
        check_compiler(torch.device("cpu"))
