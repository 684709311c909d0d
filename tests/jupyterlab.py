"""A JupyterLab of its own for tests: a free port, a token, settings and history in a temporary home, no network."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Page, TimeoutError, expect

ROOT = Path(__file__).parent.parent
KERNEL = "window.jupyterapp?.shell.currentWidget?.context?.sessionContext?.session?.kernel"
PATIENCE = 4
QUIET = {
    "@jupyterlab/apputils-extension:notification": {"checkForUpdates": False, "fetchNews": "false"},
    "@jupyterlab/extensionmanager-extension:plugin": {"enabled": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}


@dataclass(frozen=True)
class Lab:
    """A running server. ``folder``: what its file browser shows."""

    port: int
    token: str
    folder: Path

    def url(self, notebook: str) -> str:
        """The page that opens a notebook of the folder, in a workspace of its own, with nothing around it."""
        return f"http://127.0.0.1:{self.port}/doc/tree/{notebook}?token={self.token}"


@contextmanager
def jupyterlab(folder: Path, home: Path, *, seconds: float = 120) -> Iterator[Lab]:
    """Serves ``folder`` until left; then the server and its kernels are gone. ``home`` takes all that Jupyter writes.

    Raises RuntimeError with the server's last words when it does not answer within ``seconds``.
    """
    lab = Lab(_free_port(), secrets.token_hex(16), folder)
    settings = home / "settings"
    for plugin, values in QUIET.items():
        package, name = plugin.split(":")
        place = settings / package / f"{name}.jupyterlab-settings"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(values), encoding="utf-8")
    environment = os.environ | {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": lab.port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": folder,
        "ServerApp.open_browser": False,
        "ServerApp.allow_root": True,
        "IdentityProvider.token": lab.token,
        "LabApp.expose_app_in_browser": True,
        "LabApp.news_url": None,
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "LabApp.extension_manager": "readonly",
    }
    command = [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())]
    with (home / "server.log").open("w+", encoding="utf-8") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for(server, lab, time.monotonic() + seconds, Path(log.name))
            yield lab
        finally:
            _end(server)


def _wait_for(server: subprocess.Popen[bytes], lab: Lab, until: float, log: Path) -> None:
    while time.monotonic() < until and server.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{lab.port}/api/status?token={lab.token}", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab does not answer: {log.read_text(encoding='utf-8')[-2000:]}")


def _end(server: subprocess.Popen[bytes]) -> None:
    """Asked twice, as a person would with Ctrl-C; then made to. Its kernels end with it."""
    for ask in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        if server.poll() is None:
            server.send_signal(ask)
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                continue


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_all(page: Page, bound: float) -> None:
    """Runs every cell of the open notebook; ``bound``: milliseconds that each of its waits may take.

    Raises AssertionError with what a cell printed when it fails.
    """
    patient(lambda: page.wait_for_function(f"{KERNEL}?.status === 'idle'", timeout=bound))
    page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells'); }")
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    for number in range(cells.count()):
        prompt = cells.nth(number).locator(".jp-InputPrompt").first
        patient(lambda p=prompt, n=number: expect(p).to_have_text(f"[{n + 1}]:", timeout=bound))
        failed = cells.nth(number).locator(".jp-OutputArea-output").filter(has_text="Traceback (most recent call last)")
        assert failed.count() == 0, failed.all_inner_texts()


def patient(wait: Callable[[], object]) -> None:
    """A bounded wait, begun again a few times: the first import on a busy machine takes longer than others."""
    for _ in range(PATIENCE - 1):
        try:
            wait()
            return
        except (AssertionError, TimeoutError):
            continue
    wait()
