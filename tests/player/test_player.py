"""The player in a report opened from disk: each view draws what it says, and a link shows the same place."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.browser import chromium
from workbench.comparison import compare

pytestmark = pytest.mark.xdist_group("browser")

FRAMES, RATE = 8, 12.0
WIDTH, HEIGHT = 128, 96

# What stands on the canvas, and what the sides really show, as PNGs.
READ = """player => {
  const pixels = (element, width, height) => {
    const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
    context.drawImage(element, 0, 0);
    return context.canvas.toDataURL("image/png");
  };
  const { canvas, panes } = player.stage, [left, right] = player.twins.sides;
  return { canvas: pixels(canvas, canvas.width, canvas.height), panes, place: player.camera.place(panes[0]),
    left: pixels(left.element, ...player.camera.picture), right: pixels(right.element, ...player.camera.picture) };
}"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpolation of blobs that move by 8 x 4 output pixels a frame."""
    rng = np.random.default_rng(0)
    large = cv2.GaussianBlur(rng.integers(0, 256, (160, 224, 3), dtype=np.uint8), (0, 0), 3)
    large = cv2.normalize(large, None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    truth = [np.ascontiguousarray(large[4 * i : 4 * i + HEIGHT, 8 * i : 8 * i + WIDTH]) for i in range(FRAMES)]
    clip = [cv2.resize(frame, (WIDTH // 4, HEIGHT // 4), interpolation=cv2.INTER_AREA) for frame in truth]
    folder = tmp_path_factory.mktemp("compared")
    result = compare(None, clip, reference=truth, metrics=["psnr"], against=("lanczos", "bicubic"), resume=folder)
    return result.made_by("workbench compare blobs").report(folder / "report.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """From disk, without a network; any error of its script fails a test."""
    trouble: list[str] = []
    context = browser.new_context(offline=True, reduced_motion="reduce", viewport={"width": 1000, "height": 900})
    page = context.new_page()
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(report.as_uri())
    context.set_default_timeout(20_000)
    yield page
    context.close()
    assert trouble == []


@pytest.fixture
def player(page: Page, report: Path) -> Locator:
    """At frame 3, as large as it fits; as it is for someone who just opened it."""
    page.goto("about:blank")
    page.goto(report.as_uri() + "#frame=3")
    found = page.locator("clip-player")
    shows(found, 3)
    return found


def shows(player: Locator, frame: int) -> None:
    """Waits until this frame is on the canvas, of both sides."""
    player.page.wait_for_function(
        """([player, frame]) => player.drawn === frame
            && player.twins.sides.every(side => side.shown === frame && !side.seeking)""",
        arg=[player.element_handle(), frame],
    )
    player.page.wait_for_timeout(60)  # two frames of the screen


def look(player: Locator, view: str) -> None:
    player.get_by_role("button", name=view, exact=True).click()
    player.page.wait_for_timeout(150)


def read(player: Locator) -> dict[str, Any]:
    """``canvas``, ``left`` and ``right`` as (y, x, 3) arrays; ``place`` of the picture on the canvas."""
    seen = player.evaluate(READ)
    for name in ("canvas", "left", "right"):
        data = io.BytesIO(base64.b64decode(seen[name].partition(",")[2]))
        seen[name] = np.asarray(Image.open(data).convert("RGB"), np.int32)
    return seen


def enlarge(player: Locator, scale: int) -> None:
    """To whole device pixels a pixel, about the middle."""
    player.evaluate("(p, scale) => { p.camera.zoomTo(scale, p.stage.whole); p.keys.zoom && p.look(p.view); }", scale)
    player.page.wait_for_timeout(150)


def blocks(seen: dict[str, Any], of: np.ndarray, pane: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(what stands in a pane, what would stand there if every pixel of ``of`` were an even block)."""
    box, scale = seen["panes"][pane], round(seen["place"]["scale"])
    left = seen["place"]["left"] + box["x"] - seen["panes"][0]["x"]
    top = seen["place"]["top"] + box["y"] - seen["panes"][0]["y"]
    large = np.repeat(np.repeat(of, scale, 0), scale, 1)
    x0, y0 = max(box["x"], left), max(box["y"], top)
    x1 = min(box["x"] + box["width"], left + large.shape[1])
    y1 = min(box["y"] + box["height"], top + large.shape[0])
    return seen["canvas"][y0:y1, x0:x1], large[y0 - top : y1 - top, x0 - left : x1 - left]


def test_a_frame_asked_for_while_the_clips_load_is_shown(player: Locator) -> None:
    asked = "player => { player.show({ ...player.data, linked: false, start: 1 }); return player.stopAt(5); }"
    player.evaluate(asked)
    assert player.evaluate("player => player.twins.sides.map(side => side.shown)") == [5, 5]
    shows(player, 5)


def test_enlarged_by_a_whole_number_every_pixel_is_an_even_block(player: Locator) -> None:
    enlarge(player, 6)
    seen = read(player)
    for side, half in (("left", slice(0, 250)), ("right", slice(-250, None))):
        drawn, expected = blocks(seen, seen[side])
        assert np.array_equal(drawn[:, half], expected[:, half]), side
    assert not np.array_equal(seen["left"], seen["right"])


def test_a_difference_is_the_difference(player: Locator) -> None:
    enlarge(player, 3)
    for view in ("Difference", "Signed"):
        look(player, view)
        for gain in (1, 8):
            player.locator("#gain").select_option(str(gain))
            player.page.wait_for_timeout(150)
            seen = read(player)
            apart = seen["right"] - seen["left"]
            made = np.abs(apart) * gain if view == "Difference" else 128 + apart * gain / 2
            drawn, expected = blocks(seen, np.clip(np.round(made), 0, 255))
            assert np.abs(drawn - expected).max() <= 1, (view, gain)
            assert expected.std() > 0


def test_what_changes_is_told_along_the_flow_and_without_it(player: Locator) -> None:
    enlarge(player, 4)
    before = read(player)
    player.press(".")
    shows(player, 4)
    look(player, "Change")
    shows(player, 4)
    player.page.wait_for_timeout(300)  # the flow's picture is read
    expect(player.locator("#right-tag")).to_contain_text("change along the flow")
    along = read(player)
    player.evaluate("player => player.follow(null)")
    player.page.wait_for_timeout(200)
    expect(player.locator("#right-tag")).to_contain_text("change from the frame before")
    plain = read(player)
    for side, half in (("left", slice(0, 250)), ("right", slice(-250, None))):
        drawn, expected = blocks(plain, np.clip(4 * np.abs(plain[side] - before[side]), 0, 255))
        assert np.array_equal(drawn[:, half], expected[:, half]), side
    inner = slice(100, -100)
    moved, stayed = (blocks(seen, seen["left"])[0][inner, inner] for seen in (plain, along))
    assert stayed.mean() < 0.5 * moved.mean(), "along the flow, what merely moved does not change"


def test_both_stand_side_by_side_at_the_same_place_and_one_blinks_while_a_key_is_held(player: Locator) -> None:
    look(player, "Side by side")
    enlarge(player, 4)
    seen = read(player)
    for pane, side in enumerate(("left", "right")):
        drawn, expected = blocks(seen, seen[side], pane)
        assert np.array_equal(drawn, expected), side
    for view in ("Blink", "Divider"):
        look(player, view)
        for key, side in (("b", "left"), ("n", "right")):
            player.page.keyboard.down(key)
            player.page.wait_for_timeout(120)
            seen = read(player)
            player.page.keyboard.up(key)
            drawn, expected = blocks(seen, seen[side])
            assert np.array_equal(drawn, expected), (view, side)
    look(player, "Blink")
    seen = read(player)
    drawn, expected = blocks(seen, seen["right"])
    assert np.array_equal(drawn, expected)


def test_wheel_keys_double_click_and_drag_enlarge_and_move(player: Locator) -> None:
    page, stage = player.page, player.locator("#stage")
    box = stage.bounding_box()
    assert box is not None
    spot = (box["x"] + 0.3 * box["width"], box["y"] + 0.4 * box["height"])

    def camera() -> tuple[float, list[float]]:
        page.wait_for_timeout(50)
        return tuple(player.evaluate("p => [p.camera.zoom, p.camera.spot(p.stage.panes[0], p.point ?? [0, 0])]"))

    page.mouse.move(*spot)
    page.mouse.wheel(0, -100)
    assert camera()[0] == 0, "the page scrolls, until the player has the focus"
    page.mouse.wheel(0, 100)
    page.wait_for_timeout(200)
    stage.focus()
    page.evaluate("window.scrollTo(0, 0)")
    box = stage.bounding_box()
    assert box is not None
    spot = (box["x"] + 0.3 * box["width"], box["y"] + 0.4 * box["height"])
    page.mouse.move(*spot)
    _, before = camera()
    page.mouse.wheel(0, -100)
    zoom, after = camera()
    assert zoom == 6, "four times fits here; six is the next"
    assert after == pytest.approx(before, abs=0.5), "what is under the pointer stays there"
    stage.press("ArrowRight")
    assert camera()[1][0] > after[0]
    zoom, held = camera()
    page.mouse.down()
    page.mouse.move(spot[0] + 60, spot[1], steps=3)
    page.mouse.up()
    assert camera()[1] == pytest.approx(held, abs=0.5), "a drag takes the picture with it"
    stage.press("-")
    assert camera()[0] == 0
    page.mouse.dblclick(*spot)
    assert camera()[0] == 8
    stage.press("z")
    assert camera()[0] == 0


def test_two_fingers_enlarge(player: Locator) -> None:
    """Fingers as a browser tells of them."""
    zoom = player.locator("#stage").evaluate(
        """stage => {
          const box = stage.getBoundingClientRect();
          const finger = (type, id, x) => stage.dispatchEvent(new PointerEvent(type, { pointerId: id,
            pointerType: "touch", isPrimary: id === 1, clientX: box.left + x, clientY: box.top + 100, bubbles: true }));
          stage.setPointerCapture = () => {};
          finger("pointerdown", 1, 200); finger("pointerdown", 2, 260);
          finger("pointermove", 1, 140); finger("pointermove", 2, 320);
          finger("pointerup", 1, 140); finger("pointerup", 2, 320);
          return stage.getRootNode().host.camera.zoom;
        }"""
    )
    assert zoom == 12, "three times as far apart, three times as large"


def test_a_link_shows_the_same_place(player: Locator, browser: Browser, report: Path) -> None:
    look(player, "Difference")
    player.locator("#gain").select_option("16")
    player.locator("#left-choice").select_option("reference")
    enlarge(player, 8)
    player.locator("#stage").press("ArrowDown")
    player.press("i")
    player.press(".")
    player.press(".")
    player.press("o")
    player.page.wait_for_timeout(500)
    place = player.evaluate("p => p.place")
    kept = {"frame": 5, "view": "difference", "left": "reference", "zoom": 8, "gain": 16, "range": "3-5"}
    assert {name: place[name] for name in kept} == kept
    address = player.page.url
    assert "#frame=5&view=difference&left=reference" in address
    context = browser.new_context(offline=True, viewport={"width": 1000, "height": 900})
    page = context.new_page()
    page.goto(address)
    again = page.locator("clip-player")
    shows(again, 5)
    assert again.evaluate("p => p.place") == place
    page.goto(address.replace("frame=5", "frame=6").replace("difference", "beside"))  # the same page: no reload
    shows(again, 6)
    assert again.evaluate("p => p.view") == "beside"
    context.close()


def test_a_range_is_repeated_and_every_frame_is_reached(player: Locator) -> None:
    for frame in (4, 5, 4, 3, 2):
        player.press("." if frame > player.evaluate("p => p.current") else ",")
        shows(player, frame)
    player.press("i")
    player.press(".")
    shows(player, 3)
    player.press("o")
    expect(player.get_by_role("button", name="2 to 3 ×")).to_be_visible()
    player.evaluate(
        "p => { p.told = []; p.addEventListener('frame', event => p.told.push(event.detail)); p.play(true); }"
    )
    player.page.wait_for_function(
        "p => p.told.filter((frame, k) => frame === 2 && p.told[k - 1] === 3).length >= 2", arg=player.element_handle()
    )
    assert set(player.evaluate("p => p.told")) == {2, 3}
    player.evaluate("p => p.play(false)")
    player.get_by_role("button", name="2 to 3 ×").click()
    assert player.evaluate("p => p.twins.ranged") is False


def test_a_side_that_fell_behind_hurries_until_both_show_the_same_moment(player: Locator) -> None:
    player.get_by_label("Speed").select_option("0.25")
    player.evaluate(
        """p => {
            const { left, right } = p.twins, late = () => { left.video.currentTime = right.video.currentTime - 0.08; };
            const paced = () => { p.hurried = Math.max(p.hurried, left.video.playbackRate); };
            p.hurried = 0;
            left.video.addEventListener("ratechange", paced);
            left.video.addEventListener("playing", late, { once: true });
            p.play(true);
        }"""
    )
    page, handle = player.page, player.element_handle()
    page.wait_for_function("p => p.hurried > 0.26 && p.hurried <= 0.5", arg=handle)
    page.wait_for_function("p => p.twins.together && p.twins.left.video.playbackRate < 0.26", arg=handle)
    player.evaluate("p => p.play(false)")


def test_values_and_a_magnifier_follow_the_pointer(player: Locator) -> None:
    enlarge(player, 4)
    box = player.locator("#stage").bounding_box()
    assert box is not None
    player.page.mouse.move(box["x"] + 90, box["y"] + 77)
    player.page.wait_for_timeout(150)
    seen = read(player)
    x = int((90 - seen["place"]["left"]) // 4)
    y = int((77 - seen["place"]["top"]) // 4)
    left, right = (" ".join(str(v) for v in seen[side][y, x]) for side in ("left", "right"))
    expect(player.locator("#values")).to_contain_text(f"x {x}, y {y} · bicubic {left} · lanczos {right}")
    player.press("m")
    player.page.wait_for_timeout(150)
    magnified = read(player)["canvas"]
    assert not np.array_equal(magnified, seen["canvas"])
    middle = magnified[77 - 68 : 77 - 68 + 8, 90 + 18 + 1 : 90 + 18 + 8]  # the first of its pixels
    assert np.array_equal(middle, np.broadcast_to(seen["left"][y - 8, x - 8], middle.shape))


def test_embedded_there_is_the_player_alone(player: Locator, report: Path) -> None:
    page = player.page
    expect(page.locator("header")).to_be_visible()
    expect(page.locator("main")).to_contain_text("workbench compare blobs")
    page.goto(report.as_uri() + "?embed#frame=2")
    shows(page.locator("clip-player"), 2)
    expect(page.locator("header")).to_be_hidden()
    expect(page.locator("table")).to_be_hidden()
