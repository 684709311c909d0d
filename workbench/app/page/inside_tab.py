"""Inside: record a few frames, then look at every value that made them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from workbench.app.page import boxes
from workbench.app.page.asked import Asked, size_of
from workbench.app.page.events import PRIVATE, said
from workbench.app.page.plan_line import follow, plan_line
from workbench.app.request import Request

MOST = 8  # frames that are recorded at most


def inside_tab(asked: Asked) -> gr.HTML:
    """Builds the tab -> its job view."""
    with gr.Row(elem_classes="actions"):
        start = gr.Button("Record", variant="primary", size="md", min_width=130, scale=0, elem_id="inside")
        frames = gr.Dropdown(
            list(range(1, MOST + 1)), value=4, label="Frames", filterable=False, min_width=110, scale=0,
            elem_id="inside-frames",
        )  # fmt: skip
        line = plan_line("inside")
    inputs = [*asked.inputs, frames]

    def request(values: Sequence[Any]) -> Request:
        *shared, count = values
        return asked.request("inside", shared, frames=int(count))

    def start_job(*values: Any) -> tuple[str, str]:
        return boxes.job("inside", asked.service.submit(request(values)), size_of(values[0])), ""

    follow(asked, "inside", line, inputs, request)
    message = gr.HTML("", elem_id="inside-said", apply_default_css=False)
    view = gr.HTML(boxes.job("inside"), elem_id="inside-job", apply_default_css=False)
    start.click(said(start_job), inputs, [view, message], **PRIVATE)
    return view
