"""``wb.live``: a clip played in real time in a notebook, its controls, its tap view."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

import workbench as wb
from tests.video_material import pictures


def test_a_clip_is_upscaled_while_it_plays_and_a_tap_is_shown(tiny_pipe) -> None:
    clip = wb.open_clip(np.stack(pictures(12, 32, 24)), fps=10)
    widget = wb.live(tiny_pipe, clip, taps=("flow", "x0"), max_side=24)
    widget.start()
    widget.form.controls["tpm"].value = False
    assert widget.wait(60)
    assert "the source ended" in widget.status.value
    assert widget.pace.frames >= 2
    sizes = [Image.open(io.BytesIO(widget.pictures[name].value)).size for name in ("bicubic", "upscaled")]
    assert sizes == [(96, 72), (96, 72)]
    assert Image.open(io.BytesIO(widget.view.value)).format == "PNG"
    assert widget._session.settings.tpm is False
    assert str(widget.pace.frames) in widget.figures.value


def test_it_stops_and_says_what_cannot_be_opened(tiny_pipe) -> None:
    clip = wb.open_clip(np.stack(pictures(50, 32, 24)), fps=10)
    widget = wb.live(tiny_pipe, clip, taps=())
    widget.button.click()
    widget.button.click()
    assert widget.wait(60)
    assert "stopped" in widget.status.value
    broken = wb.live(tiny_pipe, "camera:77")
    broken.start()
    assert broken.wait(60)
    assert "no camera" in broken.status.value
