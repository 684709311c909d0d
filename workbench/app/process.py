"""Children of the server: told and answering one JSON object a line, gone when the server is gone.

A child never outlives its server for long: its standard input closes when the server ends, even by ``kill -9``.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench import errors
from workbench.app.errors import Fault
from workbench.errors import InputError, WorkbenchError

START_TIMEOUT = 120.0  # seconds; importing torch on a busy machine
PACKAGE = Path(errors.__file__).parent.parent  # children find the same workbench, installed or not, wherever they run


class ChildEnded(WorkbenchError):  # noqa: N818 (a state to report, not a fault)
    """A child ended, or was ended, before it had answered."""


class Child:
    """``python -m MODULE ARGUMENTS`` in a session of its own, so that Ctrl-C at the server's terminal is not for it."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(filter(None, (str(PACKAGE), os.environ.get("PYTHONPATH"))))},
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, name=f"reads {module}", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def signalled(self) -> bool:
        """Whether a signal ended it, as when a library breaks down; not an error that Python can tell of."""
        return (self._process.poll() or 0) < 0

    def tell(self, message: dict[str, Any]) -> None:
        """One line to the child; raises ChildEnded where there is none to read it."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(message) + "\n")
            stdin.flush()
        except (OSError, ValueError) as error:
            raise ChildEnded(f"the process had ended (exit code {self._process.poll()})") from error

    def hear(self, timeout: float) -> dict[str, Any]:
        """The child's next line. Raises ChildEnded when it ends first, TimeoutError when it takes too long."""
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError(f"no answer within {timeout:g} seconds") from None
        if line is None:
            raise ChildEnded(f"the process ended (exit code {self.wait()})")
        return json.loads(line)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code (negative: the signal that ended it); raises subprocess.TimeoutExpired."""
        return self._process.wait(timeout)

    def release(self) -> None:
        """Closes its standard input: it is to end when it can."""
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
        except OSError:
            pass  # it has ended already

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self.release()

    def _read(self) -> None:
        """Everything it prints is taken at once, so that it never waits for the server; None says it has ended."""
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            for line in stdout:
                if line.startswith("{"):
                    self._lines.put(line)
        self._lines.put(None)


class Answering:
    """A long-lived child that answers questions one after another, started again where it ended.

    It reads ``{"do": WORD, ...}`` a line, and prints ``{"ok": ...}`` or ``{"error": MESSAGE, "kind": CLASS}`` a line.
    """

    def __init__(self, start: Callable[[], Child]) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._importing = True
        self._closed = False

    def warm(self) -> None:
        """Starts the child without waiting for it."""
        with self._lock:
            self._ready()

    def ask(self, word: str, *, timeout: float, **question: Any) -> Any:
        """The answer. Raises the error it answers with.

        A child that breaks down or hangs over a file was brought there by the file: InputError. Whatever else ends it
        is an error of ours: Fault.
        """
        with self._lock:
            child = self._ready()
            try:
                child.tell({"do": word, **question})
                said = child.hear(timeout + (START_TIMEOUT if self._importing else 0))
                self._importing = False
            except (ChildEnded, TimeoutError) as error:
                broken = isinstance(error, TimeoutError) or child.signalled
                child.kill()
                if broken and "path" in question:
                    raise InputError(
                        f"it could not be looked at: {error}. The file may be damaged: encode it anew, and try again."
                    ) from None
                raise Fault(f"a fault of the workbench: {error}. Try again; the server's log has more.") from None
        if "error" in said:
            raise getattr(errors, said["kind"], Fault)(said["error"])
        return said["ok"]

    def close(self) -> None:
        self._closed = True
        child = self._child
        if child is not None:
            child.kill()

    def _ready(self) -> Child:
        if self._closed:
            raise Fault("the server is ending; try again in a moment.")
        if self._child is None or not self._child.alive:
            self._child, self._importing = self._start(), True
        return self._child
