"""The whole page: the clip and the settings on the left, what can be done with them on the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gradio as gr

from workbench.ablation.presets import Preset, presets
from workbench.app.errors import NotFound, RequestError
from workbench.app.kinds import KINDS, Kind
from workbench.app.page import boxes
from workbench.app.page.asked import Asked
from workbench.app.page.clip import ClipPanel, clip_of, clip_panel
from workbench.app.page.events import NEWEST, PRIVATE
from workbench.app.page.form import (
    MACHINE,
    Form,
    device_choices,
    follow_presets,
    machine_form,
    preset_choice,
    settings_form,
    size_choice,
)  # fmt: skip
from workbench.app.page.tab import Own, build_tab
from workbench.app.page.tabs import TABS
from workbench.app.request import Request
from workbench.app.service import Service
from workbench.app.values import ClipShown
from workbench.errors import WorkbenchError
from workbench.pipeline.settings import Settings

TITLE = "Stream-DiffVSR workbench"
MASTHEAD = (
    f'<div class="masthead"><h1>{TITLE}</h1>'
    "<p>Upscale video four times, frame by frame, using only the past. Compare it. Look inside.</p></div>"
)
JOB_OF_ADDRESS = "() => new URL(location.href).searchParams.get('job') ?? ''"
GONE = "That link leads to no job here: jobs are deleted some time after they end. Start a new one."


def build(service: Service, effects: Mapping[str, str] | None = None) -> gr.Blocks:
    """The page over a service. ``effects``: setting -> one line of what it was measured to do, shown with its help."""
    measured = effects or {}
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        gr.HTML(boxes.SKIP + MASTHEAD, apply_default_css=False)
        gr.HTML("<my-jobs></my-jobs>", elem_id="jobs", apply_default_css=False)
        tab = gr.State("upscale")
        linked = gr.HTML("", elem_id="linked", apply_default_css=False)
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=320, elem_id="side"):
                panel = clip_panel(service)
                form, size = _settings(measured, presets())
                asked = Asked(service, tab, panel.clip, panel.span, form, machine_form(service), size)
                panel.restore.click(partial(_made_with, form), panel.clip, form.inputs, **PRIVATE)
            with gr.Column(scale=3, min_width=320, elem_id="main"), gr.Tabs(selected="upscale", elem_id="tabs") as tabs:
                views: dict[Kind, gr.HTML] = {}
                for kind, about in KINDS.items():
                    with gr.Tab(about.title, id=kind) as opened:
                        own = TABS[kind](asked, measured)
                        if isinstance(own, Own):
                            views[kind] = build_tab(asked, kind, own)
                    opened.select(partial(_of, kind), None, tab, **PRIVATE)
        _arrivals(page, asked, panel, tabs, linked, views)
    return page


def _settings(effects: Mapping[str, str], ready: Sequence[Preset]) -> tuple[Form, gr.Radio]:
    """The presets and the output's size, and every single setting behind them."""
    with gr.Column(elem_classes="settings-group", elem_id="settings"):
        choice = preset_choice(ready, name="preset")
        size = size_choice()
        with gr.Accordion("Why? All settings, and what each does", open=False, elem_id="why"):
            form = settings_form(effects, name="setting")
    follow_presets(choice, ready, form)
    return form, size


def _made_with(form: Form, clip: ClipShown) -> list[Any]:
    """The settings that an uploaded result was made with."""
    return form.updates(Settings.from_json(clip.probe.made_with))


def _arrivals(
    page: gr.Blocks, asked: Asked, panel: ClipPanel, tabs: gr.Tabs, linked: gr.HTML, views: Mapping[Kind, gr.HTML]
) -> None:
    """What the address asks for, ``?job=TOKEN`` or ``?settings=JSON``: at once, and when Back or Forward change it."""
    service = asked.service
    address = gr.Textbox(label="Address", elem_id="address", elem_classes="away")
    again = gr.Button("Show the job of the address", elem_id="again", elem_classes="away")
    outputs = [linked, tabs, asked.tab, *views.values(), *asked.form.inputs, *asked.machine]
    nothing = [gr.skip() for _ in outputs]

    def arrive(request: gr.Request) -> list[Any]:
        query = request.query_params
        try:
            if query.get("job"):
                return show(query["job"])
            if query.get("settings"):
                settings = asked.form.updates(Settings.from_json(query["settings"]))
                start = outputs.index(asked.form.inputs[0])
                return [*nothing[:start], *settings, *nothing[start + len(settings) :]]
        except WorkbenchError as error:
            return [boxes.error(error), *nothing[1:]]
        return nothing

    def show(token: str) -> list[Any]:
        """The page as it was when the job was started: its tab and settings, and the job."""
        try:
            asks = service.request(token)
        except (NotFound, RequestError):
            return [boxes.error(GONE), *nothing[1:]]
        shown = [boxes.job(kind, token) if kind == asks.kind else gr.skip() for kind in views]
        device = gr.Dropdown(device_choices(asks.device), value=asks.device)  # before all are known
        machine = [gr.update(value=asks.model), device, gr.update(value=asks.dtype), gr.update(value=asks.engine)]
        settings = asked.form.updates(asks.settings)
        return ["", gr.Tabs(selected=asks.kind), asks.kind, *shown, *settings, *machine]

    def go(token: str) -> list[Any]:
        """Back or Forward: without a token, to the page before any job."""
        if token:
            return show(token)
        return ["", gr.skip(), gr.skip(), *(boxes.job(kind) for kind in views), *nothing[3 + len(views) :]]

    def arrive_clip(request: gr.Request) -> list[Any]:
        return clip_again(request.query_params.get("job") or "")

    def clip_again(token: str) -> list[Any]:
        """The clip of a job; looking at it may take longer than finding the job."""
        same = [gr.skip() for _ in panel.outputs]
        try:
            asks = service.request(token) if token else None
            clip = clip_of(service, asks.source) if asks is not None and asks.source else None
        except (NotFound, RequestError):  # of the job, which is said elsewhere, or of its clip, which a link outlives
            return same
        except WorkbenchError as error:
            return panel.updates(None, boxes.error(error))
        return same if asks is None or clip is None else panel.updates(clip, "", _range(asks, clip))

    def found(chosen: str) -> Any:
        """The devices are known once the planner has started; the page does not wait for that."""
        try:
            return gr.Dropdown(device_choices(chosen, found=service.devices()))
        except WorkbenchError as error:
            gr.Warning(str(error))
            return gr.skip()

    device = asked.machine[MACHINE.index("device")]
    page.load(arrive, None, outputs, **PRIVATE).then(found, device, device, **PRIVATE)
    page.load(arrive_clip, None, panel.outputs, **PRIVATE)
    again.click(go, address, outputs, js=JOB_OF_ADDRESS, **NEWEST)
    again.click(clip_again, address, panel.outputs, js=JOB_OF_ADDRESS, **NEWEST)


def _range(asks: Request, clip: ClipShown) -> tuple[int, int]:
    """First and last frame of what was asked for."""
    end = clip.probe.frames - 1
    return asks.start, end if asks.frames is None else min(asks.start + asks.frames - 1, end)


def _of(kind: Kind) -> Kind:
    return kind
