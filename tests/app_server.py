"""The real ``demo_app.py`` in a process of its own, for tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from workbench.video import ClipWriter

ROOT = Path(__file__).parent.parent
PATIENCE = 240.0  # seconds: importing torch three times on a machine that is busy with other tests
FINAL = ("done", "stopped", "failed", "interrupted")


class AppServer:
    """Started on a free port with its own data, uploads and log under ``folder``; ``words`` go to the command line."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder, self.words = folder, words
        self.data, self.log = folder / "data", folder / "server.log"
        self.http = httpx.Client(timeout=60, trust_env=False)
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def start(self, *more: str) -> None:
        """``more``: further words. Returns when the page is there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "GRADIO_TEMP_DIR": str(self.folder / "gradio"),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, str(ROOT / "demo_app.py"), "--port", str(self.port), "--data", str(self.data)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self.words, *more], stdout=log, stderr=log, env=environment, cwd=ROOT
            )
        until(self._answers, lambda: self.log.read_text(errors="replace"))

    def close(self) -> None:
        """As a service manager would."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def kill(self) -> list[psutil.Process]:
        """``kill -9`` of the server only -> what were its children."""
        assert self._process is not None
        children = self.process.children(recursive=True)
        self._process.kill()
        self._process.wait()
        return children

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(f"{self.url}{path}", **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.http.post(f"{self.url}{path}", **options)

    def worker(self) -> psutil.Process:
        """The one that is warm, or at work: what the process with the imports has split off."""
        return next(iter(self.child("multiprocessing.forkserver").children()))

    def child(self, module: str) -> psutil.Process:
        return next(child for child in self.process.children() if module in " ".join(child.cmdline()))

    def status(self, token: str) -> dict[str, Any]:
        return self.get(f"jobs/{token}").json()

    def wait(self, token: str, true: Callable[[dict[str, Any]], Any] = lambda s: s["state"] in FINAL) -> dict[str, Any]:
        """Until a job's status is so; the status. A job that has ended otherwise fails the test at once."""
        last: dict[str, Any] = {}

        def so() -> bool:
            last.update(self.status(token))
            if last["state"] in FINAL and not true(last):
                raise AssertionError(f"the job ended as {last}\n{self.log.read_text(errors='replace')[-3000:]}")
            return bool(true(last))

        until(so, lambda: f"{last}\n{self.log.read_text(errors='replace')[-3000:]}")
        return last

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text(errors="replace")
        try:
            return self.get("").status_code in (200, 401)
        except httpx.TransportError:
            return False


@contextmanager
def app_server(folder: Path, *words: str) -> Iterator[AppServer]:
    """A running one, ended afterwards."""
    server = AppServer(folder, *words)
    try:
        server.start()
        yield server
    finally:
        server.close()


def until(true: Callable[[], Any], about: Callable[[], str] = str) -> None:
    """Looks again and again; fails with what ``about`` says when it takes too long."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"it did not happen within {PATIENCE:g} s: {about()}"
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tiny_clip(path: Path, frames: int, size: tuple[int, int] = (64, 48)) -> Path:
    """A video of a smooth pattern that moves, (w, h) = ``size``, 10 frames a second."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    with ClipWriter(path, fps=10) as writer:
        for k in range(frames):
            waves = [np.sin((x + 2 * k) / (5 + c)) + np.cos((y + k) / (7 - c)) for c in range(3)]
            writer.write(np.stack([(wave * 60 + 128) for wave in waves], axis=-1).astype(np.uint8))
    return path
