"""Upscale: how long it takes, then start it, watch it, take it home."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from workbench.app.page import boxes
from workbench.app.page.asked import Asked, size_of
from workbench.app.page.events import PRIVATE, said
from workbench.app.page.plan_line import follow, plan_line
from workbench.app.request import Request

PREVIEW = 8  # frames


def upscale_tab(asked: Asked, lossless: gr.Checkbox, frames: gr.Number) -> gr.HTML:
    """Builds the tab -> its job view. ``frames``: only the first so many, 0 for all."""
    with gr.Row(elem_classes="actions"):
        start = gr.Button("Upscale", variant="primary", size="md", min_width=130, scale=0, elem_id="upscale")
        preview = gr.Button(f"Preview {PREVIEW} frames", size="md", min_width=170, scale=0, elem_id="preview")
        line = plan_line("upscale")
    inputs = [*asked.inputs, lossless, frames]

    def request(values: Sequence[Any], most: int | None = None) -> Request:
        *shared, every_bit, first = values
        counts = [count for count in (most, int(first or 0)) if count]
        return asked.request("upscale", shared, lossless=bool(every_bit), frames=min(counts, default=None))

    def start_job(*values: Any, most: int | None = None) -> tuple[str, str]:
        token = asked.service.submit(request(values, most))
        return boxes.job("upscale", token, size_of(values[0])), ""

    def start_preview(*values: Any) -> tuple[str, str]:
        return start_job(*values, most=PREVIEW)

    follow(asked, "upscale", line, inputs, request)
    message = gr.HTML("", elem_id="upscale-said", apply_default_css=False)
    view = gr.HTML(boxes.job("upscale"), elem_id="upscale-job", apply_default_css=False)
    start.click(said(start_job), inputs, [view, message], **PRIVATE)
    preview.click(said(start_preview), inputs, [view, message], **PRIVATE)
    return view
