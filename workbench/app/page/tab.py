"""One function builds a tab: what is its own, the start button, the plan line, the view of its job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from workbench.app.kinds import KINDS, Kind
from workbench.app.page import boxes
from workbench.app.page.asked import Asked, Span
from workbench.app.page.events import PRIVATE, said
from workbench.app.page.plan_line import follow, plan_line
from workbench.app.request import Request

Fields = Callable[..., dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Own:
    """What a tab has of its own. Components that are rendered already stand above the start button."""

    button: str
    """What the start button says."""
    inputs: Sequence[Component] = ()
    beside: Sequence[Component] = ()
    """Those of ``inputs`` that stand in the button's row; made with ``render=False``."""
    fields: Fields = field(default=lambda span: {})
    """(span, *values of ``inputs``) -> fields of the request beside those that all kinds have."""
    further: dict[str, tuple[str, Fields]] = field(default_factory=dict)
    """Further start buttons: id -> what it says, and its fields."""


def build_tab(asked: Asked, kind: Kind, own: Own) -> gr.HTML:
    """The rest of an open tab, under what its own module has made -> the view of its job."""
    with gr.Row(elem_classes="actions"):
        start = gr.Button(own.button, variant="primary", size="md", min_width=120, scale=0, elem_id=kind)
        buttons: list[tuple[gr.Button, Fields]] = [(start, own.fields)]
        for name, (words, fields) in own.further.items():
            buttons.append((gr.Button(words, size="md", min_width=150, scale=0, elem_id=name), fields))
        for component in own.beside:
            component.render()
        line = plan_line(kind)
    inputs = [*asked.inputs, *own.inputs]
    shared = len(asked.inputs)

    def request(values: Sequence[Any], fields: Fields = own.fields) -> Request:
        def of_span(span: Span) -> dict[str, Any]:
            return fields(span, *values[shared:])

        return asked.request(kind, values[:shared], of_span)

    def begin(fields: Fields, *values: Any) -> tuple[str, str]:
        asks = request(values, fields)
        clip = values[0]
        size = clip.probe.size if clip is not None and KINDS[kind].needs_clip else None
        return boxes.job(
            kind, asked.service.submit(asks), (size[0] // 4, size[1] // 4) if size and asks.truth else size
        ), ""

    follow(asked, kind, line, inputs, request)
    message = gr.HTML("", elem_id=f"{kind}-said", apply_default_css=False)
    view = gr.HTML(boxes.job(kind), elem_id=f"{kind}-job", apply_default_css=False)
    for button, fields in buttons:
        button.click(said(partial(begin, fields)), inputs, [view, message], **PRIVATE)
    triggers = [part.change for part in inputs if part is not asked.shown]  # type: ignore[attr-defined]
    gr.on(triggers, lambda: "", None, message, **PRIVATE)  # a refusal was of what was asked for before
    return view
