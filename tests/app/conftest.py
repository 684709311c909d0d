"""Fixtures of the browser tests; a file with a server of its own has its own."""

from tests.app_pages import browser_fixture, clips_fixture, server_fixture

__all__ = ["browser_fixture", "clips_fixture", "server_fixture"]
