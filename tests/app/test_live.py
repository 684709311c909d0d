"""The Live tab in a real Chromium with its fake camera and screen: pictures come back, controls act, a turn ends where
others wait, and whoever leaves frees the lane."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.app_pages import MARKS, visit
from tests.app_server import AppServer, app_server, until
from tests.browser import chromium
from workbench.app.models import PUBLISHED
from workbench.app.page import boxes
from workbench.app.page.look import head

pytestmark = MARKS
CAMERA = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--auto-select-desktop-capture-source=Entire screen",
]
TURN = 4.0  # seconds of a viewer while others wait


@pytest.fixture(scope="module", name="server")
def server_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    with app_server(tmp_path_factory.mktemp("data"), "--live-seconds", f"{TURN}") as running:
        yield running


@pytest.fixture(scope="module", name="browser")
def browser_fixture() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu", *CAMERA]
        )
        try:
            yield browser
        finally:
            browser.close()


def begin(page: Page, source: str = "Camera") -> None:
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name=source, exact=True).click()


def shown(page: Page) -> int:
    """The number of the newest frame that came back."""
    return int(page.locator("live-view").get_attribute("data-shown") or -1)


def picture(page: Page) -> str:
    return page.evaluate(
        "document.querySelector('live-view').shadowRoot.getElementById('right').toDataURL().slice(-4000)"
    )


def test_the_view_comes_up_from_the_pages_scripts_alone(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(f"<!doctype html><title>x</title>{head()}{boxes.live(['', 'owner/name'], 'owner/name')}")
    page, trouble = browser.new_page(), []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(file.as_uri())
    expect(page.get_by_role("button", name="Camera", exact=True)).to_be_visible()
    expect(page.get_by_role("combobox", name="Model")).to_have_value("owner/name")
    expect(page.get_by_role("combobox", name="Engine")).to_have_value("auto")
    page.get_by_role("button", name="The clip on the left").click()
    expect(page.get_by_role("alert")).to_contain_text("choose a video on the left first")
    page.close()
    assert trouble == []


def test_a_camera_is_upscaled_while_it_runs(server: AppServer, browser: Browser) -> None:
    with visit(browser, server.url) as page:
        page.get_by_role("tab", name="Live").click()
        page.locator("live-view").get_by_role("combobox", name="Engine").select_option("torch")
        begin(page)
        view = page.locator("live-view[data-state=running]")
        until(lambda: shown(page) >= 0)
        first, before = shown(page), picture(page)
        until(lambda: shown(page) > first + 2)
        assert picture(page) != before  # the fake camera's picture moves
        expect(view.locator("#figures")).to_contain_text("frames/s · delay")
        expect(view.locator("#legend")).to_contain_text("controlnet")

        view.locator("[name=artg]").fill("0")  # acts while it runs: without ARTG there is no ControlNet
        until(lambda: "controlnet 0 ms" in view.locator("#legend").inner_text())

        view.get_by_role("combobox", name="Model").select_option(PUBLISHED)  # without a network
        expect(view.locator("#trouble")).to_contain_text("the hub cannot be reached")
        expect(view.get_by_role("combobox", name="Model")).to_have_value("")  # the session goes on with the one it has

        view.get_by_role("button", name="Record").click()
        expect(view.get_by_role("button", name="Stop recording")).to_be_visible()
        begun = shown(page)
        until(lambda: shown(page) > begun + 10)
        view.get_by_role("button", name="Snapshot").click()
        view.get_by_role("button", name="Stop recording").click()
        for name in ("snapshot", "recording"):
            expect(view.locator(f"#files a[download^={name}]")).to_be_visible()
        token = view.locator("#files a").first.get_attribute("href").split("/")[1]  # type: ignore[union-attr]
        assert '"engine": "torch"' in (server.data / "jobs" / token / "request.json").read_text(encoding="utf-8")
        public = server.data / "jobs" / token / "public"
        with av.open(str(next(public.glob("recording-*.mp4")))) as container:
            assert sum(1 for _ in container.decode(video=0)) >= 2

        with visit(browser, server.url) as second:
            begin(second, "Share a screen")  # one device, one viewer
            expect(second.locator("live-view[data-state=waiting]")).to_be_attached()
            expect(second.locator("live-view #said")).to_contain_text("1 job goes before this one")
            expect(page.locator("live-view[data-state=idle] #said")).to_contain_text("Your turn is over")
            until(lambda: server.status(token)["state"] in ("done", "stopped"))
            until(lambda: shown(second) >= 0)
            token = second.evaluate("document.querySelector('live-view').token")
            second.close()  # without a word
            left = time.monotonic()
            until(lambda: server.status(token)["state"] in ("done", "stopped"))
            assert time.monotonic() - left < 30
    assert "Traceback" not in server.log.read_text(errors="replace")
