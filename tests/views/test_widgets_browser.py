"""The widgets and the player in a real JupyterLab, in a real Chromium: sliders, keyboard, choosers, a toggle, stop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.browser import chromium
from tests.jupyterlab import jupyterlab, run_all

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(900)]

BOUND = 60_000  # milliseconds: the longest any one wait may take
SETUP = """
import time
from pathlib import Path
import numpy as np, torch
import workbench as wb
from tests.tiny import tiny_models
from workbench.pipeline.pipeline import Pipeline

torch.set_num_threads(1)

class Gated(Pipeline):
    def stream(self, frames, settings=None, **more):
        for out in super().stream(frames, settings, **more):
            yield out
            while Path("hold").exists():
                time.sleep(0.05)

coarse = torch.rand(1, 3, 12, 14, generator=torch.Generator().manual_seed(0))
still = torch.nn.functional.interpolate(coarse, size=(48, 56), mode="bicubic").clamp(0, 1)[0].permute(1, 2, 0)
clip = np.stack([(still.numpy()[i : i + 24, 2 * i : 2 * i + 32] * 255).astype(np.uint8) for i in range(4)])
pipe = Gated(tiny_models())
trace = wb.Trace("x0", "flow", "tpm.*", "latent")
for out in pipe.stream(clip, wb.Settings(steps=3), trace=trace):
    pass
wb.explore(trace)
"""
ABLATE = 'wb.ablate(pipe, clip, wb.Settings(steps=2), frames=3, metrics=["flicker"])'
SHOW = 'wb.show(wb.compare(None, clip, against=["lanczos", "bicubic"], metrics=["piqe"]))'
PIXELS = """image => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    canvas.getContext('2d').drawImage(image, 0, 0);
    return canvas.toDataURL(); }"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the notebook lies, and the file that holds a run up."""
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture(scope="module")
def page(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The notebook with both widgets and a player, run; any request to elsewhere fails a test."""
    python = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": python})
    notebook.cells = [nbformat.v4.new_code_cell(source.strip()) for source in (SETUP, ABLATE, SHOW)]
    nbformat.write(notebook, folder / "widgets.ipynb")
    elsewhere: list[str] = []
    with jupyterlab(folder, tmp_path_factory.mktemp("home")) as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1600}, reduced_motion="reduce")
        page.set_default_timeout(BOUND)
        page.on("request", lambda r: None if _local(r.url, lab.port) else elsewhere.append(r.url))
        page.goto(lab.url("widgets.ipynb"), timeout=BOUND)
        run_all(page, BOUND)
        yield page
        browser.close()
    assert elsewhere == []


def _local(url: str, port: int) -> bool:
    return url.startswith(("data:", "blob:", f"http://127.0.0.1:{port}/", f"ws://127.0.0.1:{port}/"))


def pixels(image: Locator) -> str:
    """What is drawn, once it is whole."""
    expect(image).to_have_js_property("complete", True, timeout=BOUND)
    return image.evaluate(PIXELS)


def wait_for_change(image: Locator, before: str) -> str:
    """The new pixels."""
    image.page.wait_for_function(
        f"([i, before]) => i.complete && ({PIXELS})(i) !== before", arg=[image.element_handle(), before], timeout=BOUND
    )
    return pixels(image)


def test_arrow_keys_move_the_frame_slider_and_the_pictures_follow(page: Page) -> None:
    explorer = page.locator(".wb-explore")
    slider, views = explorer.locator(".wb-frame").get_by_role("slider"), explorer.locator(".wb-view")
    assert views.count() == 3
    before = [pixels(views.nth(k).locator("img")) for k in range(3)]
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuenow", "2.0", timeout=BOUND)
    after = [wait_for_change(views.nth(k).locator("img"), before[k]) for k in range(3)]
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuenow", "3.0", timeout=BOUND)
    assert [wait_for_change(views.nth(k).locator("img"), after[k]) for k in range(3)] == before


def test_the_step_slider_shows_the_frame_forming(page: Page) -> None:
    explorer = page.locator(".wb-explore")
    picture, flow = (explorer.locator(".wb-view").nth(k) for k in (0, 1))
    expect(picture.locator("code")).to_have_text('trace.image("x0", 3, 2)', timeout=BOUND)
    before, still = pixels(picture.locator("img")), pixels(flow.locator("img"))
    track = explorer.locator(".wb-step .noUi-base")
    track.click(position={"x": 1, "y": 1}, timeout=BOUND)
    expect(explorer.locator(".wb-step").get_by_role("slider")).to_have_attribute("aria-valuenow", "0.0", timeout=BOUND)
    expect(picture.locator("code")).to_have_text('trace.image("x0", 3, 0)', timeout=BOUND)
    wait_for_change(picture.locator("img"), before)
    assert pixels(flow.locator("img")) == still, "flow happens once a frame"


def test_any_tap_and_channel_can_be_put_into_a_view(page: Page) -> None:
    view = page.locator(".wb-explore .wb-view").nth(2)
    before = pixels(view.locator("img"))
    view.get_by_role("combobox").nth(0).select_option("latent", timeout=BOUND)
    expect(view.locator("code")).to_have_text('trace["latent", 3][0]', timeout=BOUND)
    strength = wait_for_change(view.locator("img"), before)
    view.get_by_role("combobox").nth(1).select_option("channel 2", timeout=BOUND)
    expect(view.locator("code")).to_have_text('trace["latent", 3][0][2]', timeout=BOUND)
    wait_for_change(view.locator("img"), strength)


def test_a_comparison_is_shown_in_the_player_and_stepped_through(page: Page) -> None:
    page.locator("iframe[title='The player']").scroll_into_view_if_needed(timeout=BOUND)
    player = page.frame_locator("iframe[title='The player']")
    expect(player.locator("#left-tag")).to_have_text("bicubic", timeout=BOUND)
    player.get_by_role("button", name="Next frame").click(timeout=BOUND)
    expect(player.locator("#frame")).to_have_text("1 of 3", timeout=BOUND)
    player.get_by_role("button", name="Difference", exact=True).click(timeout=BOUND)
    expect(player.locator("#left-tag")).to_contain_text("|lanczos − bicubic| × 4", timeout=BOUND)
    drawn = player.locator("clip-player").evaluate(
        "({ stage: { context, canvas: { width, height } } }) =>"
        " context.getImageData(0, 0, width, height).data.some(v => v > 8 && v < 255)"
    )
    assert drawn


def test_toggling_tpm_runs_again_and_shows_another_picture(page: Page) -> None:
    widget = page.locator(".wb-ablate")
    expect(widget.locator(".wb-status")).to_contain_text("done: the base settings", timeout=BOUND)
    base, changed = widget.locator(".wb-base img"), widget.locator(".wb-changed img")
    before = pixels(changed)
    assert before == pixels(base)
    widget.locator(".wb-tpm").get_by_role("checkbox").uncheck(timeout=BOUND)
    expect(widget.locator(".wb-status")).to_contain_text("done: tpm=off", timeout=BOUND)
    assert wait_for_change(changed, before) != pixels(base)
    expect(widget.locator(".wb-metrics")).to_contain_text("seconds per frame", timeout=BOUND)
    expect(widget.locator(".wb-metrics")).to_contain_text("Flicker", timeout=BOUND)
    frame = widget.locator(".wb-frame").get_by_role("slider")
    frame.focus()
    page.keyboard.press("Home")
    expect(frame).to_have_attribute("aria-valuenow", "0.0", timeout=BOUND)
    wait_for_change(base, before)
    page.wait_for_function(
        f"([a, b]) => a.complete && b.complete && ({PIXELS})(a) === ({PIXELS})(b)",
        arg=[base.element_handle(), changed.element_handle()],
        timeout=BOUND,
    )


def test_a_run_shows_its_progress_and_can_be_stopped(page: Page, folder: Path) -> None:
    widget = page.locator(".wb-ablate")
    status, changed = widget.locator(".wb-status"), widget.locator(".wb-changed img")
    before, hold = pixels(changed), folder / "hold"
    stop = widget.get_by_role("button", name="Stop")
    expect(stop).to_be_disabled(timeout=BOUND)
    hold.touch()
    try:
        widget.locator(".wb-attention-slicing").get_by_role("checkbox").check(timeout=BOUND)
        expect(status).to_contain_text("running", timeout=BOUND)
        expect(widget.locator(".wb-progress .progress")).to_be_visible(timeout=BOUND)
        stop.click(timeout=BOUND)
        expect(stop).to_be_disabled(timeout=BOUND)
    finally:
        hold.unlink()
    expect(status).to_contain_text("stopped", timeout=BOUND)
    assert pixels(changed) == before
    widget.get_by_role("button", name="Run").click(timeout=BOUND)
    expect(status).to_contain_text("attention_slicing=on", timeout=BOUND)
    expect(status).to_contain_text("done", timeout=BOUND)
