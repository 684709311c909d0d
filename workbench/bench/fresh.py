"""A question to a module, answered in a process of its own: ``python -m MODULE QUESTION``, both ways as JSON.

A process that has done other things before keeps memory that a new run reuses, so each number needs a fresh one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from workbench.errors import WorkbenchError
from workbench.startup import own_process


def ask(module: str, **question: Any) -> Any:
    """The answer. Raises WorkbenchError with the last words of a process that failed."""
    command = [sys.executable, "-m", module, json.dumps(question)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WorkbenchError(f"the measuring process ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def answer(function: Callable[..., Any]) -> None:
    """What such a module does as a program: calls ``function`` with what the question names."""
    own_process()
    sys.stdout.write(json.dumps(function(**json.loads(sys.argv[1]))) + "\n")
