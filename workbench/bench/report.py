"""What a device does with these models, in a few minutes: is it right, and how fast is each engine on it."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import torch

from workbench._version import __version__
from workbench.bench.engines import LONGEST, EngineRow, bench_engines, engine_table
from workbench.devices import (
    machine,
    readable,
    release_memory,
    resolve_device,
    resolve_dtype,
    usable_dtypes,
)
from workbench.engines.choose import lacking
from workbench.engines.runner import Say, unsaid
from workbench.engines.table import ENGINES, TORCH
from workbench.models.load import load_models
from workbench.models.models import Models, weight_bytes
from workbench.pipeline.settings import Settings
from workbench.verify import verify

LIMIT = 420.0  # seconds after which nothing new is begun; what runs then ends within a minute
PACKAGES = ("torch", "diffusers", "triton", "onnxruntime", "onnxruntime-gpu", "openvino")
START, END = "<!-- machines -->", "<!-- end of machines -->"
EMBEDDED, WIDE = "embedded", "published width, random weights"
TESTS_WITHIN = 120.0  # seconds that the device's tests may take
SETTINGS = Settings(flow="dis", flow_size="input")  # RAFT's weights may not be here


@dataclass(frozen=True)
class Case:
    """One model in one precision, and the engines that are timed with it side by side, torch always among them."""

    model: str
    dtype: str
    engines: tuple[str, ...] = tuple(ENGINES)
    channels_last: bool = False
    about: str = ""

    def __str__(self) -> str:
        layout = "channels last" if self.channels_last else ""
        return ", ".join(filter(None, (self.model, self.dtype, layout, self.about)))

    def load(self, device: torch.device) -> Models:
        dtype = resolve_dtype(self.dtype, device)
        models = load_models(None, device=device, dtype=dtype) if self.model == EMBEDDED else _wide(device, dtype)
        if self.channels_last:
            for network in models.networks.values():
                network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return models


QUICK = (TORCH, "cudagraphs")  # ready in seconds
COMPILED = ("compile-cudagraphs", "compile")  # a minute
GRAPHS = ("onnxruntime", "tensorrt")
CASES = {  # by type of device, the most worth knowing first
    "cuda": (
        Case(WIDE, "fp16", QUICK),
        Case(WIDE, "fp16", QUICK, channels_last=True),
        Case(EMBEDDED, "fp16", QUICK),
        Case(WIDE, "fp16", COMPILED, channels_last=True, about="compiled"),
        Case(EMBEDDED, "fp16", COMPILED, about="compiled"),
        Case(WIDE, "bf16", QUICK, channels_last=True),
        Case(EMBEDDED, "fp32", QUICK),
        Case(EMBEDDED, "fp16", GRAPHS, about="exported"),
    ),
    "mps": (Case(EMBEDDED, "fp16"), Case(WIDE, "fp16"), Case(EMBEDDED, "fp32")),
    "cpu": (Case(EMBEDDED, "fp32"),),
}


def device_report(
    device: str = "auto",
    *,
    size: tuple[int, int] = (180, 320),
    repeats: int = 3,
    golden: Path | None = None,
    tests: Path | None = None,
    engines: Sequence[str] | None = None,
    cases: Sequence[Case] | None = None,
    limit: float = LIMIT,
    say: Say = unsaid,
    save: Callable[[dict[str, Any]], object] = dict,
) -> dict[str, Any]:
    """Verification and timings of one device, ready for JSON. ``size``: (h, w) of the frames.

    ``golden``: a golden folder, else nothing is verified. ``tests``: a folder of tests, of which those that are marked
    for devices run. ``cases``: None for the device's own; ``engines`` in place of each one's. ``limit``: seconds
    after which what is left is noted as not run. ``save`` is given the report after every part of it, so that a run
    that is ended keeps what it has.
    """
    where = resolve_device(device)
    started = time.monotonic()
    report: dict[str, Any] = {
        "date": date.today().isoformat(),
        "machine": machine(),
        "device": str(where),
        "versions": {"workbench": __version__} | {name: found for name in PACKAGES if (found := _version(name))},
        "size": list(size),
        "verify": {},
        "tests": None,
        "engines": {},
    }
    run = _Run(where, size, repeats, engines, started + limit, say)
    for kind, name, work in _parts(run, golden, tests, CASES[where.type] if cases is None else cases):
        say(f"{time.monotonic() - started:.0f} s: {kind} {name}".rstrip())
        found = _unless_late(run.until, work)
        if name:
            report[kind][name] = found
        else:
            report[kind] = found
        gc.collect()  # runners and the networks that they serve know each other
        release_memory(where)
        report["seconds"] = round(time.monotonic() - started, 1)
        save(report)
    return report


@dataclass(frozen=True)
class _Run:
    """What every part needs to know."""

    device: torch.device
    size: tuple[int, int]
    repeats: int
    engines: Sequence[str] | None
    until: float
    say: Say

    def time(self, case: Case) -> dict[str, Any]:
        models = case.load(self.device)
        rows = bench_engines(
            models, self.size, SETTINGS, names=self.engines or case.engines,
            repeats=self.repeats, until=self.until, say=self.say,
        )  # fmt: skip
        return {"weights": weight_bytes(models.networks.values()), "rows": [row.to_dict() for row in rows]}


def _parts(
    run: _Run, golden: Path | None, tests: Path | None, cases: Sequence[Case]
) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """(key in the report, name under it, what makes it): in the order of what is most worth knowing."""
    dtypes = usable_dtypes(run.device)
    first, later = cases[:3], cases[3:]
    for dtype in dtypes if golden is not None else []:
        yield "verify", dtype, lambda dtype=dtype: _verified(golden, run.device, dtype)  # type: ignore[arg-type]
    for case in first:
        yield "engines", str(case), lambda case=case: run.time(case)
    if golden is not None and not lacking(ENGINES["cudagraphs"], run.device.type):
        yield "verify", "fp32, cudagraphs", lambda: _verified(golden, run.device, "fp32", "cudagraphs")
    if tests is not None:
        yield "tests", "", lambda: _tested(tests)
    for case in later:
        yield "engines", str(case), lambda case=case: run.time(case)


def write_report(report: dict[str, Any], path: Path, page: Path | None = None) -> None:
    """One JSON; and its section in a page, in place of an earlier one of the same machine and device."""
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if page is None:
        return
    text = page.read_text(encoding="utf-8") if page.is_file() else f"# Devices\n\n{START}\n{END}\n"
    before, _, rest = text.partition(START)
    middle, _, after = rest.partition(END)
    title = _title(report)
    sections = [part for part in middle.split("\n## ") if part.strip() and part.strip().splitlines()[0] != title]
    sections = ["## " + part.strip().removeprefix("## ") for part in [*sections, section(report)]]
    page.write_text(f"{before}{START}\n\n" + "\n\n".join(sections) + f"\n\n{END}{after}", encoding="utf-8")


def section(report: dict[str, Any]) -> str:
    """A machine's report as Markdown, from its heading on."""
    h, w = report["size"]
    machine_words = ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    versions = ", ".join(f"{name} {value}" for name, value in report["versions"].items())
    lines = [f"{_title(report)}\n", f"{report['date']}; {machine_words}; {versions}. {report['seconds']:.0f} s in all."]
    if report["tests"]:
        found = report["tests"]
        words = found if isinstance(found, str) else "; ".join([found["summary"], *found["failed"]])
        lines.append(f"\nTests marked for devices: {words}.")
    for dtype, found in report["verify"].items():
        words = found if isinstance(found, str) else _verdict(found)
        lines.append(f"\nVerify, {dtype}: {words}")
    for name, found in report["engines"].items():
        lines.append(f"\n### {name}, {w}x{h} to {4 * w}x{4 * h}\n")
        lines += [found] if isinstance(found, str) else _timed(found["weights"], [_row(row) for row in found["rows"]])
    return "\n".join(lines)


def _timed(weights: int, rows: list[EngineRow]) -> list[str]:
    heading, *cells = engine_table(rows)
    lines = [f"| {' | '.join(heading)} |", f"|{'---|' * len(heading)}", *(f"| {' | '.join(c)} |" for c in cells)]
    lines.append(f"\nWeights: {readable(weights)}. Milliseconds of a frame by stage:\n")
    for row in rows:
        if row.frames:
            stages = ", ".join(f"{stage} {1e3 * median(values):.1f}" for stage, values in row.stages.items())
            lines.append(f"- `{row.engine}`: {stages}")
    refused = [f"- `{row.engine}`: {row.refused}" for row in rows if row.refused]
    return [*lines, *(["\nNot run:\n", *refused] if refused else [])]


def _row(values: dict[str, Any]) -> EngineRow:
    return EngineRow(**{name: value for name, value in values.items() if name != "frame"})


def _title(report: dict[str, Any]) -> str:
    about = report["machine"]
    return f"{about.get('accelerator') or about['processor']} ({report['device']})"


def _verdict(found: dict[str, Any]) -> str:
    worst = f"largest difference of a byte {found['out_u8']:g} of 255, {found['share']:.1e} of the bytes differ"
    return f"{found['out']} of {found['values']} recorded values are out of the float32 tolerance; {worst}."


def _verified(golden: Path, device: torch.device, dtype: str, engine: str = TORCH) -> dict[str, Any]:
    rows = verify(golden, device=device, dtype=dtype, engine=engine)
    return {
        "values": len(rows),
        "out": sum(not row.ok for row in rows),
        "out_u8": max(row.difference for row in rows if row.value == "out_u8"),
        "share": max(row.difference for row in rows if row.value == "out_u8 share"),
    }


def _tested(tests: Path) -> dict[str, Any]:
    """pytest's last line, and the tests that failed; without the options that need the suite's plug-ins."""
    words = [sys.executable, "-m", "pytest", str(tests), "-m", "device", "-q", "--tb=line"]
    words += ["-o", "addopts=", "-p", "no:cacheprovider"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=TESTS_WITHIN, check=False)
    told = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["nothing was said"]
    return {"summary": told[-1].strip("= "), "failed": [line for line in told if line.startswith(("FAILED", "ERROR"))]}


def _unless_late(until: float, work: Callable[[], Any]) -> Any:
    """What the work gives; a sentence where there is no time left for it, or it cannot be done here."""
    if time.monotonic() > until:
        return "not run: the time was up."
    try:
        return work()
    except Exception as error:  # a report tells what a device cannot do, whatever says so
        return f"failed ({type(error).__name__}): {' '.join(str(error).split())[:LONGEST]}"


def _wide(device: torch.device, dtype: torch.dtype) -> Models:
    """The published width before any training, made where it runs."""
    from workbench.train.build import build
    from workbench.train.recipe import load_recipe, shipped

    with torch.device(device):
        models = build(load_recipe(shipped("published_width")).model, seed=0)
    for network in models.networks.values():
        network.to(dtype).eval().requires_grad_(False)
    return models


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
