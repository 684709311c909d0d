"""The cache of graphs: whole entries only, one builder at a time, the oldest go first."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from workbench.engines.cache import ABOUT, Cache
from workbench.errors import EngineError


def writes(content: bytes):
    def build(folder: Path) -> dict[str, object]:
        (folder / "graph.onnx").write_bytes(content)
        return {"made": len(content)}

    return build


def test_an_entry_is_made_once_and_found_again(tmp_path):
    cache, calls = Cache(tmp_path), []

    def build(folder: Path) -> dict[str, object]:
        calls.append(folder)
        return writes(b"graph")(folder)

    made = [cache.make("unet", {"size": 1}, build) for _ in range(2)]
    assert len(calls) == 1
    assert made[0].folder == made[1].folder
    assert made[1].about["made"] == {"made": 5}
    assert cache.find("unet", {"size": 2}) is None


@pytest.mark.parametrize("harm", ["changed", "cut", "gone", "no record", "half a record"])
def test_a_broken_entry_is_made_anew(tmp_path, harm):
    cache = Cache(tmp_path)
    folder = cache.make("unet", {}, writes(b"graph")).folder
    file, about = folder / "graph.onnx", folder / ABOUT
    {
        "changed": lambda: file.write_bytes(b"grapH"),
        "cut": lambda: file.write_bytes(b"gra"),
        "gone": file.unlink,
        "no record": about.unlink,
        "half a record": lambda: about.write_text(about.read_text()[:20]),
    }[harm]()
    assert cache.find("unet", {}) is None
    again = cache.make("unet", {}, writes(b"graph"))
    assert (again.folder / "graph.onnx").read_bytes() == b"graph"


def test_a_builder_that_fails_leaves_nothing(tmp_path):
    def build(folder: Path) -> dict[str, object]:
        (folder / "graph.onnx").write_bytes(b"half")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        Cache(tmp_path).make("unet", {}, build)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_two_at_once_build_once(tmp_path):
    calls, ready = [], threading.Barrier(2)

    def build(folder: Path) -> dict[str, object]:
        calls.append(1)
        return writes(b"graph")(folder)

    def ask() -> None:
        ready.wait()
        Cache(tmp_path).make("unet", {}, build)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [1]


def test_what_was_used_longest_ago_goes_first(tmp_path):
    cache = Cache(tmp_path, limit=2500)
    for k in range(3):
        entry = cache.make("unet", {"k": k}, writes(bytes(800)))
        os.utime(entry.folder / ABOUT, (k, k))
    kept = cache.make("unet", {"k": 3}, writes(bytes(800)))
    assert kept in cache.entries()
    assert cache.find("unet", {"k": 0}) is None
    assert sum(entry.bytes for entry in cache.entries()) <= 2500
    assert cache.clear() > 0
    assert cache.entries() == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="cannot be kept"):
        Cache(tmp_path / "file").make("unet", {}, writes(b"graph"))
