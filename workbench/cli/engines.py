"""``workbench engines``: what can run the networks here, and the graphs that are kept."""

from __future__ import annotations

import argparse
import json
from datetime import datetime

from workbench.devices import readable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clear", action="store_true", help="remove every exported graph from the cache")
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:N, mps or cpu")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    from workbench.devices import resolve_device
    from workbench.engines.cache import Cache
    from workbench.engines.choose import best_engine, engines_here
    from workbench.engines.table import ENGINES, TORCH

    cache, device = Cache(), resolve_device(args.device).type
    if args.clear:
        print(f"removed {readable(cache.clear())} from {cache.folder}")
        return 0
    found, best = engines_here(device), best_engine(device, "float32")
    entries = [
        {
            "graph": entry.about["name"],
            "model": entry.about["made"].get("model", ""),
            "dtype": entry.about["made"].get("precision", ""),
            "bytes": entry.bytes,
            "used": datetime.fromtimestamp(entry.used).isoformat(timespec="minutes"),
        }
        for entry in cache.entries()
    ]
    if args.json:
        print(json.dumps({"device": device, "engines": found, "cache": str(cache.folder), "graphs": entries}, indent=2))
        return 0
    print(f"engines on {device} (auto on long clips: {best.name if best else TORCH})")
    width = max(map(len, found))
    for name, why in found.items():
        print(f"  {name:{width}} {ENGINES[name].about}{f'; not here: {why}' if why else ''}")
    size = readable(sum(entry["bytes"] for entry in entries))
    print(f"graphs in {cache.folder}: {size} of at most {readable(cache.limit)}")
    for entry in entries:
        kept = f"{entry['dtype']:8} {readable(entry['bytes']):>10}"
        print(f"  {entry['graph']:26} {kept}  {entry['used']}  {entry['model']}")
    return 0
