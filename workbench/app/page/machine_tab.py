"""This machine: what a frame costs here, measured on demand, beside what others published."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.app.page import boxes
from workbench.app.page.asked import Asked
from workbench.app.page.events import PRIVATE, said


def machine_tab(asked: Asked) -> gr.HTML:
    """Builds the tab -> its job view."""
    gr.HTML(
        '<p class="hint">Measures seconds per stage of one frame with the model and settings on the left, and what fewer '
        "steps and the slicing switches change.</p>",
        apply_default_css=False,
    )
    start = gr.Button("Measure here", variant="primary", elem_id="measure", elem_classes="start")
    message = gr.HTML("", elem_id="devices-said", apply_default_css=False)
    view = gr.HTML(boxes.job("devices"), elem_id="devices-job", apply_default_css=False)

    def submit(*values: Any) -> tuple[str, str]:
        return boxes.job("devices", asked.service.submit(asked.request("devices", values))), ""

    start.click(said(submit), asked.inputs, [view, message], **PRIVATE)
    return view
