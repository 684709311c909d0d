"""What a device does with these models, in a few minutes: is it right, and how fast is each engine on it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from workbench._version import __version__
from workbench.bench.engines import Row as EngineRow
from workbench.bench.engines import bench_engines, engine_table
from workbench.devices import DTYPES, machine, peak_memory, resolve_device, resolve_dtype, usable_dtypes
from workbench.engines.runner import Say, unsaid
from workbench.errors import WorkbenchError
from workbench.models.load import load_models
from workbench.pipeline.settings import Settings
from workbench.verify import verify

LIMIT = 420.0  # seconds after which nothing new is begun; what runs then ends within a minute
PACKAGES = ("torch", "diffusers", "onnxruntime", "onnxruntime-gpu", "openvino")
START, END = "<!-- machines -->", "<!-- end of machines -->"


def device_report(
    device: str = "auto",
    *,
    size: tuple[int, int] = (180, 320),
    repeats: int = 3,
    golden: Path | None = None,
    engines: list[str] | None = None,
    wide: bool | None = None,
    limit: float = LIMIT,
    say: Say = unsaid,
) -> dict[str, Any]:
    """Verification and timings of one device, ready for JSON. ``size``: (h, w) of the frames.

    ``golden``: a golden folder, else nothing is verified. ``wide``: also the published width with random weights; None:
    on a GPU. ``limit``: seconds after which what is left is noted as not run.
    """
    where = resolve_device(device)
    until = time.monotonic() + limit
    wide = where.type != "cpu" if wide is None else wide
    report: dict[str, Any] = {
        "date": date.today().isoformat(),
        "machine": machine(),
        "device": str(where),
        "versions": {"workbench": __version__} | {name: found for name in PACKAGES if (found := _version(name))},
        "size": list(size),
        "verify": {},
        "engines": {},
    }
    for dtype in usable_dtypes(where):
        if golden is not None:
            say(f"verify {dtype}")
            report["verify"][dtype] = _unless_late(until, lambda dtype=dtype: _verified(golden, where, dtype))
    models = {"embedded": lambda dtype: load_models(None, device=where, dtype=resolve_dtype(dtype, where))}
    if wide:
        models["published width, random weights"] = lambda dtype: _published(where, dtype)
    for name, load in models.items():
        for dtype in usable_dtypes(where)[:2] if where.type != "cpu" else ["fp32"]:
            say(f"{name}, {dtype}")
            run = _Run(load, dtype, size, repeats, engines, until, say)
            report["engines"][f"{name}, {dtype}"] = _unless_late(until, run)
    report["peak_memory"] = peak_memory(where)
    report["seconds"] = round(time.monotonic() - until + limit, 1)
    return report


class _Run:
    """One model's engines, in turn."""

    def __init__(self, load: Callable[[str], Any], dtype: str, size: tuple[int, int], repeats: int,
                 engines: list[str] | None, until: float, say: Say) -> None:  # fmt: skip
        self.load, self.dtype, self.size, self.repeats = load, dtype, size, repeats
        self.engines, self.until, self.say = engines, until, say

    def __call__(self) -> list[dict[str, Any]]:
        rows = bench_engines(
            self.load(self.dtype), self.size, Settings(flow="dis", flow_size="input"), names=self.engines,
            repeats=self.repeats, until=self.until, say=self.say,
        )  # fmt: skip
        return [row.to_dict() for row in rows]


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
    for dtype, found in report["verify"].items():
        words = found if isinstance(found, str) else _verdict(found)
        lines.append(f"\nVerify, {dtype}: {words}")
    for name, rows in report["engines"].items():
        lines.append(f"\n### {name}, {w}x{h} to {4 * w}x{4 * h}\n")
        if isinstance(rows, str):
            lines.append(rows)
            continue
        heading, *cells = engine_table([_row(row) for row in rows])
        lines += [f"| {' | '.join(heading)} |", f"|{'---|' * len(heading)}", *(f"| {' | '.join(c)} |" for c in cells)]
        refused = [f"- `{row['engine']}`: {row['refused']}" for row in rows if row["refused"]]
        lines += ["\nNot run:\n", *refused] if refused else []
    return "\n".join(lines)


def _row(values: dict[str, Any]) -> EngineRow:
    return EngineRow(**{name: value for name, value in values.items() if name != "frame"})


def _title(report: dict[str, Any]) -> str:
    about = report["machine"]
    return f"{about.get('accelerator') or about['processor']} ({report['device']})"


def _verdict(found: dict[str, Any]) -> str:
    worst = f"largest difference of a byte {found['out_u8']:g} of 255, {found['share']:.1e} of the bytes differ"
    return f"{found['out']} of {found['values']} recorded values are out of the float32 tolerance; {worst}."


def _verified(golden: Path, device: torch.device, dtype: str) -> dict[str, Any]:
    rows = verify(golden, device=device, dtype=dtype)
    return {
        "values": len(rows),
        "out": sum(not row.ok for row in rows),
        "out_u8": max(row.difference for row in rows if row.value == "out_u8"),
        "share": max(row.difference for row in rows if row.value == "out_u8 share"),
    }


def _unless_late(until: float, work: Callable[[], Any]) -> Any:
    """What the work gives; a sentence where there is no time left for it, or it cannot be done here."""
    if time.monotonic() > until:
        return "not run: the time was up."
    try:
        return work()
    except (WorkbenchError, RuntimeError, NotImplementedError) as error:  # a report tells what a device cannot do
        return f"failed: {' '.join(str(error).split())[:300]}"


def _published(device: torch.device, dtype: str) -> Any:
    """The published width before any training, in the precision and on the device."""
    from workbench.train.build import build
    from workbench.train.recipe import load_recipe, shipped

    models = build(load_recipe(shipped("published_width")).model, seed=0)
    for network in models.networks.values():
        network.to(device, getattr(torch, DTYPES[dtype])).eval().requires_grad_(False)
    models.prompt = models.prompt.to(device)
    return models


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
