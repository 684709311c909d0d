"""``wb.show``: pictures as they are, and comparisons in the player, which a saved notebook still has."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import expect, sync_playwright

from tests.browser import chromium
from workbench.comparison import Comparison, compare
from workbench.errors import InputError
from workbench.views import show as module
from workbench.views.show import as_frame, as_pil, show

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    clip = list(np.random.default_rng(0).integers(0, 256, (4, 24, 32, 3), dtype=np.uint8))
    folder = tmp_path_factory.mktemp("compared")
    return compare(None, clip, against=("lanczos", "bicubic"), metrics=["piqe"], resume=folder)


def test_pictures_of_all_kinds_are_8_bit_images() -> None:
    unit = torch.rand(3, 4, 5)
    assert np.array_equal(np.asarray(as_pil(unit)), (unit * 255).round().byte().permute(1, 2, 0).numpy())
    with pytest.raises(InputError, match=r"got shape \(4, 5\)"):
        as_pil(np.zeros((4, 5), np.uint8))


def test_a_notebook_keeps_a_comparisons_player_and_its_table(result, monkeypatch) -> None:
    shown: list[dict[str, str]] = []
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    show(result)
    assert shown[0]["text/plain"] == str(result)
    assert shown[0]["text/html"].startswith("<iframe srcdoc=")


def test_elsewhere_it_is_a_page_of_its_own(result, monkeypatch, tmp_path) -> None:
    opened: list[str] = []
    monkeypatch.setattr(module, "_in_notebook", lambda: False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("webbrowser.open", opened.append)
    show(result)
    assert Path(opened[0].removeprefix("file://")).read_text(encoding="utf-8") == result.player()


def test_within_another_page_the_player_plays_and_offers_no_link(result, tmp_path) -> None:
    (tmp_path / "notebook.html").write_text(f"<!doctype html><body>{as_frame(result.player())}", encoding="utf-8")
    trouble: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 900, "height": 800}, reduced_motion="reduce")
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto((tmp_path / "notebook.html").as_uri())
        frame = page.frame_locator("iframe")
        expect(frame.locator("clip-player #left-tag")).to_have_text("bicubic")
        expect(frame.locator("table")).to_be_hidden()
        expect(frame.locator("#link")).to_be_hidden()
        frame.get_by_role("button", name="Next frame").click()
        expect(frame.locator("#frame")).to_have_text("1 of 3")
        high = frame.locator("html").evaluate("html => [html.scrollHeight, html.clientHeight]")
        browser.close()
    assert trouble == []
    assert high[0] <= high[1], "nothing of the player is cut off"
