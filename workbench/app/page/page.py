"""The whole page: the clip and the settings on the left, four things to do with them on the right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gradio as gr

from workbench.app.errors import NotFound
from workbench.app.page import boxes
from workbench.app.page.asked import Asked
from workbench.app.page.clip import card, clip_of, clip_panel
from workbench.app.page.compare_tab import compare_tab
from workbench.app.page.events import PRIVATE
from workbench.app.page.form import MACHINE, Form, device_choices, machine_form, output_form, settings_form
from workbench.app.page.inside_tab import inside_tab
from workbench.app.page.machine_tab import machine_tab
from workbench.app.page.upscale_tab import upscale_tab
from workbench.app.request import KINDS, Kind
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
        tab = gr.State("upscale")
        linked = gr.HTML("", elem_id="linked", apply_default_css=False)
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=320, elem_id="side"):
                panel = clip_panel(service)
                form = settings_form(measured, name="setting", open_groups=("quality",))
                asked = Asked(service, tab, panel.clip, form, machine_form(service.options))
                output = output_form()
            with gr.Column(scale=3, min_width=320, elem_id="main"), gr.Tabs(selected="upscale", elem_id="tabs") as tabs:
                contents: dict[Kind, tuple[str, Callable[[], gr.HTML]]] = {
                    "upscale": ("Upscale", lambda: upscale_tab(asked, *output)),
                    "compare": ("Compare", lambda: compare_tab(asked, measured)),
                    "inside": ("Inside", lambda: inside_tab(asked)),
                    "devices": ("This machine", lambda: machine_tab(asked)),
                }
                views: dict[Kind, gr.HTML] = {}
                for kind, (title, content) in contents.items():
                    with gr.Tab(title, id=kind) as opened:
                        views[kind] = content()
                    opened.select(partial(_of, kind), None, tab, **PRIVATE)
        outputs = [linked, tabs, tab, *views.values(), *form.inputs, *asked.machine]

        def arrive(request: gr.Request) -> list[Any]:
            """What the address asks for: ``?job=TOKEN`` or ``?settings=JSON``."""
            query = request.query_params
            nothing = [gr.skip() for _ in outputs]
            try:
                if query.get("job"):
                    return _job_again(service, query["job"], form)
                if query.get("settings"):
                    settings = form.updates(Settings.from_json(query["settings"]))
                    start = outputs.index(form.inputs[0])
                    return [*nothing[:start], *settings, *nothing[start + len(settings) :]]
            except WorkbenchError as error:
                return [boxes.error(error), *nothing[1:]]
            return nothing

        def arrive_clip(request: gr.Request) -> tuple[Any, Any, Any]:
            """The clip of the job that the address asks for; looking at it may take longer than finding the job."""
            token = request.query_params.get("job")
            try:
                source = service.request(token).source if token else None
                clip = clip_of(service, source) if source else None
            except NotFound:  # of the job, which is said elsewhere, or of its clip, which a link outlives
                clip = None
            except WorkbenchError as error:
                return gr.skip(), gr.skip(), boxes.error(error)
            return (clip, card(clip), gr.skip()) if clip else (gr.skip(), gr.skip(), gr.skip())

        def found(chosen: str) -> Any:
            """The devices are known once the planner has started; the page does not wait for that."""
            try:
                return gr.Dropdown(device_choices(chosen, found=service.devices()))
            except WorkbenchError as error:
                gr.Warning(str(error))
                return gr.skip()

        device = asked.machine[MACHINE.index("device")]
        page.load(arrive, None, outputs, **PRIVATE).then(found, device, device, **PRIVATE)
        page.load(arrive_clip, None, [panel.clip, panel.card, panel.said], **PRIVATE)
    return page


def _of(kind: Kind) -> Kind:
    return kind


def _job_again(service: Service, token: str, form: Form) -> list[Any]:
    """The page as it was when the job was started: its tab and settings, and the job."""
    request = service.request(token)
    views = [boxes.job(kind, token) if kind == request.kind else gr.skip() for kind in KINDS]
    device = gr.Dropdown(device_choices(request.device), value=request.device)  # before all are known
    machine = [gr.update(value=request.model), device, gr.update(value=request.dtype)]
    return ["", gr.Tabs(selected=request.kind), request.kind, *views, *form.updates(request.settings), *machine]
