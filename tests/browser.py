"""Finds the Chromium that browser tests drive; run as a script, it makes sure that there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def system_chromium() -> str | None:
    """A Chromium on the PATH."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def playwright_chromium() -> str | None:
    """The Chromium that Playwright keeps for this user, if it was fetched."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def chromium() -> str:
    """Path of a Chromium; raises FileNotFoundError saying how to get one."""
    path = system_chromium() or playwright_chromium()
    if path is None:
        raise FileNotFoundError(
            "no Chromium: install Debian's package 'chromium', or run 'playwright install chromium'"
        )
    return path


def ensure() -> None:
    """Installs one if there is none: from Debian's packages as root, else by Playwright for this user."""
    if system_chromium() or playwright_chromium():
        return
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if root and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "chromium"], check=True, stdout=subprocess.DEVNULL)
    else:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


if __name__ == "__main__":
    ensure()
