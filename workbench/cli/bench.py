"""``workbench bench``: seconds and memory per frame and stage, here."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from workbench.cli.compare import varied
from workbench.cli.options import add_model, add_settings, settings_from
from workbench.engines.table import AUTO
from workbench.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--size", action="append", metavar="WIDTHxHEIGHT",
        help="low-resolution size; may be repeated (default: 160x90 and 320x180, to see how time and memory grow)",
    )  # fmt: skip
    parser.add_argument(
        "--vary", action="append", default=[], metavar="SETTING=A,B,...", help="one row per value; all combinations"
    )
    parser.add_argument("--repeats", type=int, default=3, help="timed frames of each kind, taken in turn")
    parser.add_argument(
        "--memory", action="store_true", help="only memory: estimated against measured, in fresh processes"
    )
    parser.add_argument(
        "--page", type=Path, default=None,
        help="with --memory: fixed configurations, as a page (docs/memory.md); with --report: docs/devices.md",
    )  # fmt: skip
    parser.add_argument("--engines", action="store_true", help="every engine that is here, side by side in one run")
    parser.add_argument(
        "--report", type=Path, default=None, metavar="JSON",
        help="verify this device and time every engine on it, within 8 minutes; with --page, also as a section there",
    )  # fmt: skip
    parser.add_argument("--minutes", type=float, default=7.0, help="with --report: after these nothing new is begun")
    parser.add_argument("--golden", type=Path, default=Path("tests/golden"), help="with --report: what is verified")
    parser.add_argument("--tests", type=Path, default=Path("tests/device"), help="with --report: tests of a device")
    parser.add_argument("--json", type=Path, default=None, help="also write the numbers here")
    parser.add_argument("--figure", type=Path, default=None, help="also draw them here (.png, .svg, .pdf)")
    parser.epilog = "Example: workbench bench --size 160x90 --size 320x180 --vary vae_slicing=off,on --device all"
    add_settings(parser)
    add_model(parser)


def run(args: argparse.Namespace) -> int:
    from workbench.devices import available_devices

    if args.report is not None:
        return _report(args)
    if args.page is not None:
        return _page(args)
    if args.engines:
        return _engines(args)
    sizes = [size_of(text) for text in args.size or ["160x90", "320x180"]]
    variants = varied(settings_from(args), args.vary)
    devices = available_devices() if args.device == "all" else [args.device]
    dtypes = args.dtype.split(",")
    work = _memory if args.memory else _times
    rows = [row for device in devices for dtype in dtypes for row in work(args, device, dtype, sizes, variants)]
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


def _times(
    args: argparse.Namespace, device: str, dtype: str, sizes: list[tuple[int, int]], variants: list[Any]
) -> list[Any]:
    from dataclasses import replace

    from workbench.bench.bench import bench, growth_with_pixels
    from workbench.bench.measure import measure_memory
    from workbench.pipeline.load import load_pipeline
    from workbench.pipeline.memory import check_memory

    pipe = load_pipeline(args.model, device=device, dtype=dtype, revision=args.revision, engine=args.engine)
    reports = []
    for size in sizes:
        for settings in variants:
            check_memory(pipe, size, settings)
            report = bench(pipe, settings, size=size, repeats=args.repeats)
            measured = measure_memory(args.model, size, settings, device=device, dtype=dtype, revision=args.revision)
            reports.append(replace(report, memory=measured.stages))
            print(f"{reports[-1]}\n")
    for line in growth_with_pixels(reports):
        print(line)
    if args.figure:
        from workbench.views.plots.bench import bench as draw

        name = args.figure.with_stem(f"{args.figure.stem}-{pipe.device.type}") if args.device == "all" else args.figure
        draw(reports).savefig(name)
    return [report.to_dict() for report in reports]


def _memory(
    args: argparse.Namespace, device: str, dtype: str, sizes: list[tuple[int, int]], variants: list[Any]
) -> list[Any]:
    from dataclasses import asdict

    from workbench.bench.accuracy import EMBEDDED, Configuration, check_estimates, growth_with_frames
    from workbench.devices import resolve_device

    where = str(resolve_device(device))
    asked = [Configuration(size, settings, dtype=dtype) for size in sizes for settings in variants]
    rows = []
    for checked in check_estimates({EMBEDDED: args.model}, asked, device=where, revision=args.revision):
        print(checked, flush=True)
        rows.append(asdict(checked) | {"ratio": checked.ratio})
    few, many = growth_with_frames(args.model, sizes[0], variants[0], where).values()
    print(f"16 frames need x{many / few:.2f} of what 4 need")
    return [*rows, {"frames_4": few, "frames_16": many}]


def _engines(args: argparse.Namespace) -> int:
    from workbench.bench.engines import bench_engines, engine_table
    from workbench.devices import resolve_device, resolve_dtype
    from workbench.models.load import load_models

    device = resolve_device(args.device)
    models = load_models(args.model, device=device, dtype=resolve_dtype(args.dtype, device), revision=args.revision)
    found = {}
    for text in args.size or ["320x180"]:
        rows = bench_engines(models, size_of(text), settings_from(args), repeats=args.repeats, say=_progress)
        found[text] = [row.to_dict() for row in rows]
        table = engine_table(rows)
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        print(text)
        for row in table:
            print("  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
        for row in rows:
            if row.refused:
                print(f"  {row.engine}: {row.refused}")
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


def _report(args: argparse.Namespace) -> int:
    from workbench.bench.report import device_report, section, write_report

    sizes = [size_of(text) for text in args.size or ["320x180"]]
    report = device_report(
        args.device,
        size=sizes[0],
        repeats=args.repeats,
        golden=args.golden if args.golden.is_dir() else None,
        tests=args.tests if args.tests.is_dir() else None,
        engines=None if args.engine == AUTO else args.engine.split(","),
        limit=60 * args.minutes,
        say=_progress,
        save=lambda report: write_report(report, args.report, args.page),
    )
    print(f"## {section(report)}")
    print(f"wrote {args.report}{f' and {args.page}' if args.page else ''}")
    return 0


def _progress(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _page(args: argparse.Namespace) -> int:
    """The committed record: always the same configurations, on the CPU."""
    from workbench.bench.accuracy import CONFIGURATIONS, EMBEDDED, PUBLISHED_WIDTH, check_estimates, growth_with_frames
    from workbench.bench.page import memory_page

    if not args.memory:
        raise InputError("--page goes with --memory.")
    rows = []
    with tempfile.TemporaryDirectory(prefix="published-width-") as folder:
        _save_random("published_width", folder)
        for checked in check_estimates({EMBEDDED: None, PUBLISHED_WIDTH: folder}, CONFIGURATIONS):
            print(checked, flush=True)
            rows.append(checked)
    growth = growth_with_frames(None, CONFIGURATIONS[0].size, CONFIGURATIONS[0].settings.but(steps=1))
    args.page.write_text(memory_page(rows, growth), encoding="utf-8")
    print(f"wrote {args.page}")
    return 0


def _save_random(recipe: str, folder: str) -> None:
    """A shipped recipe's model before any training: its memory is that of the trained one."""
    from workbench.models.save import save_models
    from workbench.train.build import build
    from workbench.train.recipe import load_recipe, shipped

    save_models(build(load_recipe(shipped(recipe)).model, seed=0), folder)


def size_of(text: str) -> tuple[int, int]:
    """``320x180`` -> (180, 320)."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise InputError(f"--size must be WIDTHxHEIGHT, for example 320x180; got {text!r}.")
    return int(height), int(width)
