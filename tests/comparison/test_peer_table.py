"""The table of peers is measured, follows from its numbers, and is checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from workbench.bench.footprint import footprint
from workbench.comparison import peer_table
from workbench.comparison.peer_table import (
    PeerRow,
    PeerTable,
    disagreements,
    measure,
    page,
    shipped,
    with_excerpt,
)
from workbench.errors import WorkbenchError
from workbench.models.folder import fingerprint
from workbench.models.hub import SHIPPED

ROOT = Path(__file__).parents[2]


@pytest.fixture
def table() -> PeerTable:
    means: dict[str, float] = dict.fromkeys(peer_table.MEASURED, 1.0)
    said: dict[str, str] = dict.fromkeys(peer_table.MEASURED, "no difference found") | {"cvvdp": "worse"}
    rows = [
        PeerRow("bicubic", "embedded", means, {}, 0.5, 100 * 2**20),
        PeerRow("bicubic", "realesrgan-x4plus", means, said, 5.0, 3 * 2**30),
    ]
    return PeerTable({"embedded": "0" * 64}, {"a": 3}, (64, 96), rows, {"processor": "P", "cores": "2"})


def test_the_committed_page_is_the_tables_and_of_the_shipped_model() -> None:
    kept = PeerTable.from_json(shipped().read_text(encoding="utf-8"))
    prints = {name: fingerprint(folder) for name, folder in SHIPPED.items()}
    assert kept.models == prints, "the models are others: run 'workbench peers --write'"
    assert (ROOT / "docs" / "peers.md").read_text(encoding="utf-8") == page(kept)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert with_excerpt(readme, kept) == readme
    assert "| realesrgan-x4plus | " in readme


def test_the_page_says_what_the_numbers_say(table) -> None:
    lines = page(table).splitlines()
    assert "## bicubic" in lines
    assert "| embedded | 1.00 | 1.000 | 1.0 | 1.00 | 1.00 | 0.5 | 100 MiB |" in lines
    assert "| realesrgan-x4plus | 1.00 | 1.000 | 1.0 | 1.00 (worse) | 1.00 | 5 | 3.00 GiB |" in lines


def test_a_table_is_measured(tiny_pipe, tmp_path) -> None:
    for k in range(3):
        (tmp_path / str(k)).mkdir()
        for frame in range(2):
            image = data.astronaut()[40 * k + frame : 40 * k + frame + 128, 100:228]
            Image.fromarray(np.ascontiguousarray(image)).save(tmp_path / str(k) / f"{frame}.png")
    asked: list[str] = []

    def memory(name: str) -> int:
        asked.append(name)
        return 7 if name == "one" else 9

    table = measure(
        {"one": tiny_pipe, "two": tiny_pipe},
        tmp_path,
        models={"one": "m", "two": "n"},
        memory=memory,
        degradations=("area", "area+jpeg:20"),
        against=("bicubic", "realesr-animevideov3"),
        metrics=("psnr_y", "flicker"),
    )
    assert [row.name for row in table.rows] == 2 * ["one", "two", "bicubic", "realesr-animevideov3"]
    assert table.clips == {"0": 2, "1": 2, "2": 2}
    assert table.size == (32, 32)
    assert all(row.seconds > 0 for row in table.rows)
    assert asked == ["one", "two", "bicubic", "realesr-animevideov3"]
    assert set(table.rows[1].verdicts.values()) == {"identical"}
    assert [row.memory for row in table.rows] == 2 * [7, 9, 9, 9]
    assert table.rows[2].verdicts["psnr_y"] == "better"  # than a model that was never trained
    assert table.rows[2].means["psnr_y"] > table.rows[6].means["psnr_y"]
    assert PeerTable.from_json(table.to_json()) == table


def test_memory_is_a_process_of_its_own_without_pythons() -> None:
    small, large = footprint("bicubic", (24, 32)), footprint("bicubic", (240, 320))
    picture = 3 * 960 * 1280 * 4
    assert small < picture < large < 8 * picture
    with pytest.raises(WorkbenchError, match=r"(?s)the measuring process ended with 1: .*nothing to compare against"):
        footprint("dlss", (24, 32))


def test_a_table_that_no_longer_holds_is_found(table) -> None:
    assert disagreements(table, table) == []
    first = table.rows[0]
    worse = replace(first, means=first.means | {"psnr_y": first.means["psnr_y"] - 1})
    assert "psnr_y is" in disagreements(table, replace(table, rows=[worse]))[0]
    larger = replace(first, memory=2 * first.memory)
    assert "200 MiB of memory, the table says 100 MiB" in disagreements(table, replace(table, rows=[larger]))[0]
    assert "other models" in disagreements(replace(table, models={"embedded": "n"}), table)[0]
    assert "not in the table" in disagreements(replace(table, rows=[]), table)[0]
