"""The report in a real Chromium: opens from disk, asks the network for nothing, and its divider works."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, sync_playwright

from tests.browser import chromium
from workbench.comparison import Comparison, compare
from workbench.comparison.curves import curve, frame_ticks, nice_ticks
from workbench.comparison.pictures import most_different, mp4
from workbench.comparison.store import Folder
from workbench.errors import InputError

pytestmark = pytest.mark.xdist_group("browser")


PART = "document.querySelector('clip-player').shadowRoot.getElementById"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Interpolation of six frames of moving blobs, against known truth."""
    rng = np.random.default_rng(0)
    large = cv2.GaussianBlur(rng.integers(0, 256, (160, 192, 3), dtype=np.uint8), (0, 0), 3)
    large = cv2.normalize(large, None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    truth = [np.ascontiguousarray(large[4 * i : 4 * i + 96, 8 * i : 8 * i + 128]) for i in range(6)]
    clip = [cv2.resize(frame, (32, 24), interpolation=cv2.INTER_AREA) for frame in truth]
    folder = tmp_path_factory.mktemp("compared")
    names = ("psnr", "flicker")
    return compare(None, clip, reference=truth, metrics=names, against=("lanczos", "bicubic"), resume=folder)


@pytest.fixture(scope="module")
def report(result: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return result.report(tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="module")
def page(report: Path) -> Iterator[Page]:
    """The report, opened from disk with the network cut; any request elsewhere or error of its script fails a test."""
    trouble: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        context = browser.new_context(offline=True, reduced_motion="reduce", viewport={"width": 1000, "height": 800})
        page = context.new_page()
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else trouble.append(r.url))
        page.goto(report.as_uri())
        page.wait_for_function(f"() => {PART}('left').readyState >= 2")
        page.wait_for_function(f"() => {PART}('right').readyState >= 2")
        yield page
        browser.close()
    assert trouble == []


def at(page: Page) -> int:
    return int(page.locator("#divider").get_attribute("aria-valuenow") or -1)


def test_nothing_in_the_file_points_outside(report: Path) -> None:
    found: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in ("link", "iframe", "object", "embed")
            found.extend(value or "" for name, value in attrs if name in ("src", "href", "srcset", "poster", "data"))

    text = report.read_text(encoding="utf-8")
    Links().feed(text)
    assert found
    assert all(link.startswith("data:image/png;base64,") for link in found)
    assert not re.search(r"https?://|url\(|@import|<!--[A-Z]+-->", text)


def test_dragging_the_divider_moves_the_cut(page: Page) -> None:
    stage = page.locator("#stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, middle, steps=4)
    assert at(page) == 25
    assert page.locator("clip-player").evaluate("p => p.stage.cut") == 0.25
    page.mouse.up()
    page.mouse.move(box["x"] + box["width"] * 0.9, middle)
    assert at(page) == 25
    line = page.locator("#divider").bounding_box()
    assert line is not None
    assert line["x"] + line["width"] / 2 == pytest.approx(box["x"] + box["width"] * 0.25, abs=1.5)


def test_the_keyboard_moves_the_divider(page: Page) -> None:
    divider = page.locator("#divider")
    divider.focus()
    page.keyboard.press("Home")
    assert at(page) == 0
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert at(page) == 12
    page.keyboard.press("End")
    assert at(page) == 100
    page.keyboard.press("ArrowLeft")
    assert at(page) == 98
    assert "bicubic" in (divider.get_attribute("aria-valuetext") or "")


def test_both_clips_show_the_chosen_frame_and_play_together(page: Page) -> None:
    times = f"() => ['left', 'right'].map(id => {PART}(id).currentTime)"
    page.locator("#scrub").fill("3")
    page.wait_for_function(f"() => ({times})().every(t => Math.abs(t - 3.5 / 12) < 1e-3)")
    page.locator("#forward").click()
    page.wait_for_function(f"() => ({times})().every(t => Math.abs(t - 4.5 / 12) < 1e-3)")
    page.locator("#play").click()
    page.wait_for_function(f"() => !{PART}('left').paused && !{PART}('right').paused")
    page.wait_for_function(f"() => {{ const [a, b] = ({times})(); return a < 4 / 12 && Math.abs(a - b) < 1 / 12; }}")
    page.locator("#play").click()
    assert page.evaluate(f"() => {PART}('left').paused && {PART}('right').paused")


def test_clips_can_be_chosen_and_curves_lead_to_frames(page: Page) -> None:
    page.select_option("#right-choice", "reference")
    page.wait_for_function(f"() => {PART}('right').readyState >= 2 && {PART}('right').dataset.name === 'reference'")
    assert page.locator("#right-tag").inner_text() == "reference"
    chart = page.locator(".chart svg").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + box["height"] / 2)
    assert "frame 5" in page.locator(".readout").first.inner_text()
    page.mouse.down()
    page.mouse.up()
    page.wait_for_function(f"() => {PART}('scrub').value === '5'")


def test_the_page_fits_a_narrow_screen(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("() => document.documentElement.scrollWidth <= 390")
    page.set_viewport_size({"width": 1000, "height": 800})


def test_a_report_needs_pictures(result: Comparison, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs the comparison's pictures"):
        Comparison.from_json(result.to_json()).report(tmp_path / "report.html")


def test_crops_are_where_the_columns_differ(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    for index in range(3):
        store.save_picture(0, index, np.full((96, 128, 3), 100, np.uint8))
        other = np.full((96, 128, 3), 100, np.uint8)
        if index == 1:
            other[40:72, 80:112] = 200
        if index == 2:
            other[0:32, 0:32] = 150
        store.save_picture(1, index, other)
    crops = most_different(store, 2, 3, count=2)
    assert [(c.index, c.x, c.y, c.size) for c in crops] == [(1, 80, 40, 32), (2, 0, 0, 32)]
    assert [round(c.score) for c in crops] == [100, 50]


def test_the_clip_keeps_its_pictures_and_rate() -> None:
    frames = [np.full((64, 96, 3), (40 * k, 100, 255 - 40 * k), np.uint8) for k in range(5)]
    with av.open(io.BytesIO(base64.b64decode(mp4(iter(frames), 12.5)))) as container:
        assert float(container.streams.video[0].average_rate or 0) == 12.5
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(decoded) == 5
    for frame, original in zip(decoded, frames, strict=True):
        assert np.abs(frame.astype(int) - original).max() <= 6


def test_curves_have_round_ticks_and_lift_the_pen_over_gaps() -> None:
    assert nice_ticks(25.1, 26.9) == pytest.approx([25, 25.5, 26, 26.5, 27])
    assert len(nice_ticks(3.0, 3.0)) >= 2
    assert frame_ticks(10) == [0, 2, 4, 6, 8]
    assert len(frame_ticks(12345)) <= 8
    drawing = curve({"one": [None, 1.0, 2.0, float("inf"), 2.0, 1.0]}, label="PSNR")
    assert len(re.findall(r"[ \"]?M\d", drawing)) == 2
    assert "nan" not in drawing
