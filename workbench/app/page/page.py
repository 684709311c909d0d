"""The whole page: the clip and the settings on the left, four things to do with them on the right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from workbench.app.errors import RequestError
from workbench.app.page import boxes
from workbench.app.page.asked import Asked, size_of
from workbench.app.page.clip import card, clip_of, clip_panel
from workbench.app.page.compare_tab import compare_tab
from workbench.app.page.events import PRIVATE
from workbench.app.page.form import MACHINE, device_choices, machine_form, output_form, settings_form
from workbench.app.page.inside_tab import inside_tab
from workbench.app.page.machine_tab import machine_tab
from workbench.app.page.upscale_tab import upscale_tab
from workbench.app.request import KINDS
from workbench.app.service import Service
from workbench.errors import WorkbenchError
from workbench.pipeline.settings import Settings

TITLE = "Stream-DiffVSR workbench"
MASTHEAD = (
    f'<div class="masthead"><h1>{TITLE}</h1>'
    "<p>Upscale video four times, frame by frame, using only the past. Compare it. Look inside.</p></div>"
)


def build(service: Service, effects: Mapping[str, str] | None = None) -> gr.Blocks:
    """The page over a service. ``effects``: setting -> one line of what it was measured to do, shown with its help."""
    measured = effects or {}
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        gr.HTML(MASTHEAD, apply_default_css=False)
        linked = gr.HTML("", elem_id="linked", apply_default_css=False)
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=320, elem_id="side"):
                panel = clip_panel(service)
                form = settings_form(measured, name="setting", open_groups=("quality",))
                asked = Asked(service, panel.clip, form, machine_form(service.options))
                output = output_form()
            with gr.Column(scale=3, min_width=320, elem_id="main"), gr.Tabs(selected="upscale", elem_id="tabs") as tabs:
                with gr.Tab("Upscale", id="upscale"):
                    upscale = upscale_tab(asked, *output)
                with gr.Tab("Compare", id="compare"):
                    compare = compare_tab(asked, measured)
                with gr.Tab("Inside", id="inside"):
                    inside = inside_tab(asked)
                with gr.Tab("This machine", id="devices"):
                    devices = machine_tab(asked)
        views = dict(zip(KINDS, (upscale, compare, inside, devices), strict=True))
        outputs = [linked, tabs, panel.clip, panel.card, *views.values(), *form.inputs, *asked.machine]

        def arrive(request: gr.Request) -> list[Any]:
            """What the address asks for: ``?job=TOKEN`` or ``?settings=JSON``."""
            query = request.query_params
            nothing = [gr.skip() for _ in outputs]
            try:
                if query.get("job"):
                    return _job_again(service, query["job"], form.updates)
                if query.get("settings"):
                    settings = form.updates(Settings.from_json(query["settings"]))
                    start = outputs.index(form.inputs[0])
                    return [*nothing[:start], *settings, *nothing[start + len(settings) :]]
            except WorkbenchError as error:
                return [boxes.error(error), *nothing[1:]]
            return nothing

        def found(chosen: str) -> Any:
            """The devices are known once the planner has started; the page does not wait for that."""
            try:
                return gr.update(choices=device_choices(chosen, found=service.devices()))
            except WorkbenchError as error:
                gr.Warning(str(error))
                return gr.skip()

        device = asked.machine[MACHINE.index("device")]
        page.load(arrive, None, outputs, **PRIVATE).then(found, device, device, **PRIVATE)
    return page


def _job_again(service: Service, token: str, shown: Any) -> list[Any]:
    """The page as it was when the job was started: its tab, clip and settings, and the job."""
    request = service.request(token)
    if request.kind not in KINDS:
        raise RequestError(f"this link leads to a job of another kind ({request.kind}).")
    clip = None
    message = ""
    if request.source:
        try:
            clip = clip_of(service, request.source)
        except WorkbenchError as error:
            message = boxes.note(f"The job is here, but its clip is not: {error}")
    size = size_of(clip)
    if size and request.truth:
        size = (size[0] // 4, size[1] // 4)
    views = [boxes.job(kind, token, size) if kind == request.kind else gr.skip() for kind in KINDS]
    choices = {"device": device_choices(request.device)}  # before all are known
    machine = [gr.update(value=getattr(request, name), **({"choices": choices[name]} if name in choices else {})) for name in MACHINE]
    return [message, gr.Tabs(selected=request.kind), clip, card(clip), *views, *shown(request.settings), *machine]
