"""The notebooks are tests too: nbmake runs them, each with a kernel of its own."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A whole notebook may take longer than one test, on a machine that is busy with others."""
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker(pytest.mark.timeout(1200))
