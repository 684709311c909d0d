"""The app's page in a real Chromium, against the real server and the embedded model: what its tests share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import av
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.app_server import AppServer, app_server
from tests.browser import chromium
from tests.video_material import make_video, noise, pictures

MARKS = [pytest.mark.xdist_group("app"), pytest.mark.timeout(300)]
LONGEST = 60_000  # milliseconds of any wait
QUICK = {"steps": 1}
SHORT, LONG = 12, 1000  # frames
RATE = 25

expect.set_options(timeout=LONGEST)


@pytest.fixture(scope="module", name="server")
def server_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    with app_server(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module", name="browser")
def browser_fixture() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="module", name="clips")
def clips_fixture(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    return {
        "short": make_video(folder / "short.mp4", pictures(SHORT), rate=RATE, sound=noise(SHORT / RATE)),
        "long": make_video(folder / "long.mp4", pictures(LONG), rate=RATE, sound=noise(LONG / RATE)),
        "original": make_video(folder / "original.mp4", pictures(3, 128, 96), rate=RATE),
    }


@contextmanager
def visit(browser: Browser, url: str, **looks: Any) -> Iterator[Page]:
    """A page of a person's own, closed whatever happens; an error of its scripts fails the test."""
    trouble: list[str] = []
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | looks)
    context.set_default_timeout(LONGEST)
    try:
        page = context.new_page()
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto(url)
        expect(page.get_by_role("button", name="Upscale")).to_be_visible()
        yield page
    finally:
        context.close()
    assert trouble == []


def with_settings(server: AppServer, **settings: Any) -> str:
    return f"{server.url}?settings={quote(json.dumps(QUICK | settings))}"


def upload(page: Page, clip: Path) -> None:
    page.locator("#clip-upload input[type=file]").set_input_files(clip)
    expect(page.locator("#clip")).to_contain_text(clip.name)


def start(page: Page, kind: str, button: str | None = None) -> None:
    """Presses the button once the page has said what the job will take."""
    expect(page.locator(f"#{kind}-plan")).to_contain_text("will take")
    page.locator(f"#{button or kind}").click()


def job(page: Page, kind: str, state: str) -> Any:
    """The view of a job, once it is in that state."""
    view = page.locator(f"#{kind}-job job-view[data-state={state}]")
    expect(view).to_be_attached()
    return view


def token_of(page: Page) -> str:
    return page.url.partition("#")[0].partition("job=")[2].partition("&")[0]


def video(server: AppServer, token: str, name: str = "upscaled.mp4") -> tuple[int, bool]:
    """Frames that really decode, and whether there is sound, of a finished job's file."""
    with av.open(str(server.data / "jobs" / token / "public" / name)) as container:
        sound = bool(container.streams.audio)
        return sum(1 for _ in container.decode(video=0)), sound


def told(page: Page, token: str) -> dict[str, Any]:
    """The job's status, as the page gets it."""
    return page.evaluate("token => fetch(`jobs/${token}`).then(answer => answer.json())", token)
