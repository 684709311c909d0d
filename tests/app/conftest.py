"""Fixtures of the app's tests; a file with a server of its own has its own."""

import pytest

from tests.app_pages import browser_fixture, clips_fixture, server_fixture
from tests.app_pretenders import Stable

__all__ = ["browser_fixture", "clips_fixture", "server_fixture"]


@pytest.fixture
def stable() -> Stable:
    return Stable()
