"""From an engine's name to an engine that can run here, or an error that lists those that can."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pkgutil import resolve_name

from workbench.engines.table import AUTO, ENGINES, Engine
from workbench.errors import EngineError, did_you_mean


def find_engine(name: str, device: str | None = None) -> Engine:
    """The row of a name. Raises EngineError for an unknown one, with those that are here (for a ``device`` type)."""
    if name not in ENGINES:
        raise EngineError(
            f"engine must be {AUTO} or one of {', '.join(ENGINES)}, got {name!r}."
            f"{did_you_mean(name, ENGINES)} {here(device)}"
        )
    return ENGINES[name]


def check_engine(name: str, device: str, dtype: str) -> Engine:
    """The engine, where it can run networks of ``dtype`` (``float32``) on a ``device`` of this type here.

    Raises EngineError otherwise, with what is lacking, and the engines that are here.
    """
    engine = find_engine(name, device)
    if why := lacking(engine, device):
        raise EngineError(f"engine {name!r} cannot run here: {why}. {here(device, but=name)}")
    if dtype not in usable_dtypes(engine, device):
        raise EngineError(
            f"engine {name!r} runs {', '.join(usable_dtypes(engine, device))} on {device}, not {dtype}; "
            "choose that dtype, or engine 'torch'."
        )
    return engine


def usable_dtypes(engine: Engine, device: str) -> tuple[str, ...]:
    """The precisions that are worth asking for: a graph on a CPU is float32."""
    return ("float32",) if engine.has_graphs and device == "cpu" and not engine.needs else engine.dtypes


def lacking(engine: Engine, device: str | None = None) -> str:
    """What keeps the engine from running here (on a device of this type); empty where nothing does."""
    if missing := [package for package in engine.packages if find_spec(package) is None]:
        return f"{', '.join(missing)} is not installed ({engine.install})"
    if device is not None and device not in engine.devices:
        needs = f"; it needs {engine.needs} ({engine.install})" if engine.needs else ""
        return f"it runs on {' and '.join(engine.devices)}, not on {device}{needs}"
    if engine.absent and (why := resolve_name(engine.absent)()):
        return f"it needs {engine.needs}, and {why}"
    if engine.providers:
        from workbench.engines.providers import fitting

        if not fitting(engine, device or ""):
            needs = f"needs {engine.needs}; " if engine.needs else ""
            where = f" for {device}" if device else ""
            names = " or ".join(engine.providers)
            return f"it {needs}the installed ONNX Runtime has no {names}{where} ({engine.install})"
    return ""


def engines_here(device: str | None = None) -> dict[str, str]:
    """Every engine's name -> what is lacking; empty for those that can run here."""
    return {name: lacking(engine, device) for name, engine in ENGINES.items()}


def faster_engines(device: str, dtype: str) -> Iterator[Engine]:
    """The engines that are here with a measured gain over torch on such a device, the fastest first.

    One by one, since to ask whether an engine is here can mean to import what it runs on.
    """
    faster = [engine for engine in ENGINES.values() if engine.gain.get(device, 1.0) < 1.0]
    for engine in sorted(faster, key=lambda engine: engine.gain[device]):
        if dtype in usable_dtypes(engine, device) and not lacking(engine, device):
            yield engine


def best_engine(device: str, dtype: str) -> Engine | None:
    """The first of these; None where there is none."""
    return next(faster_engines(device, dtype), None)


def here(device: str | None = None, *, but: str = "") -> str:
    """A sentence or two: the engines that can run here, and how to get the others (``but`` one, of which was told)."""
    found = engines_here(device)
    ready = [name for name, why in found.items() if not why]
    others = [f"{name}: {why}" for name, why in found.items() if why and name != but]
    rest = f" The others: {'; '.join(others)}." if others else ""
    return f"Here are: {', '.join(ready)}.{rest}"
