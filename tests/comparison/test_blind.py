"""A blind test in the browser: names are hidden until the end, keys answer, answers are kept and go on."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser import chromium
from workbench.comparison import compare
from workbench.comparison.blind import Answers, blind_page, serve, table
from workbench.errors import InputError

pytestmark = pytest.mark.xdist_group("browser")


def test_a_blind_test_is_answered_by_keys_and_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clip = list(rng.integers(0, 256, (4, 24, 32, 3), dtype=np.uint8))
    result = compare(None, clip, against=("lanczos", "bicubic"), metrics=["piqe"], resume=tmp_path / "compared")
    answers = Answers(tmp_path / "blind.json", result.about)
    told: list[str] = []
    ready = threading.Event()

    def said(url: str) -> None:
        told.append(url)
        ready.set()

    page_text = blind_page(result, result.pictures(), rounds=3)
    server = threading.Thread(target=serve, args=(page_text, answers, 0), kwargs={"ready": said}, daemon=True)
    server.start()
    assert ready.wait(20)
    assert httpx.post(f"{told[0]}votes", json={"one": "dlss", "other": "bicubic", "preferred": ""}).status_code == 400
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(told[0])
        for count, key in enumerate("120", start=1):
            expect(page.locator("blind-test #ask p")).to_contain_text(f"Pair {count} of 3")
            assert "lanczos" not in page.locator("blind-test").inner_text()
            expect(page.locator("clip-player #left-tag")).to_have_text("1")
            page.keyboard.press(key)
        expect(page.locator("blind-test table")).to_contain_text("lanczos")
        expect(page.locator("blind-test")).to_contain_text("from 3 answers")
        with page.expect_download() as fetched:
            page.get_by_role("link", name="blind.csv").click()
        assert Path(fetched.value.path()).read_text(encoding="utf-8").count("\n") == 3
        browser.close()
    server.join(20)
    assert not server.is_alive(), "the end of the test ends the command"
    kept = json.loads((tmp_path / "blind.json").read_text(encoding="utf-8"))
    assert kept["about"]["machine"] == result.about["machine"]
    assert [vote["preferred"] == "" for vote in kept["votes"]] == [False, False, True]
    assert "of 3" in table(Answers(tmp_path / "blind.json", result.about).votes)
    about = result.about | {"columns": [{"name": "other"}, {"name": "bicubic"}]}
    with pytest.raises(InputError, match="holds answers on lanczos, bicubic"):
        Answers(tmp_path / "blind.json", about)
