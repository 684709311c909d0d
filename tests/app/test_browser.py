"""The app's page in a real Chromium: every tab from the upload to its result.

One server, one browser and few jobs for the whole file; every wait has an end; what plays was started by a test.
"""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.app_pages import (
    LONG,
    MARKS,
    RATE,
    SHORT,
    job,
    start,
    token_of,
    told,
    upload,
    video,
    visit,
    with_settings,
)
from tests.app_server import AppServer, free_port
from tests.video_material import pictures
from workbench.app.errors import QueueFull
from workbench.app.options import Options
from workbench.app.page import LAUNCH, build
from workbench.app.request import Request
from workbench.app.store import Material
from workbench.app.values import Device, Plan, Probe
from workbench.app.work.devices import table as measured_table
from workbench.bench.published import as_table
from workbench.pipeline.settings import Settings

pytestmark = MARKS


def test_every_setting_has_a_control_and_a_link_sets_them(server: AppServer, browser: Browser) -> None:
    with visit(browser, with_settings(server, steps=3, tpm=False, artg=0.5, flow="dis")) as page:
        page.get_by_role("button", name="Why?").click()
        for known in fields(Settings):
            expect(page.locator(f"#setting-{known.name}")).to_be_visible()
        expect(page.locator("#setting-steps input")).to_have_value("3")
        expect(page.locator("#setting-tpm input")).not_to_be_checked()
        expect(page.locator("#setting-artg input[type=number]")).to_have_value("0.5")
        expect(page.locator("#setting-flow input")).to_have_value("dis")
        expect(page.get_by_role("radio", name="Own")).to_be_checked()
    with visit(browser, f"{server.url}?settings={quote(json.dumps({'stepz': 2}))}") as page:
        expect(page.get_by_role("alert").filter(has_text="Did you mean 'steps'")).to_be_visible()


def test_a_clip_is_uploaded_upscaled_and_played_under_a_divider(
    server: AppServer, browser: Browser, clips: dict[str, Path]
) -> None:
    with visit(browser, with_settings(server)) as page:
        page.get_by_role("button", name="Why?").click()
        expect(page.locator("#setting-steps input")).to_have_value("1")
        upload(page, clips["short"])
        expect(page.locator("#clip")).to_contain_text("64×48 → 256×192 · 12 frames · 25 frames/s · 0.5 s · sound")
        expect(page.locator("#upscale-plan")).to_contain_text("12 frames")
        start(page, "upscale")
        view = job(page, "upscale", "done")
        assert video(server, token_of(page)) == (SHORT, True)
        with page.expect_download() as fetched:
            view.get_by_role("link", name="Video").click()
        assert fetched.value.suggested_filename == "short_x4.mp4"

        left, right, divider = (view.locator(f"#{part}") for part in ("left", "right", "divider"))
        for side in (left, right):
            expect(side).to_have_js_property("readyState", 4)
        view.get_by_role("button", name="Next frame").click()
        for side in (left, right):
            expect(side).to_have_js_property("currentTime", 1.5 / RATE)
        view.get_by_role("button", name="Play").click()
        page.wait_for_function(
            """([left, right]) => !left.paused && !right.paused && right.currentTime > 0.1
                && Math.abs(left.currentTime - right.currentTime) < 0.08""",
            arg=[left.element_handle(), right.element_handle()],
        )
        stage = view.locator("#stage clip-player #stage")
        stage.scroll_into_view_if_needed()
        box = stage.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2, steps=3)
        page.mouse.up()
        assert view.locator("clip-player").evaluate("player => player.stage.cut") == 0.25
        assert not right.evaluate("video => video.paused")
        view.get_by_role("button", name="Pause").click()
        divider.press("End")
        expect(divider).to_have_attribute("aria-valuenow", "100")
        expect(divider).to_have_attribute("aria-valuetext", "100 % bicubic, 0 % upscaled")


def test_a_long_job_shows_itself_survives_a_reload_and_stops_while_another_person_waits(
    server: AppServer, browser: Browser, clips: dict[str, Path]
) -> None:
    slow = with_settings(server, steps=4)
    with visit(browser, slow) as first, visit(browser, with_settings(server)) as second:
        upload(first, clips["long"])
        start(first, "upscale")
        newest = first.locator("#upscale-job clip-player #right")
        expect(newest).to_have_js_property("naturalWidth", 256)
        token = token_of(first)
        status = told(first, token)
        assert status["state"] == "running"
        assert 1 <= status["done"] < LONG

        upload(second, clips["short"])
        start(second, "upscale", "preview")
        expect(job(second, "upscale", "waiting")).to_contain_text("One job is before this one.")

        first.reload()
        view = job(first, "upscale", "running")
        assert token_of(first) == token
        expect(newest).to_have_js_property("naturalWidth", 256)
        expect(view).to_contain_text(f"of {LONG} frames")
        expect(first.locator("#clip")).to_contain_text(f"{LONG} frames")
        first.get_by_role("button", name="Why?").click()
        expect(first.locator("#setting-steps input")).to_have_value("4")
        view.get_by_role("button", name="Stop").click()
        view = job(first, "upscale", "stopped")
        made = told(first, token)["done"]
        assert video(server, token) == (made, True)
        assert 1 <= made < LONG
        expect(view.locator("clip-player #right")).to_have_js_property("readyState", 4)
        expect(view.get_by_role("button", name="Go on")).to_be_visible()

        job(second, "upscale", "done")
        assert video(server, token_of(second)) == (8, True)


def test_two_versions_are_compared_against_the_original(
    server: AppServer, browser: Browser, clips: dict[str, Path]
) -> None:
    with visit(browser, with_settings(server)) as page:
        upload(page, clips["original"])
        page.get_by_role("tab", name="Compare").click()
        page.get_by_label("This clip is the high-resolution original").check()
        page.get_by_role("checkbox", name="realesr-animevideov3").check()
        page.locator("#damage input").click()
        page.get_by_role("option", name="bicubic+noise:3+h264:28").click()
        start(page, "compare")
        view = job(page, "compare", "done")
        token = token_of(page)
        assert {video(server, token, name) for name in ("a.mp4", "b.mp4", "c.mp4", "truth.mp4")} == {(3, False)}
        expect(view.locator("#what")).to_contain_text("bicubic+noise:3+h264:28")
        expect(view.locator("table").first).to_contain_text("PSNR")
        for name in ("bicubic", "realesr-animevideov3"):
            expect(view.locator("table").first).to_contain_text(name)
        for side in ("left", "right"):
            expect(view.locator(f"clip-player #{side}")).to_have_js_property("readyState", 4)
        view.locator("clip-player #left-choice").select_option("original")
        expect(view.locator("clip-player #left-tag")).to_have_text("original")
        with page.expect_popup() as opened:
            view.get_by_role("link", name="Open the report").click()
        report = opened.value
        expect(report.locator("h1")).to_contain_text("original.mp4")
        expect(report.locator("body")).to_contain_text("wb.compare(")  # the command that makes it again
        expect(report.locator("clip-player #right")).to_have_js_property("readyState", 4)
        report.close()
        answer_blindly(page, view)


def answer_blindly(page: Page, view: Locator) -> None:
    """The blind test of a comparison: names hidden, keys answer, scores at the end, and the player comes back."""
    view.get_by_role("button", name="Blind test").click()
    test = view.locator("blind-test")
    tags = test.locator(".tag")
    for number, key in enumerate("120", 1):
        expect(test).to_contain_text(f"Pair {number} of")
        expect(test.locator("#right")).to_have_js_property("readyState", 4)
        assert set(tags.all_inner_texts()) == {"1", "2"}
        assert "bicubic" not in test.inner_text()
        page.keyboard.press(key)
    expect(test).to_contain_text("Pair 4 of")
    test.get_by_role("button", name="Enough").click()
    expect(test.locator("tbody tr")).to_have_count(3)
    expect(test).to_contain_text("from 3 answers")
    with page.expect_download() as fetched:
        test.get_by_role("link", name="blind.json").click()
    assert len(json.loads(fetched.value.path().read_text())["votes"]) == 3
    view.get_by_role("button", name="Back to the player").click()
    expect(view.locator("clip-player")).to_be_visible()


def test_the_sliders_inside_change_the_pictures(server: AppServer, browser: Browser, clips: dict[str, Path]) -> None:
    with visit(browser, with_settings(server, steps=2)) as page:
        upload(page, clips["short"])
        page.get_by_role("tab", name="Inside").click()
        page.locator("#inside-frames input").click()
        page.get_by_role("option", name="2", exact=True).click()
        start(page, "inside")
        view = job(page, "inside", "done")
        seen = set()
        for frame, step in (("1", "1"), ("1", "0"), ("0", "0")):
            view.locator("#frame-slider").fill(frame)
            view.locator("#step-slider").fill(step)
            shown = view.locator("#figure-x0 img")
            expect(shown).to_have_attribute("src", f"jobs/{token_of(page)}/x0-{frame}-{step}.png")
            expect(shown).to_have_js_property("naturalWidth", 256)
            seen.add(page.request.get(shown.evaluate("image => image.currentSrc")).body())
        assert len(seen) == 3
        expect(view.locator("#figure-flow")).to_contain_text("it begins with frame 1")
        for name in ("x0", "latent", "flow", "artg", "tpm"):
            expect(view.locator(f"#figure-{name}")).to_be_visible()
        with page.expect_download() as fetched:
            view.get_by_role("link", name="Trace").click()
        assert fetched.value.suggested_filename == "short_trace.safetensors"


def test_a_file_that_is_no_clip_is_told_in_a_box(server: AppServer, browser: Browser, tmp_path: Path) -> None:
    wrong = tmp_path / "holiday.mp4"
    wrong.write_bytes(b"not a video " * 100)
    with visit(browser, server.url) as page:
        page.locator("#clip-upload input[type=file]").set_input_files(wrong)
        expect(page.locator("#clip-said").get_by_role("alert")).to_contain_text("holiday.mp4 cannot be opened")
        page.locator("#upscale").click()
        expect(page.locator("#upscale-said").get_by_role("alert")).to_contain_text("Choose a clip first")
    with visit(browser, f"{server.url}?job={'x' * 22}") as page:
        expect(page.get_by_role("alert").filter(has_text="leads to no job here")).to_be_visible()


def test_a_picture_is_upscaled_and_enlarged(server: AppServer, browser: Browser, tmp_path: Path) -> None:
    Image.fromarray(pictures(1)[0]).save(tmp_path / "still.png")
    with visit(browser, with_settings(server)) as page:
        upload(page, tmp_path / "still.png")
        start(page, "upscale")
        view = job(page, "upscale", "done")
        made = view.locator("clip-player #right")
        expect(made).to_have_attribute("src", re.compile("upscaled.png$"))
        expect(made).to_have_js_property("naturalWidth", 256)
        zoom = view.locator("clip-player #zoom")
        expect(zoom).to_have_text("Fit")
        view.locator("clip-player #stage").dblclick(position={"x": 30, "y": 30})
        expect(zoom).to_have_text(re.compile(r"\d+×"))
        view.locator("clip-player #divider").press("z")
        expect(zoom).to_have_text("Fit")
        expect(view.locator("clip-player #controls")).to_be_hidden()  # there is nothing to play


class Full:
    """A service whose device is too small without VAE slicing, and whose queue is full."""

    def __init__(self, data: Path) -> None:
        self.options = Options(data=data)

    def add_material(self, files: list[Path], name: str, called: list[str]) -> str:
        return "m" * 22

    def material(self, token: str) -> Material:
        return Material(Path("source.mp4"), "{{holiday}} ${1}.mp4", 1, 0.0)

    def probe(self, token: str) -> Probe:
        return Probe(width=1920, height=1080, frames=9, fps=25.0, seconds=0.36)

    def plan(self, request: Request) -> Plan:
        fits = request.settings.steps == 1
        return Plan(frames=9, fits=fits, text="9 frames fit." if fits else "this needs 9 GiB.", instead={"steps": 1})

    def check_device(self, device: str, dtype: str, engine: str) -> None:
        """Every one is right."""

    def submit(self, request: Request) -> str:
        raise QueueFull("8 jobs wait already; try again later.")

    def devices(self) -> list[Device]:
        return [Device(name="cpu", label="CPU", dtypes=("auto",))]


def test_what_does_not_fit_is_refused_with_one_click_to_what_does(browser: Browser, tmp_path: Path) -> None:
    demo = build(Full(tmp_path))  # type: ignore[arg-type]
    _, url, _ = demo.launch(
        prevent_thread_lock=True, quiet=True, ssr_mode=False, server_port=free_port(), share=False, **LAUNCH
    )
    try:
        with visit(browser, url) as page:
            page.get_by_role("button", name="Sample: forest").click()
            expect(page.locator("#clip")).to_contain_text("{{holiday}} ${1}.mp4")
            expect(page.locator("#upscale-plan").get_by_role("alert")).to_have_text("This needs 9 GiB.")
            page.get_by_role("button", name="Use what fits: Steps 1").click()
            page.get_by_role("button", name="Why?").click()
            expect(page.locator("#setting-steps input")).to_have_value("1")
            expect(page.locator("#upscale-plan")).to_have_text("9 frames fit.")
            expect(page.get_by_role("button", name="Use what fits")).to_be_hidden()
            page.locator("#upscale").click()
            expect(page.locator("#upscale-said").get_by_role("alert")).to_contain_text("8 jobs wait already")
    finally:
        demo.close()


def test_a_lost_network_is_said_and_waited_out(server: AppServer, browser: Browser) -> None:
    status = {"state": "running", "kind": "upscale", "done": 1, "total": 4, "live": None, "files": {}, "result": {}}
    with visit(browser, server.url) as page:
        page.route("**/jobs/lost", lambda route: route.abort())
        page.evaluate("document.body.append(Object.assign(document.createElement('job-view'), {id: 'lost'}))")
        view = page.locator("#lost")
        view.evaluate("view => { view.dataset.kind = 'upscale'; view.dataset.token = 'lost'; }")
        expect(view).to_contain_text("cannot be reached")
        page.unroute("**/jobs/lost")
        page.route("**/jobs/lost", lambda route: route.fulfill(json=status))
        expect(view).to_contain_text("1 of 4 frames")


def test_published_figures_stand_apart_from_measured_ones(server: AppServer, browser: Browser) -> None:
    row = {"name": "as set", "seconds_per_frame": 1.5, "spread": [1.4, 1.6], "first_frame": 1.0, "memory_bytes": 2**28}
    result = {
        "machine": {"processor": "a test's"},
        "stages": {"unet": 1.0, "decode": 0.5},
        "measured": measured_table([row | {"ratio_to_plain": 1.02, "gflop": 10.0}]),
        "size": [90, 160],
        "published": as_table(),
    }
    status = {"state": "done", "kind": "devices", "updated": 1.0, "files": {}, "result": result, "live": None}
    with visit(browser, server.url) as page:
        page.route("**/jobs/told", lambda route: route.fulfill(json=status))
        page.evaluate("document.body.append(Object.assign(document.createElement('job-view'), {id: 'told'}))")
        view = page.locator("#told")
        view.evaluate("view => { view.dataset.kind = 'devices'; view.dataset.token = 'told'; }")
        tables = view.locator("table")
        expect(tables).to_have_count(2)
        expect(tables.first).to_contain_text("as set")
        expect(tables.first).to_contain_text("256 MiB")
        expect(tables.first).to_contain_text("1.02")
        expect(tables.first).not_to_contain_text("RTX")
        expect(tables.last).to_contain_text("published, not measured here")
        expect(tables.last).to_contain_text("RTX 4090")


def test_the_page_is_dark_where_asked_and_fits_a_phone(server: AppServer, browser: Browser) -> None:
    with visit(browser, f"{server.url}?__theme=dark", viewport={"width": 390, "height": 844}) as page:
        shade = "element => getComputedStyle(element).{0}.match(/[0-9]+/g).slice(0, 3).map(Number)"
        assert max(page.locator("body").evaluate(shade.format("backgroundColor"))) < 60
        assert min(page.locator("#upscale-job job-view").evaluate(shade.format("color"))) > 200
        for name in ("Upscale", "Compare", "Inside", "This machine"):
            page.get_by_role("tab", name=name).click()
            expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
