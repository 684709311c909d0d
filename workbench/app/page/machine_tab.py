"""This machine: what a frame costs here, measured on demand, beside what others published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from workbench.app.page import boxes
from workbench.app.page.asked import Asked
from workbench.app.page.events import PRIVATE, said
from workbench.app.page.plan_line import follow, plan_line
from workbench.app.request import Request


def machine_tab(asked: Asked) -> gr.HTML:
    """Builds the tab -> its job view."""
    with gr.Row(elem_classes="actions"):
        start = gr.Button("Measure here", variant="primary", size="md", min_width=150, scale=0, elem_id="measure")
        line = plan_line("devices")

    def request(values: Sequence[Any]) -> Request:
        return asked.request("devices", values)

    def start_job(*values: Any) -> tuple[str, str]:
        return boxes.job("devices", asked.service.submit(request(values))), ""

    follow(asked, "devices", line, asked.inputs, request)
    message = gr.HTML("", elem_id="devices-said", apply_default_css=False)
    view = gr.HTML(boxes.job("devices"), elem_id="devices-job", apply_default_css=False)
    start.click(said(start_job), asked.inputs, [view, message], **PRIVATE)
    return view
