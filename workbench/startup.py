"""How the project's own processes (the commands, the web app's children) start and end quickly.

diffusers imports transformers, scipy, torchvision and torch's compiler where they are installed, and lists every
installed package. Nothing here uses those parts of it, and they take most of the time and a quarter of the memory of
``workbench upscale`` on a small clip.
"""

from __future__ import annotations

import atexit
import functools
import importlib.metadata
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn

COMPANIONS = ("transformers", "scipy", "torchvision", "torch._dynamo", "boto3", "rich")
"""optional companions of diffusers and of what it imports; all of them work without"""

_OWNED = "WORKBENCH_OWN_PROCESS"


def own_process() -> None:
    """Says that this process, and each that it starts, is the project's own, with no other user of diffusers in it."""
    os.environ[_OWNED] = "1"


def import_quickly(*modules: str) -> None:
    """Imports modules of diffusers. What it looks up and may never need is looked up when it is needed.

    In an own process it is imported as if COMPANIONS were not installed; they can be imported as ever after it.
    """
    if "diffusers" in sys.modules:
        return
    with _scan_put_off():
        if _OWNED in os.environ:
            _import_alone(modules)
        for module in modules:
            import_module(module)


def leave(code: int) -> NoReturn:
    """Ends the process with what Python does at its end, and without taking torch's libraries down one by one: that
    takes half a second and 120 MB where torch is built for CUDA."""
    threading._shutdown()  # type: ignore[attr-defined]  # as at any end: idle pools are closed, threads waited for
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


class _Distributions(Mapping[str, "list[str]"]):
    """The answer of ``packages_distributions()``, which reads the files of all installed packages (2 s where 300 are
    installed), found when somebody looks into it. diffusers asks it about three packages, where they are installed."""

    def __init__(self, find: Callable[[], Mapping[str, list[str]]]) -> None:
        self._find = functools.cache(find)

    def __getitem__(self, package: str) -> list[str]:
        return self._find()[package]

    def __iter__(self) -> Iterator[str]:
        return iter(self._find())

    def __len__(self) -> int:
        return len(self._find())


@contextmanager
def _scan_put_off() -> Iterator[None]:
    find = importlib.metadata.packages_distributions
    importlib.metadata.packages_distributions = lambda: _Distributions(find)
    try:
        yield
    finally:
        importlib.metadata.packages_distributions = find


def _import_alone(modules: tuple[str, ...]) -> None:
    """Imports modules of diffusers as if COMPANIONS were not installed.

    Python's documented mark for a module that is not there is None in ``sys.modules``. A diffusers that cannot be
    imported in this way is forgotten again, and the usual import follows.
    """
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
