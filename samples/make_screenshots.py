"""Makes the pictures of the web app's pages: starts the app, does one job of each kind, and looks at it in a Chromium.

python samples/make_screenshots.py

Needs the packages for tests (Playwright) and a Chromium. Everything shown was made by the app during this run.
"""

from __future__ import annotations

import io
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tests.browser import chromium  # noqa: E402

TARGET = ROOT / "samples" / "screenshots"
LOW, HIGH = (ROOT / "samples" / f"forest-{size}.mp4" for size in ("320x180", "1280x720"))
WIDTH, HEIGHT = 1280, 900
MOST_BYTES = 400_000
TALLEST = 1900  # pixels of a page that is shown whole
MINUTE = 60_000  # milliseconds


def main() -> None:
    with app() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            light = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce")
            light.set_default_timeout(10 * MINUTE)
            light.goto(url)
            light.get_by_text("An example, already computed.").wait_for()
            light.wait_for_timeout(20_000)  # the server has started whole, and knows how fast the machine is
            ready(light.locator("#upscale-job"))
            drag(light.locator("#upscale-job clip-player"), 0.45)
            save(light, "landing")
            job = upscale(light)
            compare(light)
            inside(light)
            live(light)
            machine(light)
            dark = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce")
            result_again(dark, f"{job}&__theme=dark", "dark")
            phone = browser.new_page(viewport={"width": 360, "height": 740}, reduced_motion="reduce")
            result_again(phone, job, "phone")
        finally:
            browser.close()


def upscale(page: Page) -> str:
    """A preview of 8 frames, half way and done -> its link."""
    page.locator("#clip-upload input[type=file]").set_input_files(LOW)
    page.locator("#clip").get_by_text(LOW.name).wait_for()
    page.locator("#upscale-plan").get_by_text("will take").wait_for()
    page.locator("#preview").click()
    view = page.locator("#upscale-job")
    view.get_by_text("4 of 8 frames").wait_for()
    drag(view.locator("clip-player"), 0.55)
    save(page, "live", whole=True)
    view = finished(page, "upscale")
    ready(view)
    drag(view.locator("clip-player"), 0.55)
    save(page, "done", whole=True)
    return page.url.partition("#")[0]  # without the place in the clip: more words may follow


def compare(page: Page) -> None:
    """The high-resolution original: the small clip is made from it, and numbers are taken against it."""
    page.locator("#clip-upload input[type=file]").set_input_files(HIGH)
    page.locator("#clip").get_by_text(HIGH.name).wait_for()
    page.get_by_role("tab", name="Compare").click()
    page.get_by_label("This clip is the high-resolution original").check()
    page.locator("#compare-frames input").fill("4")
    page.locator("#compare").click()
    view = finished(page, "compare")
    ready(view)
    drag(view.locator("clip-player"), 0.6)
    save(page, "compare", whole=True)


def inside(page: Page) -> None:
    page.locator("#clip-upload input[type=file]").set_input_files(LOW)
    page.locator("#clip").get_by_text(LOW.name).wait_for()
    page.get_by_role("tab", name="Inside").click()
    page.locator("#inside-frames input").click()
    page.get_by_role("option", name="2", exact=True).click()
    page.locator("#inside").click()
    view = finished(page, "inside")
    view.locator("#figure-flow img").scroll_into_view_if_needed()
    for picture in view.locator("figure img").all():
        expect(picture).to_have_js_property("complete", True, timeout=MINUTE)
    save(page, "inside", whole=True)


def live(page: Page) -> None:
    """The clip on the left, played in real time as a camera would give it."""
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="The clip on the left").click()
    view = page.locator("live-view[data-state=running]")
    view.wait_for(state="attached")
    page.wait_for_function("document.querySelector('live-view').frames.length > 40")  # its size is settled
    save(page, "live-tab", whole=True)
    view.get_by_role("button", name="Stop", exact=True).click()


def machine(page: Page) -> None:
    page.get_by_role("tab", name="This machine").click()
    page.locator("#devices").click()
    finished(page, "devices")
    save(page, "machine", whole=True)


def result_again(page: Page, link: str, name: str) -> None:
    """The finished job by its link, in other looks."""
    page.set_default_timeout(2 * MINUTE)
    page.goto(link)
    view = finished(page, "upscale")
    page.locator("#clip").get_by_text(LOW.name).wait_for()
    ready(view)
    drag(view.locator("clip-player"), 0.5)
    save(page, name, whole=name == "phone")


def finished(page: Page, kind: str) -> Locator:
    """The view of a job that is done; a failure ends this at once."""
    view = page.locator(f"#{kind}-job job-view")
    ended = page.locator(", ".join(f"#{kind}-job job-view[data-state={state}]" for state in ("done", "failed")))
    ended.wait_for(state="attached")
    if view.get_attribute("data-state") == "failed":
        raise SystemExit(f"the job failed: {view.locator('#error').inner_text()}")
    return view


def ready(view: Locator) -> None:
    """Both videos show a picture; one that was never in sight is not painted."""
    view.locator("clip-player").scroll_into_view_if_needed()
    for side in ("left", "right"):
        expect(view.locator(f"clip-player #{side}")).to_have_js_property("readyState", 4, timeout=MINUTE)


def drag(view: Locator, to: float) -> None:
    """The line stands at this part of the width."""
    view.evaluate("(element, to) => element.divider.put(100 * to)", to)


def save(page: Page, name: str, *, whole: bool = False) -> None:
    page.mouse.move(2, 2)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(2000)  # what moves or fades has come to rest, what is decoded is painted
    picture = Image.open(io.BytesIO(page.screenshot(full_page=whole, animations="disabled"))).convert("RGB")
    picture = picture.crop((0, 0, picture.width, min(picture.height, TALLEST)))
    target = TARGET / f"app-{name}.png"
    target.parent.mkdir(exist_ok=True)
    palette = picture.quantize(256, kmeans=1)
    for dither in (Image.Dither.FLOYDSTEINBERG, Image.Dither.NONE):
        picture.quantize(palette=palette, dither=dither).save(target, optimize=True)
        if target.stat().st_size < MOST_BYTES:
            break
    print(f"{target.name}: {picture.width}x{picture.height}, {target.stat().st_size / 1000:.0f} kB", flush=True)  # noqa: T201


@contextmanager
def app() -> Iterator[str]:
    """The app with data of its own, at its address; ended and cleaned up afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as data:
        words = [sys.executable, str(ROOT / "demo_app.py"), "--port", str(port), "--data", data]
        server = subprocess.Popen(words, cwd=ROOT)
        try:
            url = f"http://127.0.0.1:{port}/"
            wait_for(url, server)
            yield url
        finally:
            server.terminate()
            server.wait(60)


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 240
    while True:
        try:
            urllib.request.urlopen(url, timeout=10).close()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > end:
                raise SystemExit("the app did not start") from None
            time.sleep(0.3)


if __name__ == "__main__":
    main()
