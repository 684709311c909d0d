"""Upscale: how long it takes, then start it, watch it, take it home."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.app.page import boxes
from workbench.app.page.asked import Asked, size_of
from workbench.app.page.events import NEWEST, PRIVATE, said
from workbench.app.request import Request
from workbench.errors import WorkbenchError
from workbench.pipeline.controls import controls

PREVIEW = 8  # frames
ASK = '<p class="plan">Choose a clip, and this line says how long it takes and how much memory it needs here.</p>'


def upscale_tab(asked: Asked, lossless: gr.Checkbox, frames: gr.Number) -> gr.HTML:
    """Builds the tab -> its job view. ``frames``: only the first so many, 0 for all."""
    with gr.Row(elem_classes="actions"):
        start = gr.Button("Upscale", variant="primary", size="md", min_width=130, scale=0, elem_id="upscale")
        preview = gr.Button(f"Preview {PREVIEW} frames", size="md", min_width=170, scale=0, elem_id="preview")
        foreseen = gr.HTML(ASK, elem_id="plan", apply_default_css=False, min_width=260, scale=1)
    instead = gr.State(None)
    fitting = gr.Button("", variant="secondary", visible=False, elem_id="use-fitting")
    message = gr.HTML("", elem_id="upscale-said", apply_default_css=False)
    view = gr.HTML(boxes.job("upscale"), elem_id="upscale-job", apply_default_css=False)
    inputs = [*asked.inputs, lossless, frames]

    def request(values: tuple[Any, ...], most: int | None = None) -> Request:
        *shared, as_is, first = values
        count = int(first) if first else None
        if most is not None:
            count = min(most, count or most)
        return asked.request("upscale", shared, lossless=bool(as_is), frames=count)

    def plan(*values: Any) -> tuple[Any, ...]:
        if values[0] is None:
            return ASK, None, gr.update(visible=False)
        try:
            answer = asked.service.plan(request(values))
        except WorkbenchError as error:
            return boxes.error(error), None, gr.update(visible=False)
        changes = None if answer["fits"] else answer["instead"]
        return boxes.plan(answer), changes, gr.update(visible=bool(changes), value=fitting_words(changes))

    def submit(most: int | None, *values: Any) -> tuple[str, str]:
        token = asked.service.submit(request(values, most))
        return boxes.job("upscale", token, size_of(values[0])), ""

    def use(changes: dict[str, Any] | None) -> list[Any]:
        return [gr.update(value=changes[c.name]) if changes and c.name in changes else gr.skip() for c in controls()]

    changed = [part.change for part in (*asked.inputs, lossless, frames)]
    gr.on(changed, plan, inputs, [foreseen, instead, fitting], **NEWEST)
    fitting.click(use, instead, asked.form.inputs, **PRIVATE)
    start.click(said(lambda *values: submit(None, *values)), inputs, [view, message], **PRIVATE)
    preview.click(said(lambda *values: submit(PREVIEW, *values)), inputs, [view, message], **PRIVATE)
    return view


def fitting_words(changes: dict[str, Any] | None) -> str:
    """The button that makes it fit, saying what it changes."""
    labels = {control.name: control.label for control in controls()}
    shown = {True: "on", False: "off"}
    words = [f"{labels.get(name, name)} {shown.get(value, value)}" for name, value in (changes or {}).items()]
    return f"Use what fits: {', '.join(words)}"
