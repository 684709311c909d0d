"""ZeroGPU: asked for with the estimate's duration where its package is; nothing changes elsewhere."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from workbench.app.zerogpu import LONGEST, SHORTEST, duration, on_gpu, prepare


@pytest.fixture
def spaces(monkeypatch):
    """A stand-in for Hugging Face's package; ``asked`` holds the durations."""
    module = ModuleType("spaces")
    module.__spec__ = ModuleSpec("spaces", None)
    module.asked = []  # type: ignore[attr-defined]

    def gpu(*, duration):
        def decorate(function):
            def call(*args, **kwargs):
                module.asked.append(duration(*args, **kwargs))  # type: ignore[attr-defined]
                return function(*args, **kwargs)

            return call

        return decorate

    module.GPU = gpu  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spaces", module)
    return module


def test_without_the_package_the_work_is_itself(monkeypatch):
    monkeypatch.setitem(sys.modules, "spaces", None)  # as where it is not installed
    work = [].append
    assert on_gpu(work, lambda item: 60.0) is work


def test_with_it_the_gpu_is_asked_for_as_long_as_the_job_takes(spaces):
    done: list[float] = []
    on_gpu(done.append, lambda item: item)(100.0)
    assert done == [100.0]
    assert spaces.asked == [150]


def test_the_work_keeps_its_name_and_its_errors(spaces):
    def upscale(task: str) -> None:
        """Makes it large."""
        raise ValueError(task)

    with pytest.raises(ValueError, match="broken"):
        on_gpu(upscale, lambda task: 1.0)("broken")
    assert spaces.asked == [SHORTEST]


def test_the_package_comes_first_where_it_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "spaces", None)
    prepare()  # nothing to do, and no error


def test_a_slot_is_bounded():
    assert duration(None) == LONGEST
    assert duration(0.0) == SHORTEST
    assert duration(1e9) == LONGEST
    assert SHORTEST < duration(60.0) < LONGEST
