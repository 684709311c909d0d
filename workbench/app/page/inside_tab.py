"""Inside: record a few frames, then look at every value that made them."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.app.page import boxes
from workbench.app.page.asked import Asked, size_of
from workbench.app.page.events import PRIVATE, said

MOST = 8  # frames that are recorded at most


def inside_tab(asked: Asked) -> gr.HTML:
    """Builds the tab -> its job view."""
    with gr.Row(elem_classes="actions"):
        start = gr.Button("Record", variant="primary", size="md", min_width=130, scale=0, elem_id="inside")
        frames = gr.Slider(1, MOST, value=4, step=1, label="Frames", buttons=[], min_width=260, scale=0, elem_id="inside-frames")
    message = gr.HTML("", elem_id="inside-said", apply_default_css=False)
    view = gr.HTML(boxes.job("inside"), elem_id="inside-job", apply_default_css=False)

    def submit(*values: Any) -> tuple[str, str]:
        *shared, count = values
        return boxes.job("inside", asked.service.submit(asked.request("inside", shared, frames=int(count))), size_of(shared[0])), ""

    start.click(said(submit), [*asked.inputs, frames], [view, message], **PRIVATE)
    return view
