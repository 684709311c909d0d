"""The app's page, walked as a new user would: no dead ends, nothing lost from sight, by hand, by key, on a phone."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.app_pages import (
    MARKS,
    RATE,
    job,
    start,
    token_of,
    told,
    upload,
    visit,
    with_settings,
)
from tests.app_server import AppServer
from tests.video_material import make_video, pictures

pytestmark = MARKS
TABS = ("Upscale", "Compare", "Inside", "Live", "This machine")
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("stills")
    paths = [folder / f"holiday {k}.png" for k in range(2)]
    for path, picture in zip(paths, pictures(2), strict=True):
        Image.fromarray(picture).save(path)
    return paths


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def open_settings(page: Page) -> None:
    page.get_by_role("button", name="Why?").click()


# Dead ends


def test_a_precision_that_a_device_cannot_do_is_refused_at_its_field(
    server: AppServer, browser: Browser, clips
) -> None:
    with visit(browser, with_settings(server)) as page:
        upload(page, clips["short"])
        page.get_by_role("button", name="Device and model").click()
        page.locator("#dtype input").click()
        page.get_by_role("option", name="fp16", exact=True).click()
        expect(page.locator("#dtype-said").get_by_role("alert")).to_contain_text("choose auto or fp32 or bf16")
        expect(page.locator("#upscale-plan")).to_contain_text("choose auto or fp32 or bf16")
        expect(page.locator("#upscale-plan")).not_to_contain_text("damaged")
        page.locator("#dtype input").click()
        page.get_by_role("option", name="fp32", exact=True).click()
        page.locator("#engine input").click()
        page.get_by_role("option", name="cudagraphs", exact=True).click()
        expect(page.locator("#dtype-said").get_by_role("alert")).to_contain_text("has no cudagraphs")


def test_a_wrong_number_is_told_once_beside_its_field(server: AppServer, browser: Browser, clips) -> None:
    with visit(browser, with_settings(server)) as page:
        upload(page, clips["short"])
        expect(page.locator("#upscale-plan")).to_contain_text("will take")
        open_settings(page)
        for wrong in ("0", "5000"):
            page.locator("#setting-steps input").fill(wrong)
            beside = page.locator("#setting-steps-said").get_by_role("alert")
            expect(beside).to_contain_text(f"from 1 to 1000, got {wrong}")
            expect(page.locator("#upscale-plan")).not_to_contain_text("will take")
            assert page.get_by_role("alert").count() == 1
            assert page.locator(".toast-body").count() == 0
        page.locator("#setting-steps input").fill("1")
        expect(page.locator("#setting-steps-said").get_by_role("alert")).to_have_count(0)
        expect(page.locator("#upscale-plan")).to_contain_text("will take")
    assert "Traceback" not in server.log.read_text(errors="replace")


def test_stills_play_at_the_rate_that_was_assumed_and_one_is_enlarged(
    server: AppServer, browser: Browser, stills: list[Path]
) -> None:
    with visit(browser, with_settings(server)) as page:
        page.locator("#clip-upload input[type=file]").set_input_files(stills)
        expect(page.locator("#clip")).to_contain_text("2 frames")
        start(page, "upscale")
        view = job(page, "upscale", "done")
        expect(view.locator("#right")).to_have_js_property("readyState", 4)
        view.get_by_role("button", name="Next frame").click()
        expect(view.locator("clip-player #frame")).to_have_text("1 of 1")
        expect(view.locator(".notes")).to_contain_text("25 frames per second assumed")

        upload(page, stills[0])
        open_tab(page, "Compare")
        start(page, "compare")
        view = job(page, "compare", "done")
        expect(view.locator("clip-player #right")).to_have_js_property("naturalWidth", 256)
        expect(view.get_by_role("button", name="Enlarge", exact=True)).to_be_visible()
        expect(view.locator("table").first).not_to_contain_text("nan")
        expect(view).to_contain_text("1 of 1 frame")
        expect(view).not_to_contain_text("1 frames")


def test_what_could_only_fail_is_refused_before_the_start(
    server: AppServer, browser: Browser, clips, tmp_path: Path
) -> None:
    other = make_video(tmp_path / "other.mp4", pictures(3), rate=RATE)
    with visit(browser, server.url) as page:
        upload(page, clips["short"])
        open_tab(page, "Compare")
        page.get_by_role("checkbox", name="Bicubic").uncheck()
        page.get_by_role("checkbox", name="My own second video").check()
        page.locator("#second-upload input[type=file]").set_input_files(other)
        refused = page.locator("#compare-plan").get_by_role("alert")
        expect(refused).to_contain_text(
            "other.mp4 is 64x48; a second video must be 4 times as large as the clip, 256x192"
        )
        page.get_by_role("checkbox", name="My own second video").uncheck()
        page.get_by_role("checkbox", name="Other settings").check()
        expect(refused).to_contain_text("The other settings are the same as yours")
        page.locator("#compare").click()
        page.wait_for_timeout(1000)  # a job would be in the address by then
        assert "job=" not in page.url


# Lost from sight


def test_a_file_that_is_dropped_while_another_is_looked_at_is_the_clip(
    server: AppServer, browser: Browser, clips, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("no clip")
    Image.fromarray(pictures(1)[0]).save(tmp_path / "scan.tif")
    planner = server.child("workbench.app.planner_process")
    with visit(browser, server.url) as page:
        planner.suspend()
        try:
            page.locator("#clip-upload input[type=file]").set_input_files(clips["short"])
            expect(page.locator("#clip")).to_contain_text("Looking at it")
            expect(page.locator("#clip-upload")).to_contain_text("Drop File Here")
            page.locator("#clip-upload input[type=file]").set_input_files(clips["original"])
            expect(page.locator("#clip-upload")).to_contain_text("original")
        finally:
            planner.resume()
        expect(page.locator("#clip")).to_contain_text("original.mp4")
        page.locator("#clip-upload input[type=file]").set_input_files(tmp_path / "notes.txt")
        refusal = page.locator("#clip-said").get_by_role("alert")
        expect(refusal).to_contain_text("notes.txt: a video or an image is needed, such as .mp4")
        expect(page.locator(".toast-body")).to_have_count(0)
        upload(page, tmp_path / "scan.tif")  # which no browser shows
        expect(page.locator("clip-view img").first).to_have_js_property("naturalWidth", 64)


def test_a_job_whose_worker_is_ended_says_so_in_the_words_of_its_kind(server: AppServer, browser: Browser) -> None:
    with visit(browser, server.url) as page:
        open_tab(page, "This machine")
        start(page, "devices")
        job(page, "devices", "running")
        expect(page.locator("my-jobs small").first).to_contain_text(re.compile("^working"))
        server.worker().kill()
        view = job(page, "devices", "failed")
        expect(view.get_by_role("alert")).to_contain_text("most likely because memory ran out. Try again")
        expect(view).to_contain_text("Nothing was made.")
        assert_accessible(page, "failed")


def test_jobs_are_kept_in_sight_named_and_reached_by_back_and_forward(
    server: AppServer, browser: Browser, clips, tmp_path: Path
) -> None:
    mine = make_video(tmp_path / "my holiday.mp4", pictures(3), rate=RATE)
    with visit(browser, with_settings(server, steps=2)) as page, visit(browser, server.url) as stranger:
        page.locator("#upscale").click()
        refusal = page.locator("#upscale-said").get_by_role("alert")
        expect(refusal).to_contain_text("Choose a clip first")
        upload(page, clips["long"])
        expect(refusal).to_have_count(0)
        start(page, "upscale")
        view = job(page, "upscale", "running")
        expect(view.locator("#what")).to_contain_text("long.mp4")
        expect(view.locator("#what")).to_contain_text("steps=2")
        first = token_of(page)

        upload(page, mine)
        start(page, "upscale")
        view = job(page, "upscale", "waiting")
        expect(view.locator("#what")).to_contain_text("my holiday.mp4")
        expect(view.locator("#counts")).to_have_text("")
        second = token_of(page)
        strip = page.locator("my-jobs")
        expect(strip.get_by_role("link")).to_have_text(["my holiday.mp4", "long.mp4"])

        page.go_back()
        expect(page.locator(f"#upscale-job job-view[data-token='{first}'][data-state=running]")).to_be_attached()
        expect(page.locator("#clip")).to_contain_text("long.mp4")
        strip.get_by_role("button", name="Stop long.mp4").click()
        view = job(page, "upscale", "stopped")
        expect(view.get_by_role("button", name="Go on")).to_be_visible()
        strip.get_by_role("link", name="my holiday.mp4").click()
        view = page.locator(f"#upscale-job job-view[data-token='{second}'][data-state=done]")
        expect(view).to_be_attached()
        with page.expect_download() as fetched:
            view.get_by_role("link", name="Video").click()
        assert fetched.value.suggested_filename == "my holiday_x4.mp4"
        assert told(page, first)["state"] == "stopped"
        assert stranger.locator("my-jobs section").is_hidden()
        stranger.goto(f"{server.url}?job={'x' * 22}")
        expect(stranger.get_by_role("alert")).to_have_text(
            "That link leads to no job here: jobs are deleted some time after they end. Start a new one."
        )


# Looks and hands


def test_the_frames_of_a_clip_of_variable_rate_are_found_by_their_own_times(
    server: AppServer, browser: Browser, tmp_path: Path
) -> None:
    ticks = [0, 1, 2, 3, 60, 120]  # hundredths of a second: the mean rate would be far off
    clip = make_video(tmp_path / "varies.mp4", pictures(6), pts=ticks, time_base=Fraction(1, 100))
    with visit(browser, with_settings(server)) as page:
        upload(page, clip)
        expect(page.locator("clip-view video")).to_have_js_property("readyState", 4)
        for _ in range(3):
            page.locator("clip-view video").press(".")
        expect(page.locator("clip-view")).to_contain_text("frame 3 shown")
        at = "video => video.currentTime"
        assert page.locator("clip-view video").evaluate(at) == pytest.approx(0.315, abs=0.01)
        start(page, "upscale")
        player = job(page, "upscale", "done").locator("clip-player")
        player.evaluate("player => player.stopAt(3)")
        assert 0.03 <= player.locator("#right").evaluate(at) < 0.6


def test_the_range_is_chosen_on_the_clip_and_a_preview_begins_at_the_frame_shown(
    server: AppServer, browser: Browser, clips
) -> None:
    with visit(browser, with_settings(server)) as page:
        upload(page, clips["short"])
        view = page.locator("clip-view")
        expect(view.locator("#thumbnails")).to_have_js_property("complete", True)
        assert view.locator("#thumbnails").evaluate("image => image.naturalWidth") > 300
        view.get_by_label("First frame of the range").fill("2")
        view.get_by_label("Last frame of the range").fill("9")
        expect(view).to_contain_text("Frames 2 to 9, 8 of 12")
        expect(page.locator("#upscale-plan")).to_contain_text("8 frames of 64x48")
        video = view.locator("video")
        video.press("5")
        video.press(".")
        expect(view).to_contain_text("frame 7 shown")
        start(page, "upscale", "preview")
        finished = job(page, "upscale", "done")
        expect(finished.locator("#what")).to_contain_text("frames 7 to 9")
        assert told(page, token_of(page))["total"] == 3


def test_everything_plays_by_keyboard_and_the_keys_are_on_a_sheet(
    server: AppServer, browser: Browser, clips, tmp_path: Path
) -> None:
    tall = make_video(tmp_path / "tall.mp4", pictures(4, 64, 400), rate=RATE)
    with visit(browser, server.url) as page:
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.keyboard.press("Enter")
        upload(page, tall)
        box = page.locator("#clip clip-view").bounding_box()
        assert box is not None
        assert box["height"] < 400, "a tall clip is letterboxed"
        video = page.locator("clip-view video")
        video.focus()
        page.keyboard.press("Tab")
        expect(page.locator("clip-view #first")).to_be_focused()
        video.press("?")
        sheet = page.locator("#keys-sheet")
        expect(sheet).to_be_visible()
        for key in ("Space", "1 to 9", "L", "F"):
            expect(sheet).to_contain_text(key)
        page.keyboard.press("Escape")
        expect(sheet).to_be_hidden()

        player = page.locator("#upscale-job clip-player")  # the example
        expect(player.locator("#right")).to_have_js_property("readyState", 4)
        player.locator("#divider").press(".")
        expect(player.locator("#frame")).to_contain_text("1 of")
        player.locator("#divider").press("9")
        player.locator("#divider").press("l")
        expect(player.get_by_role("button", name="Loop")).to_have_attribute("aria-pressed", "false")
        player.locator("#divider").press("Space")
        expect(player.get_by_role("button", name="Pause")).to_be_visible()
        expect(player.get_by_role("button", name="Play")).to_be_visible()  # it ends, and does not begin again


def test_a_preset_sets_the_settings_and_says_what_it_was_measured_to_do(server: AppServer, browser: Browser) -> None:
    with visit(browser, server.url) as page:
        expect(page.get_by_role("radio", name="Balanced")).to_be_checked()
        expect(page.locator("#preset")).to_contain_text("the time")
        page.get_by_role("radio", name="Fast").check()
        open_settings(page)
        expect(page.locator("#setting-steps input")).not_to_have_value("4")
        expect(page.locator("#why")).to_contain_text("Measured:")
        page.locator("#setting-steps input").fill("7")
        expect(page.get_by_role("radio", name="Own")).to_be_checked()


def look_in_every_way(player: Locator) -> None:
    """Each view of the moving clip draws a picture of its own, and so does the magnifier."""
    drawn = []
    for view in ("Divider", "Side by side", "Blink", "Difference", "Signed", "Change", "Magnifier"):
        player.get_by_role("button", name=view, exact=True).click()
        player.locator("#stage").hover(position={"x": 120, "y": 60})
        player.press(",")
        player.press(".")
        expect(player.locator("#frame")).to_have_text("3 of 3")
        player.page.wait_for_timeout(300)
        drawn.append(player.screenshot() if view == "Magnifier" else player.evaluate("p => p.stage.canvas.toDataURL()"))
    assert len(set(drawn)) == len(drawn)


def test_three_variants_are_compared_and_a_curve_leads_to_its_frame(server: AppServer, browser: Browser, clips) -> None:
    with visit(browser, with_settings(server)) as page:
        upload(page, clips["short"])
        open_tab(page, "Compare")
        page.get_by_role("checkbox", name="Lanczos").check()
        page.locator("#compare-frames input").fill("4")
        start(page, "compare")
        view = job(page, "compare", "done")
        expect(view.locator("clip-player #left-choice option")).to_have_text(["Stream-DiffVSR", "bicubic", "lanczos"])
        expect(view.locator("table").first.locator("tbody tr")).to_have_count(3)
        chart = view.locator("metric-curves svg").first
        box = chart.bounding_box()
        assert box is not None
        chart.click(position={"x": box["width"] - 6, "y": box["height"] / 2})
        expect(view.locator("clip-player #frame")).to_have_text("3 of 3")
        look_in_every_way(view.locator("clip-player"))
        names = view.locator(".files a").evaluate_all("links => links.map(link => link.download)")
        assert "short_lanczos_vs_bicubic_vs_Stream-DiffVSR.html" in names
        assert_accessible(page, "compare, done")


def test_on_a_phone_what_to_do_comes_first(server: AppServer, browser: Browser, clips) -> None:
    with visit(browser, with_settings(server), viewport=PHONE) as page:
        tabs = page.get_by_role("tablist").first
        box = tabs.bounding_box()
        assert box is not None
        assert box["y"] < 480
        upload(page, clips["short"])
        expect(page.locator("#upscale-plan")).to_contain_text("will take")
        line, button = page.locator("#upscale-plan").bounding_box(), page.locator("#preview").bounding_box()
        assert line is not None
        assert button is not None
        assert line["y"] >= button["y"] + button["height"] - 1
        assert line["width"] > 280
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def assert_accessible(page: Page, what: str) -> None:
    """No serious or critical violation by axe's rules."""
    found = Axe().run(page).response["violations"]
    bad = [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found
        if rule["impact"] in ("serious", "critical") or rule["id"] == "heading-order"
        for node in rule["nodes"]
    ]
    assert bad == [], f"{what}: " + "\n".join(bad)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_barrier_is_found_on_any_tab(server: AppServer, browser: Browser, clips, theme: str) -> None:
    with visit(browser, f"{with_settings(server)}&__theme={theme}") as page:
        for tab in TABS:
            open_tab(page, tab)
            page.wait_for_timeout(300)
            assert_accessible(page, f"{tab}, empty, {theme}")
        open_tab(page, "Upscale")
        upload(page, clips["short"])
        open_settings(page)
        start(page, "upscale")
        job(page, "upscale", "running")
        assert_accessible(page, f"running, {theme}")
        job(page, "upscale", "done")
        expect(page.locator("#upscale-job #right")).to_have_js_property("readyState", 4)
        assert_accessible(page, f"done, {theme}")


def test_a_result_that_is_dropped_brings_its_settings_back(
    server: AppServer, browser: Browser, clips, tmp_path: Path
) -> None:
    with visit(browser, with_settings(server)) as page:
        upload(page, clips["short"])
        page.get_by_role("radio", name="x2").check()
        start(page, "upscale", "preview")
        view = job(page, "upscale", "done")
        with page.expect_download() as fetched:
            view.get_by_role("link", name="Video").click()
        assert fetched.value.suggested_filename == "short_x2.mp4"
        result = tmp_path / "short_x2.mp4"
        fetched.value.save_as(result)
    with visit(browser, server.url) as page:
        expect(page.locator("#restore")).to_have_count(0)
        upload(page, result)
        expect(page.locator("#clip")).to_contain_text("128×96")
        page.get_by_role("button", name="Use the settings that this was made with").click()
        open_settings(page)
        expect(page.locator("#setting-steps input")).to_have_value("1")


def test_a_clip_that_begins_black_is_shown_by_a_frame_that_tells(
    server: AppServer, browser: Browser, tmp_path: Path
) -> None:
    black = np.zeros((48, 64, 3), np.uint8)
    clip = make_video(tmp_path / "fade.mp4", [black] * 6 + pictures(6), rate=RATE)
    with visit(browser, with_settings(server)) as page:
        upload(page, clip)
        expect(page.locator("clip-view")).to_contain_text("frame 6 shown")
        start(page, "upscale")
        view = job(page, "upscale", "done")
        expect(view.locator("clip-player #frame")).to_have_text("6 of 11")
