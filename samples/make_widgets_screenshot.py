"""Makes the pictures of the widgets: ``wb.explore`` and ``wb.ablate`` in a real JupyterLab, with the embedded model.

python -m samples.make_widgets_screenshot    (from the project's root, with its test extra)
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from tests.browser import chromium
from tests.jupyterlab import jupyterlab, run_all

HERE = Path(__file__).parent
BOUND = 60_000  # milliseconds
SETUP = f"""
import numpy as np, torch, workbench as wb
def window(name, scale, frames=6, top=108, left=144, height=64, width=96):
    clip = wb.open_clip("{HERE.resolve()}/" + name)
    rows, columns = (slice(scale * a, scale * (a + n)) for a, n in ((top, height), (left, width)))
    return wb.open_clip(np.stack([frame.image[rows, columns] for frame in clip[:frames]]), fps=clip.fps)
clip, truth = window("forest-320x180.mp4", 1), window("forest-1280x720.mp4", 4)
pipe = wb.load_pipeline()
"""
EXPLORE = """
trace = wb.Trace("x0", "flow", "warped", "frame", "tpm.*", "artg.*")
outputs = list(pipe.stream(clip, trace=trace))
wb.explore(trace)
"""
ABLATE = """
wb.ablate(pipe, clip, frames=6, reference=truth)
"""


def main() -> None:
    """Runs both widgets, changes something in each, and keeps what a person would then see."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, home = Path(temporary, "notebooks"), Path(temporary, "home")
        folder.mkdir()
        home.mkdir()
        python = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = nbformat.v4.new_notebook(metadata={"kernelspec": python})
        notebook.cells = [nbformat.v4.new_code_cell(source.strip()) for source in (SETUP, EXPLORE, ABLATE)]
        nbformat.write(notebook, folder / "widgets.ipynb")
        with jupyterlab(folder, home) as lab, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 1800})
            page.goto(lab.url("widgets.ipynb"), timeout=BOUND)
            run_all(page, BOUND)
            explorer, ablation = page.locator(".wb-explore"), page.locator(".wb-ablate")
            slider = explorer.locator(".wb-frame").get_by_role("slider")
            slider.focus()
            page.keyboard.press("ArrowLeft")
            expect(explorer.locator(".wb-view code").first).to_contain_text(", 4, ", timeout=BOUND)
            expect(ablation.locator(".wb-status")).to_contain_text("done", timeout=BOUND)
            ablation.locator(".wb-artg").get_by_role("checkbox").uncheck(timeout=BOUND)
            expect(ablation.locator(".wb-status")).to_contain_text("done: artg=0", timeout=BOUND)
            for name, widget in (("explore", explorer), ("ablate", ablation)):
                target = HERE / "screenshots" / f"{name}.png"
                widget.screenshot(path=target, timeout=BOUND)
                Image.open(target).convert("RGB").save(target, optimize=True)
                sys.stdout.write(f"{target}: {target.stat().st_size // 1000} kB\n")
            browser.close()


if __name__ == "__main__":
    main()
