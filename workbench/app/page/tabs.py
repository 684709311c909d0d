"""What each kind of job has of its own in its tab, one function a kind, one row each in ``TABS``.

A tab that has no start button and no job to follow gives its view itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from workbench.app.kinds import KINDS, Kind
from workbench.app.page import boxes
from workbench.app.page.asked import Asked, Span
from workbench.app.page.compare_tab import compare
from workbench.app.page.form import SIZES
from workbench.app.page.tab import Own

PREVIEW = 8  # frames


def upscale(asked: Asked, effects: Mapping[str, str]) -> Own:
    """The whole range, or a few frames from the one that is shown."""
    lossless = gr.Checkbox(
        False,
        label="Lossless",
        info="FFV1 in .mkv, every pixel as it was made",
        container=False,
        min_width=150,
        elem_id="lossless",
        render=False,
    )

    def all_frames(span: Span, every_bit: Any, size: str) -> dict[str, Any]:
        return {**span.frames(), "lossless": bool(every_bit), **SIZES[size]}

    def preview(span: Span, every_bit: Any, size: str) -> dict[str, Any]:
        return {**span.frames(PREVIEW, start=span.shown), "lossless": bool(every_bit), **SIZES[size]}

    return Own(
        button="Upscale",
        inputs=[lossless, asked.size],
        beside=[lossless],
        fields=all_frames,
        further={"preview": (f"Preview {PREVIEW} frames", preview)},
    )


def inside(asked: Asked, effects: Mapping[str, str]) -> Own:
    """A few frames from the first of the range."""
    frames = gr.Dropdown(
        list(range(1, (KINDS["inside"].most_frames or 8) + 1)),
        value=4,
        label="Frames",
        filterable=False,
        min_width=110,
        scale=0,
        elem_id="inside-frames",
        render=False,
    )

    def fields(span: Span, count: Any) -> dict[str, Any]:
        return span.frames(int(count))

    return Own(button="Record", inputs=[frames], beside=[frames], fields=fields)


def live(asked: Asked, effects: Mapping[str, str]) -> gr.HTML:
    """No job view: the browser's own pictures go and come over a line of their own."""
    options = asked.service.options
    return gr.HTML(boxes.live(options.models, options.model), elem_id="live", apply_default_css=False)


def devices(asked: Asked, effects: Mapping[str, str]) -> Own:
    return Own(button="Measure here")


TABS: dict[Kind, Callable[[Asked, Mapping[str, str]], Own | gr.HTML]] = {
    "upscale": upscale,
    "compare": compare,
    "inside": inside,
    "live": live,
    "devices": devices,
}
