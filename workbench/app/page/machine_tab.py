"""This machine: what a frame costs here, measured on demand, beside what others published."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.app.page import boxes
from workbench.app.page.asked import Asked
from workbench.app.page.events import PRIVATE, said

ABOUT = (
    '<p class="plan">Seconds per stage of one frame with the model and settings on the left, and what fewer steps and the '
    "slicing switches change.</p>"
)


def machine_tab(asked: Asked) -> gr.HTML:
    """Builds the tab -> its job view."""
    with gr.Row(elem_classes="actions"):
        start = gr.Button("Measure here", variant="primary", size="md", min_width=150, scale=0, elem_id="measure")
        gr.HTML(ABOUT, apply_default_css=False, min_width=260, scale=1)
    message = gr.HTML("", elem_id="devices-said", apply_default_css=False)
    view = gr.HTML(boxes.job("devices"), elem_id="devices-job", apply_default_css=False)

    def submit(*values: Any) -> tuple[str, str]:
        return boxes.job("devices", asked.service.submit(asked.request("devices", values))), ""

    start.click(said(submit), asked.inputs, [view, message], **PRIVATE)
    return view
