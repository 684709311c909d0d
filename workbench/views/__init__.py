"""Readers of runs: pictures, plots and widgets. They see traces and outputs only, never a model."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "plots":  # lazily: matplotlib
        return import_module("workbench.views.plots")
    raise AttributeError(f"module 'workbench.views' has no attribute {name!r}")
