"""Heat maps of ColorVideoVDP: among a comparison's clips, films and report where that was measured, nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright
from skimage import data

from tests.browser import chromium
from workbench.comparison import Comparison, compare
from workbench.comparison.store import REFERENCE
from workbench.comparison.watched import heat_metric, places
from workbench.metrics import cvvdp_heat_map
from workbench.video import open_clip

pytestmark = pytest.mark.xdist_group("browser")
PHONE = "cvvdp:standard_phone"


def compared(folder: Path, *metrics: str) -> Comparison:
    photo = data.astronaut()
    truth = [np.ascontiguousarray(photo[60 + k : 156 + k, 180 + 2 * k : 308 + 2 * k]) for k in range(3)]
    clip = [np.ascontiguousarray(frame[::4, ::4]) for frame in truth]
    return compare(None, clip, reference=truth, metrics=metrics, against=("lanczos", "bicubic"), resume=folder)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return compared(tmp_path_factory.mktemp("compared"), "psnr", PHONE)


def test_without_the_metric_there_are_no_heat_maps(tmp_path) -> None:
    plain = compared(tmp_path / "plain", "psnr")
    assert plain.film_columns == ["lanczos", "bicubic", "reference"]
    plain.report(tmp_path / "report.html")
    assert "heat map" not in (tmp_path / "report.html").read_text(encoding="utf-8").split("<script")[0]


def test_a_film_shows_the_heat_map_of_the_display_that_was_measured(result, tmp_path) -> None:
    assert heat_metric(result) == PHONE
    assert result.film_columns[-2:] == ["heat map of lanczos", "heat map of bicubic"]
    film = result.film(tmp_path / "film.mkv", layout="side", columns=("bicubic", "heat map of bicubic"))
    clip = open_clip(film)
    assert (clip.size, len(clip)) == ((256, 96), 3)
    store = result.pictures()
    pair = store.pictures(1, 3), store.pictures(REFERENCE, 3)
    expected = list(cvvdp_heat_map(*pair, None, display="standard_phone"))
    found = [store.picture(places(result)["heat map of bicubic"], k) for k in range(3)]
    assert np.array_equal(found, expected)


def test_the_report_leads_from_the_worst_moment_to_the_clip(result, tmp_path) -> None:
    report = result.report(tmp_path / "report.html")
    values = result.values["bicubic"][PHONE]
    worst = int(np.argmin(values))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_context(offline=True, reduced_motion="reduce").new_page()
        page.goto(report.as_uri())
        figure = page.locator(".seen figure").filter(has_text="bicubic")
        expect(figure).to_contain_text(f"frame {worst}: ")
        figure.get_by_role("button", name="show in the clip").click()
        expect(page.locator("#left-tag")).to_have_text("heat map of bicubic")
        expect(page.locator("#right-tag")).to_have_text("bicubic")
        expect(page.locator("#frame")).to_have_text(f"{worst} of 2")
        expect(page.locator("[data-view=beside]")).to_have_attribute("aria-pressed", "true")
        browser.close()
