"""The settings as a form: presets first, then every setting; model, device and precision beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from gradio.components import Component

from workbench.ablation.presets import Preset
from workbench.app.models import label
from workbench.app.options import Options
from workbench.app.page import boxes
from workbench.app.page.events import PRIVATE
from workbench.app.page.fields import whole
from workbench.app.request import DTYPES
from workbench.app.service import Service
from workbench.app.values import Device
from workbench.engines.table import AUTO, ENGINES
from workbench.errors import SettingsError, WorkbenchError
from workbench.pipeline.controls import Control, controls, groups
from workbench.pipeline.settings import Settings

OWN = "Own"  # of settings that are no preset's
SIZES: dict[str, dict[str, Any]] = {"x4": {}, "x2": {"scale": 2.0}, "1080p": {"height": 1080}, "4K": {"height": 2160}}
MACHINE = ("model", "device", "dtype", "engine")


@dataclass(frozen=True)
class Form:
    """Components in the order of ``Settings``' fields."""

    inputs: list[Component]
    said: dict[str, gr.HTML] = field(default_factory=dict)
    """Setting -> the place for what is wrong with its value."""

    def updates(self, settings: Settings) -> list[Any]:
        """What its components show for these settings."""
        return [gr.update(value=value) for value in settings.to_dict().values()]


def settings_from(values: Sequence[Any]) -> Settings:
    """The values of a form's components -> Settings; raises SettingsError for an empty or wrong one."""
    named = {control.name: _exact(control, value) for control, value in zip(controls(), values, strict=True)}
    return Settings.from_dict(named)


def settings_form(effects: Mapping[str, str], *, name: str) -> Form:
    """Every setting, by group. ``effects``: setting -> what it was measured to do. ``name``: begins ids."""
    made: dict[str, Component] = {}
    said: dict[str, gr.HTML] = {}
    for group, members in groups().items():
        gr.HTML(f'<h2 class="group">{group.capitalize()}</h2>', apply_default_css=False)
        for control in members:
            made[control.name] = _component(control, effects.get(control.name), f"{name}-{control.name}")
            if control.kind in ("whole", "scale"):
                said[control.name] = gr.HTML("", elem_id=f"{name}-{control.name}-said", apply_default_css=False)
                _watch(control, made[control.name], said[control.name])
    return Form([made[control.name] for control in controls()], said)


def preset_choice(presets: Sequence[Preset], *, name: str) -> gr.Radio:
    """The presets, and what they were measured to do; settings that are no preset's are ``OWN``."""
    words = "\n".join(f"{preset.name}: {preset.about}." for preset in presets)
    return gr.Radio(
        [*(preset.name for preset in presets), OWN], value="Balanced", label="Preset", info=words, elem_id=name
    )


def size_choice() -> gr.Radio:
    """How large the output is to be."""
    about = "The model makes x4; a smaller picture is that one brought down"
    return gr.Radio(list(SIZES), value="x4", label="Output size", info=about, elem_id="size")


def follow_presets(choice: gr.Radio, presets: Sequence[Preset], form: Form) -> None:
    """A preset sets the form; a change of the form shows which preset it is."""
    known = {preset.name: Settings(**preset.changes) for preset in presets}
    parts = sorted({part for preset in presets for part in preset.changes})
    places = [k for k, control in enumerate(controls()) if control.name in parts]
    inputs = [form.inputs[k] for k in places]

    def use(chosen: str) -> dict[Any, Any]:
        """By input: of a single one gradio would take a list for its value."""
        if chosen not in known:
            return {part: gr.skip() for part in inputs}
        values = list(known[chosen].to_dict().values())
        return {part: gr.update(value=values[k]) for part, k in zip(inputs, places, strict=True)}

    def name(*values: Any) -> Any:
        wanted = [list(settings.to_dict().values()) for settings in known.values()]
        for preset, settings in zip(known, wanted, strict=True):
            if [settings[k] for k in places] == list(values):
                return preset
        return OWN

    choice.input(use, choice, inputs, **PRIVATE)
    gr.on([part.change for part in inputs], name, inputs, choice, **PRIVATE)  # type: ignore[attr-defined]


def machine_form(service: Service) -> list[Component]:
    """Model, device, precision and engine, in the order of ``MACHINE``."""
    options: Options = service.options
    with gr.Accordion("Device and model", open=False, elem_classes="settings-group"):
        model = gr.Dropdown(
            [(label(known), known) for known in options.models],
            value=options.model,
            label="Model",
            info="The published weights want a GPU and are downloaded once",
            allow_custom_value=options.any_model,
            elem_id="model",
        )
        device = gr.Dropdown(
            device_choices(options.device),
            value=options.device,
            label="Device",
            info="One job at a time on each; the others wait in its queue",
            elem_id="device",
        )
        dtype = gr.Dropdown(
            list(DTYPES),
            value="auto",
            label="Precision",
            info="auto is fp16 on a GPU and fp32 on a CPU; fp16 halves the memory of weights and activations",
            elem_id="dtype",
        )
        engine = gr.Dropdown(
            [AUTO, *ENGINES],
            value=AUTO,
            label="Engine",
            info="What runs the networks; auto is the one that is done soonest of those installed",
            elem_id="engine",
        )
        said = gr.HTML("", elem_id="dtype-said", apply_default_css=False)

    def check(*chosen: str) -> str:
        try:
            service.check_device(*chosen)
        except WorkbenchError as error:
            return boxes.error(error)
        return ""

    gr.on([device.change, dtype.change, engine.change], check, [device, dtype, engine], said, **PRIVATE)
    return [model, device, dtype, engine]


def device_choices(*names: str, found: Sequence[Device] = ()) -> list[tuple[str, str]]:
    """``names``: kept whatever was found; ``found``: what ``Service.devices`` says, which is not known at once."""
    labels = {**{name: name for name in names}, "auto": "auto: the fastest here"}
    labels |= {device.name: device.label for device in found}
    return [(label, name) for name, label in labels.items()]


def _watch(control: Control, component: Component, said: gr.HTML) -> None:
    """Keeps what is wrong with a number beside its field."""

    def check(value: Any) -> str:
        try:
            Settings.from_dict({control.name: _exact(control, value)})
        except SettingsError as error:
            return boxes.error(error)
        return ""

    component.change(check, component, said, **PRIVATE)  # type: ignore[attr-defined]


def _component(control: Control, effect: str | None, elem_id: str) -> Component:
    info = control.help[0].upper() + control.help[1:]
    if effect:
        info = f"{info}\nMeasured: {effect}"
    shared: dict[str, Any] = {"label": control.label, "info": info, "value": control.default, "elem_id": elem_id}
    if control.kind == "switch":
        return gr.Checkbox(**shared)
    if control.kind == "choice":
        return gr.Dropdown(list(control.choices), **shared)
    if control.kind == "scale":
        return gr.Slider(minimum=control.low or 0.0, maximum=control.high or 1.0, step=0.05, buttons=[], **shared)
    return whole(**shared)


def _exact(control: Control, value: Any) -> Any:
    """What a component gave, in the setting's own type: JSON has one kind of number."""
    return int(value) if control.kind == "whole" and isinstance(value, float) and value.is_integer() else value
