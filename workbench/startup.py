"""How the project's own processes (the commands, the web app's children) start and end quickly.

diffusers imports transformers, scipy, torchvision and torch's compiler where they are installed. Nothing here uses
those parts of it, and they take half of the time and a quarter of the memory of ``workbench upscale`` on a small clip.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any, NoReturn

COMPANIONS = ("transformers", "scipy", "torchvision", "torch._dynamo")
"""optional companions of diffusers; it works without each of them"""

_owned = False


def own_process() -> None:
    """Says that this process is the project's own, with no other user of diffusers in it."""
    global _owned
    _owned = True


def import_alone(*modules: str) -> None:
    """Imports modules of diffusers as if COMPANIONS were not installed. Elsewhere than in an own process: nothing.

    Python's documented mark for a module that is not there is None in ``sys.modules``. A diffusers that cannot be
    imported in this way is forgotten again, and the usual import follows. COMPANIONS can be imported as ever after it.
    """
    if not _owned or "diffusers" in sys.modules:
        return
    import torch

    absent = [name for name in COMPANIONS if name not in sys.modules]
    disable = torch.compiler.disable
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    torch.compiler.disable = _disable_when_called
    try:
        for module in modules:
            import_module(module)
    except (ImportError, AttributeError, RuntimeError):  # RuntimeError: diffusers' own words for a failed import
        for name in [name for name in sys.modules if name.split(".")[0] == "diffusers"]:
            del sys.modules[name]
    finally:
        torch.compiler.disable = disable
        for name in absent:
            if sys.modules.get(name) is None:
                sys.modules.pop(name, None)


def leave(code: int) -> NoReturn:
    """Ends the process with what Python does at its end, and without taking torch's libraries down one by one: that
    takes half a second and 120 MB where torch is built for CUDA."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _disable_when_called(function: Callable[..., Any] | None = None, recursive: bool = True, **about: Any) -> Any:
    """``torch.compiler.disable``, which imports the compiler at once, put off until the function is called."""
    if function is None:
        return functools.partial(_disable_when_called, recursive=recursive, **about)

    @functools.wraps(function)
    def later(*args: Any, **kwargs: Any) -> Any:
        import torch

        return torch.compiler.disable(function, recursive, **about)(*args, **kwargs)

    return later
